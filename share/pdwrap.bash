# bash completion for pdwrap. To have it:
# pdwrap --completion bash > ~/.local/share/bash-completion/completions/pdwrap
_pdwrap_ancestors() {
    local pid=$$ name stat
    while [ "$pid" -gt 1 ] && { read -r stat < "/proc/$pid/stat"; } 2>/dev/null; do
        name=${stat#*\(}
        printf '%s\n' "${name%)*}"
        stat=${stat##*) ? }
        pid=${stat%% *}
    done
}

_pdwrap_among() {
    local word
    COMPREPLY=()
    for word; do
        [[ $word == "$cur"* ]] && COMPREPLY+=("$(printf %q "$word")")
    done
}

_pdwrap() {
    local cur=${COMP_WORDS[COMP_CWORD]} option='' at names
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${COMP_WORDS[at]} in
        --)
            ((at++))
            break
            ;;
        -p | --parent | --lifeline | --watch | -i | --interval | -s | --signal | -g | -k | --grace | --stop-grace | --leftovers | --rewrite | --success | --name | --log-file | --log | --completion)
            option=${COMP_WORDS[at]}
            [[ ${COMP_WORDS[at + 1]} == = ]] && ((at++)) # one word to a person, three to bash
            ((++at < COMP_CWORD)) && option=
            ;;
        -*) ;;
        *) break ;;
        esac
    done
    [[ $cur == = ]] && cur=
    case $option in
    '') ;;
    -p | --parent)
        mapfile -t names < <(_pdwrap_ancestors)
        _pdwrap_among auto "${names[@]}"
        return
        ;;
    --watch)
        _pdwrap_among auto poll off
        return
        ;;
    -s | --signal)
        _pdwrap_among TERM INT QUIT HUP USR1 USR2 KILL
        return
        ;;
    --leftovers)
        _pdwrap_among end wait leave
        return
        ;;
    --log-file) return ;;
    --log)
        _pdwrap_among text json
        return
        ;;
    --completion)
        _pdwrap_among bash zsh fish
        return
        ;;
    *)
        compopt +o bashdefault +o default # its text is no word that could be known
        return
        ;;
    esac
    if ((at < COMP_CWORD)); then
        # Behind the command: what is completed for that one, where bash-completion knows how; else files.
        declare -F _command_offset >/dev/null && _command_offset "$at"
    elif [[ $cur == -* && ${COMP_WORDS[COMP_CWORD - 1]} != -- ]]; then
        _pdwrap_among --fork --exec -p --parent --lifeline --watch -i --interval -s --signal -g -k --grace --stop-grace --leftovers --rewrite --success --name --log-file --log -q --quiet -v --verbose --doctor --list --orphans --completion --version -h --help
    else
        mapfile -t COMPREPLY < <(compgen -c -- "$cur" | sort -u)
    fi
}
complete -o bashdefault -o default -F _pdwrap pdwrap
