# fish completion for pdwrap. To have it: pdwrap --completion fish > ~/.config/fish/completions/pdwrap.fish
function __pdwrap_ancestors
    set -l pid $fish_pid
    while test "$pid" -gt 1; and test -r /proc/$pid/comm
        cat /proc/$pid/comm
        set pid (string match -rg '^PPid:\s+(\d+)' </proc/$pid/status)
    end
end

# The words from the backend's command on; nothing as long as pdwrap's own options go on.
function __pdwrap_command
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        switch $words[1]
            case --
                set -e words[1]
                break
            case -p --parent --lifeline --watch -i --interval -s --signal -g -k --grace --stop-grace --leftovers --rewrite --success --name --log-file --log --completion
                set -q words[2]; or return 1
                set -e words[1..2]
            case '-*'
                set -e words[1]
            case '*'
                break
        end
    end
    set -q words[1]; or return 1
    printf '%s\n' $words
end

function __pdwrap_behind
    complete -C (string join -- ' ' (string escape -- (__pdwrap_command)) (commandline -ct))
end

complete -c pdwrap -f
complete -c pdwrap -n 'not __pdwrap_command' -l fork -d 'stay as supervisor (the default)'
complete -c pdwrap -n 'not __pdwrap_command' -l exec -d 'become the backend; sidecars watch'
complete -c pdwrap -n 'not __pdwrap_command' -s p -l parent -d 'an ancestor (auto: who started us)' -x -a 'auto (__pdwrap_ancestors)'
complete -c pdwrap -n 'not __pdwrap_command' -l lifeline -d 'end-of-file on FD counts as its death, too' -x
complete -c pdwrap -n 'not __pdwrap_command' -l watch -d 'how to watch it (auto); off: a lifeline alone' -x -a 'auto poll off'
complete -c pdwrap -n 'not __pdwrap_command' -s i -l interval -d 'between two looks, where polling (2s)' -x
complete -c pdwrap -n 'not __pdwrap_command' -s s -l signal -d 'first signal (TERM)' -x -a 'TERM INT QUIT HUP USR1 USR2 KILL'
complete -c pdwrap -n 'not __pdwrap_command' -s g -s k -l grace -d 'from it to SIGKILL (5s)' -x
complete -c pdwrap -n 'not __pdwrap_command' -l stop-grace -d 'from a forwarded SIGTERM to SIGKILL (none)' -x
complete -c pdwrap -n 'not __pdwrap_command' -l leftovers -d 'what it leaves behind when it exits (end)' -x -a 'end wait leave'
complete -c pdwrap -n 'not __pdwrap_command' -l rewrite -d 'forward TO in place of FROM; TO=0 drops it' -x
complete -c pdwrap -n 'not __pdwrap_command' -l success -d 'this status counts as 0; 143: death by SIGTERM' -x
complete -c pdwrap -n 'not __pdwrap_command' -l name -d 'what lines call the backend' -x
complete -c pdwrap -n 'not __pdwrap_command' -l log-file -d 'append lines there, with the time (stderr)' -r -F
complete -c pdwrap -n 'not __pdwrap_command' -l log -d 'their form (text)' -x -a 'text json'
complete -c pdwrap -n 'not __pdwrap_command' -s q -l quiet -d 'errors alone'
complete -c pdwrap -n 'not __pdwrap_command' -s v -l verbose -d 'say what is watched, too'
complete -c pdwrap -n 'not __pdwrap_command' -l doctor -d 'try what this machine offers, and prove it'
complete -c pdwrap -n 'not __pdwrap_command' -l list -d 'what is under pdwrap; a PID or NAME: is it?'
complete -c pdwrap -n 'not __pdwrap_command' -l orphans -d 'with --list: what is left, and holds a port'
complete -c pdwrap -n 'not __pdwrap_command' -l completion -d 'print the completion for a shell, and exit' -x -a 'bash zsh fish'
complete -c pdwrap -n 'not __pdwrap_command' -l version -d 'say it, and exit'
complete -c pdwrap -n 'not __pdwrap_command' -s h -l help -d 'show this, and exit'
complete -c pdwrap -n 'not __pdwrap_command' -a '(__fish_complete_command)' -d Command
complete -c pdwrap -n __pdwrap_command -a '(__pdwrap_behind)'
