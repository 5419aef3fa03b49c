#!/bin/sh
# Several launchers share one backend, which ends when the last of them is dead. For each of them, in its script:
#
#     . ./shared.sh
#     share /run/user/1000/model llama-server --port 8080
#
# The first one starts the backend; whoever cannot reach it calls `share` again. The launcher holds descriptor 5 from
# then on. What it starts and leaves behind must not hold it as well: `other-program 5>&- &`.

share() {
    folder=$1
    shift
    [ -d "$folder" ] || (umask 077 && mkdir -p "$folder") || return
    [ -p "$folder/lifeline" ] || mkfifo -m 600 "$folder/lifeline" 2>/dev/null || [ -p "$folder/lifeline" ] || return
    # Both ways: opening it waits for nobody.
    exec 5<>"$folder/lifeline" || return
    # The tree holds the lock, so there is one backend. A session of its own: a Ctrl-C for one launcher is not for it.
    setsid flock --nonblock --no-fork "$folder/lock" \
        pdwrap --watch off --lifeline 6 -- "$@" 5>&- 6<"$folder/lifeline" </dev/null &
}
