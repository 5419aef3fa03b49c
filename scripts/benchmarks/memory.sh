#!/bin/sh
# Measure memory while no Python runs but what is measured.
#
# Usage: memory.sh CANDIDATES LIBRARIES RESULTS SAMPLES THEN [ARG...]
#
# PSS divides a page by the number of processes that map it. A benchmark written in Python would share the
# interpreter's pages with the Python under test and make it look smaller than it is on a machine without. So the
# benchmark *becomes* this shell (same pid, hence still a subreaper), which becomes the benchmark again: THEN ARG...
#
# CANDIDATES: a line each, name, tab, command that prints the backend's pid (0: the candidate is itself what is
# measured) and waits. LIBRARIES: a line each, the files that a Python of the kind under test maps.
# RESULTS: a line for each sample: name, PSS and private memory in KiB, number of processes, other Pythons of the kind,
# private memory of the backend itself.
set -u
candidates=$1 libraries=$2 results=$3 samples=$4
shift 4
fifo=$results.fifo
mkfifo "$fifo"

stop=''
trap 'stop=1' HUP
trap 'stop=2' INT
trap 'stop=15' TERM
echo "bench: memory ..." >&2

# $found: everything below this shell. Only builtins: a command would be a child itself.
find_below() {
    found='' todo=$$
    while [ -n "$todo" ]; do
        above=$todo todo=''
        for pid in $above; do
            for list in /proc/"$pid"/task/*/children; do
                kids=''
                # The file does not end in a newline: `read` fails, and has read it.
                { read -r kids <"$list"; } 2>/dev/null
                todo="$todo${kids:+ $kids}"
            done
        done
        found="$found $todo"
        todo=${todo# }
    done
}

add_up() {
    pss=0 private=0 count=0
    for pid in "$@"; do
        { while read -r key value _; do
            case $key in
            Pss:) pss=$((pss + value)) count=$((count + 1)) ;;
            Private_Clean: | Private_Dirty:) private=$((private + value)) ;;
            esac
        done <"/proc/$pid/smaps_rollup"; } 2>/dev/null
    done
}

measure() {
    others=$(grep -l -F -f "$libraries" /proc/[0-9]*/maps 2>/dev/null | wc -l)
    eval "exec $2" >"$fifo" 2>/dev/null 3<&- &
    started=$!
    backend=''
    read -r backend <"$fifo"
    [ -n "$backend" ] && [ -z "$stop" ] || return
    # Beside every wrapper runs its backend, a `sleep`; so one runs beside a candidate without: as many processes
    # share the C library's pages.
    beside=''
    if [ "$backend" = 0 ]; then
        sleep 600 &
        beside=$!
    fi
    # The backend runs; give the supervisors time to get to where they wait.
    sleep 0.15
    find_below
    wrappers=''
    for pid in $found; do
        case $pid in "$backend" | "$beside") ;; *) wrappers="$wrappers $pid" ;; esac
    done
    # shellcheck disable=SC2086
    add_up $wrappers
    line="$1 $pss $private $count $others"
    add_up "${beside:-$backend}"
    echo "$line $private" >>"$results"
    # Without its backend every wrapper ends by itself.
    if [ -z "$beside" ]; then kill -KILL "$backend"; else kill -KILL "$started" "$beside"; fi
    wait
}

tab=$(printf '\t')
while [ "$samples" -gt 0 ] && [ -z "$stop" ]; do
    samples=$((samples - 1))
    while IFS=$tab read -r name command <&3; do
        [ -n "$stop" ] || measure "$name" "$command"
    done 3<"$candidates"
done 2>"$results.errors"
# If stopped, what still runs is our child, and so that of the benchmark, which ends it.
[ -z "$stop" ] || echo "interrupted $stop" >>"$results"
rm -f "$fifo"
exec "$@"
