#!/bin/sh
# Starts LocalAI with pdwrap in front of each of its backends: for a container in which something outlives LocalAI, such
# as a supervisor that starts it again (s6, supervisord). Where LocalAI is the container's only program, its backends
# need no wrapper: see the Dockerfile beside this file.
#
# The wrappers are put there at each start, since backends are in a volume, and an upgrade by LocalAI replaces them.
# What LocalAI installs while it runs is wrapped at the next start; until then: docker exec CONTAINER pdwrap-localai
# /backends
set -u

backends=${LOCALAI_BACKENDS_PATH:-${BACKENDS_PATH:-/backends}}
for each in "$backends"/*/run.sh; do
    if [ -e "$each" ]; then
        # Named by the launcher: it closes even the time before pdwrap's first line. A backend that cannot be wrapped is
        # left as it is, and a line on stderr says why: LocalAI starts all the same.
        pdwrap-localai "$backends" -- --parent local-ai || :
        break
    fi
done

# exec: SIGTERM has to reach LocalAI. The image's own entrypoint ends in exec, too.
exec "${LOCALAI_ENTRYPOINT:-/entrypoint.sh}" "$@"
