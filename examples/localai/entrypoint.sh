#!/bin/sh
# Starts LocalAI with pdwrap in front of each of its backends: for a container in which something outlives LocalAI, such
# as a supervisor that starts it again (s6, supervisord). Where LocalAI is the container's only program, its backends
# need no wrapper: see the Dockerfile beside this file.
#
# The wrappers are put there at each start, since backends are in a volume, and from then on whenever LocalAI installs
# or upgrades one (--follow). LocalAI starts whatever happens: what cannot be wrapped is left as it is, and a line says
# why; a pdwrap-localai that is missing, or waits for a file system that does not answer, keeps nothing from starting.
set -u

backends=${LOCALAI_BACKENDS_PATH:-${BACKENDS_PATH:-/backends}}
if command -v pdwrap-localai >/dev/null; then
    # What is there, before LocalAI can start it.
    for each in "$backends"/*/run.sh; do
        if [ -e "$each" ]; then
            timeout 20 pdwrap-localai "$backends" </dev/null || :
            break
        fi
    done
    # It ends with this process, which becomes LocalAI: by its number, since LocalAI may die before pdwrap has started.
    pdwrap --parent "$$" -- pdwrap-localai --follow "$backends" </dev/null &
fi

# exec: SIGTERM has to reach LocalAI. The image's own entrypoint ends in exec, too.
exec "${LOCALAI_ENTRYPOINT:-/entrypoint.sh}" "$@"
