"""Completion for bash, zsh and fish, made from the table of options: `pdwrap --completion SHELL` prints it.

Options, then their words (for `--parent` the names of the shell's ancestors), then commands, and behind the command
whatever the shell completes for that one.
"""

from typing import TYPE_CHECKING

from pdwrap import options

if TYPE_CHECKING:
    from typing import Any

    from pdwrap.option import Option

SHELLS = ("bash", "zsh", "fish")
SIGNALS = ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL")
#: Options that are no settings: how they are typed, what they do, which words they take.
OTHERS: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = (
    (("--completion",), "print the completion for a shell, and exit", SHELLS),
    (("--version",), "say it, and exit", ()),
    (("-h", "--help"), "show this, and exit", ()),
)

_BASH = r"""# bash completion for pdwrap. To have it:
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
        @TAKING@)
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
@VALUES@
    *)
        compopt +o bashdefault +o default # its text is no word that could be known
        return
        ;;
    esac
    if ((at < COMP_CWORD)); then
        # Behind the command: what is completed for that one, where bash-completion knows how; else files.
        declare -F _command_offset >/dev/null && _command_offset "$at"
    elif [[ $cur == -* && ${COMP_WORDS[COMP_CWORD - 1]} != -- ]]; then
        _pdwrap_among @WORDS@
    else
        mapfile -t COMPREPLY < <(compgen -c -- "$cur" | sort -u)
    fi
}
complete -o bashdefault -o default -F _pdwrap pdwrap
"""

_ZSH = r"""#compdef pdwrap
# zsh completion for pdwrap. To have it: pdwrap --completion zsh > _pdwrap, in a folder of $fpath
_pdwrap_ancestors() {
    local pid=$$ line
    local -a names
    while (( pid > 1 )) && [[ -r /proc/$pid/stat ]]; do
        line=$(< /proc/$pid/stat)
        names+=("${${line#*\(}%\)*}")
        pid=${${=line##*\) }[2]}
    done
    compadd -a names
    compadd auto
}

_pdwrap() {
    _arguments -S -A '-*' \
@ROWS@
        '(-)1:command:_command_names -e' \
        '*::argument:_normal'
}

_pdwrap "$@"
"""

_FISH = r"""# fish completion for pdwrap. To have it: pdwrap --completion fish > ~/.config/fish/completions/pdwrap.fish
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
            case @TAKING@
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
@ROWS@
complete -c pdwrap -n 'not __pdwrap_command' -a '(__fish_complete_command)' -d Command
complete -c pdwrap -n __pdwrap_command -a '(__pdwrap_behind)'
"""


def script(shell: str) -> str:
    """Give the completion script for `shell`, one of SHELLS."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]()


def words_of(row: "Option[Any]") -> tuple[str, ...]:
    """Give the words that an option takes, as far as they are words to be typed as they stand."""
    if row is options.Settings.signal:
        return SIGNALS
    return tuple(word for word in row.metavar.split("|") if word.islower())


def _bash() -> str:
    taking = " | ".join(word for row in options.OPTIONS for word in row.words)
    typed = [word for row in options.OPTIONS for word in (*row.words, *(w for flag in row.flags for w in flag[0]))]
    typed += [word for names, _help, _words in OTHERS for word in names]
    values = []
    for row in options.OPTIONS:
        words, names = words_of(row), " | ".join(row.words)
        if row is options.Settings.parent:
            values += [
                f"    {names})",
                "        mapfile -t names < <(_pdwrap_ancestors)",
                '        _pdwrap_among auto "${names[@]}"',
            ]
            values += ["        return", "        ;;"]
        elif row.metavar == "FILE":
            values += [f"    {names}) return ;;"]
        elif words:
            values += [f"    {names})", f"        _pdwrap_among {' '.join(words)}", "        return", "        ;;"]
    values += ["    --completion)", f"        _pdwrap_among {' '.join(SHELLS)}", "        return", "        ;;"]
    made = _BASH.replace("@TAKING@", f"{taking} | --completion").replace("@VALUES@", "\n".join(values))
    return made.replace("@WORDS@", " ".join(typed))


def _zsh() -> str:
    rows = []
    for row in options.OPTIONS:
        for words, _text, about in row.flags:
            others = " ".join(w for flag in row.flags for w in flag[0])
            rows.append(_zsh_row(words, f"({others})", about, ""))
        if row.words:
            action = (
                "_pdwrap_ancestors" if row is options.Settings.parent else "_files" if row.metavar == "FILE" else ""
            )
            values = words_of(row)
            action = action or (f"({' '.join(values)})" if values else "")
            excluded = "*" if row.repeatable else f"({' '.join(row.words)})"
            rows.append(_zsh_row(row.words, excluded, row.help, f":{row.metavar.replace(':', chr(92) + ':')}:{action}"))
    for names, about, values in OTHERS:
        rows.append(_zsh_row(names, "(- *)", about, f":SHELL:({' '.join(values)})" if values else ""))
    return _ZSH.replace("@ROWS@", "\n".join(rows))


def _zsh_row(words: tuple[str, ...], excluded: str, about: str, action: str) -> str:
    # A long option's text may follow `=` or come as the next word, a short one's may follow at once.
    takes = {True: "=", False: "+"} if action else {True: "", False: ""}
    typed = [word + takes[word.startswith("--")] for word in words]
    shown = f"[{about}]{action}".replace("'", "'\\''")
    names = typed[0] if len(typed) == 1 else "{" + ",".join(typed) + "}"
    return f"        '{excluded}'{names}'{shown}' \\"


def _fish() -> str:
    taking = " ".join(word for row in options.OPTIONS for word in row.words)
    rows = []
    for row in options.OPTIONS:
        for words, _text, about in row.flags:
            rows.append(_fish_row(words, about, ""))
        if row.words:
            values = " ".join(words_of(row))
            if row is options.Settings.parent:
                values += " (__pdwrap_ancestors)"
            takes = " -r -F" if row.metavar == "FILE" else f" -x -a '{values}'" if values else " -x"
            rows.append(_fish_row(row.words, row.help, takes))
    for names, about, words in OTHERS:
        rows.append(_fish_row(names, about, f" -x -a '{' '.join(words)}'" if words else ""))
    return _FISH.replace("@TAKING@", f"{taking} --completion").replace("@ROWS@", "\n".join(rows))


def _fish_row(words: tuple[str, ...], about: str, takes: str) -> str:
    names = " ".join(f"-l {word[2:]}" if word.startswith("--") else f"-s {word[1:]}" for word in words)
    return f"complete -c pdwrap -n 'not __pdwrap_command' {names} -d '{about}'{takes}"
