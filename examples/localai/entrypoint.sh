#!/bin/sh
# Entrypoint of a LocalAI image with pdwrap (see the Dockerfile beside it): puts pdwrap in front of every backend that
# is there, then goes on as the image does without it.
#
# At each start, since backends are in a volume, and an upgrade by LocalAI replaces them. What LocalAI installs while it
# runs is wrapped at the next start; until then: docker exec CONTAINER pdwrap-localai /backends
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

# exec: SIGTERM, which `docker stop` sends to PID 1, has to reach LocalAI. Its own entrypoint ends in exec, too.
exec "${LOCALAI_ENTRYPOINT:-/entrypoint.sh}" "$@"
