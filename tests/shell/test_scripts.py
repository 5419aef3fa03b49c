"""T1, T2, T3 in scripts: ``set -e``, traps, ``wait``, jobs, substitutions, here-documents, as without pdwrap.

Each script runs without pdwrap too (harness/scripts.py).
"""

from __future__ import annotations

import pytest

from tests.harness.scripts import Scripts

BOTH = pytest.mark.modes("fork", "exec")

SHELLS = pytest.mark.parametrize("shell", ["dash", "bash"])

ANY_SHELL = {
    "set -e, success": ("set -e; pdwrap -- true; echo reached", b"reached\n"),
    "set -e, failure": ("set -e; pdwrap -- sh -c 'exit 3'; echo not reached", b""),
    "set -e, a signal": ("set -e; pdwrap -- sh -c 'kill $$'; echo not reached", b""),
    "set -e, expected": ("set -e; pdwrap -- sh -c 'exit 3' || echo $?; pdwrap -- false || true; echo on", b"3\non\n"),
    "set -e, tested": ("set -e; if pdwrap -- false; then echo yes; else echo no $?; fi", b"no 1\n"),
    "set -e, substitution": ("set -e; x=$(pdwrap -- sh -c 'echo out; exit 4'); echo not reached", b""),
    "set -e, subshell": ("set -e; (pdwrap -- sh -c 'exit 4'; echo not reached)", b""),
    "128 + n": ('for n in HUP INT TERM KILL USR1; do pdwrap -- sh -c "kill -$n \\$\\$"; echo $?; done', None),
    "126 and 127": ("pdwrap -- ./no-such-file 2>&-; echo $?; pdwrap -- ./ 2>&-; echo $?", b"127\n126\n"),
    "exit trap": ("trap 'echo trap $?' EXIT; pdwrap -- sh -c 'exit 5'; exit 6", b"trap 6\n"),
    "exit trap, set -e": ("set -e; trap 'echo trap $?' EXIT; pdwrap -- sh -c 'exit 5'", b"trap 5\n"),
    "exit trap, a signal": ("trap 'echo trap $?' EXIT; pdwrap -- sh -c 'kill $$'", b"trap 143\n"),
    "a backend tells its script": (
        "trap 'echo told' USR1; pdwrap -- sh -c 'kill -USR1 $0' $$; echo on",
        b"told\non\n",
    ),
    "ignored": ("trap '' HUP USR2; pdwrap -- grep Sig[BIC] /proc/self/status", None),
    "ignored behind &": ("pdwrap -- grep Sig[BIC] /proc/self/status & wait", None),
    "substitution": ("x=$(pdwrap -- sh -c 'echo out; echo more; exit 4'); echo $? \"$x\"", b"4 out\nmore\n"),
    "substitution of stderr": ("x=$(pdwrap -- sh -c 'echo err >&2' 2>&1); echo $x", b"err\n"),
    "nested substitution": ("echo $(pdwrap -- echo $(pdwrap -- echo word))", b"word\n"),
    "here-document": ("x=word; pdwrap -- cat <<EOF\none $x\n$(pdwrap -- echo two)\nEOF", b"one word\ntwo\n"),
    "two here-documents": ("pdwrap -- cat /dev/fd/3 - <<A 3<<B\none\nA\ntwo\nB", b"two\none\n"),
    "a script by here-document": ("pdwrap -- sh -s a b <<'EOF'\necho $0 $*; exit 3\nEOF\necho $?", b"sh a b\n3\n"),
    "redirections": ("pdwrap -- sh -c 'cat; cat <&3; echo err >&2' <f 3<f >g 2>>g; cat g", b"line\nline\nerr\n"),
    "descriptors closed": ("pdwrap -- ls /proc/self/fd <&- ; pdwrap -- sh -c 'echo x >&2' 2>&-; echo $?", None),
    "loop": ("seq 3 | while read n; do pdwrap -- echo $n; done", b"1\n2\n3\n"),
    "shared input": ("seq 5 | { read a; pdwrap -- sh -c 'read b; echo b$b'; read c; echo $a $c; }", b"b2\n1 3\n"),
    "exec": ("trap 'echo trap' EXIT; exec pdwrap -- sh -c 'exit 7'", b""),
    "wait": ("pdwrap -- sh -c 'exit 7' & wait $!; echo $?; pdwrap -- sh -c 'kill $$' & wait $!; echo $?", b"7\n143\n"),
    "wait for two": (
        "pdwrap -- sh -c 'exit 3' & a=$!; pdwrap -- sh -c 'exit 4' & wait $a; echo $?; wait $!; echo $?",
        b"3\n4\n",
    ),
    "variables": ("A=1 pdwrap -- sh -c 'echo $A$B'; B=2; export B; pdwrap -- sh -c 'echo $A$B'", b"1\n2\n"),
    "umask and folder": ("umask 027; cd /; ulimit -n 99; pdwrap -- sh -c 'umask; pwd; ulimit -n'", b"0027\n/\n99\n"),
}

WAIT_N = """mkfifo a b
pdwrap -- sh -c 'read x <a; exit 3' & pdwrap -- sh -c 'read x <b; exit 4' &
echo >b; wait -n; echo $?; echo >a; wait -n; echo $?; wait -n; echo $?"""

COPROCESS = """coproc pdwrap -- cat
p=$!; echo word >&${COPROC[1]}; read -r x <&${COPROC[0]}; echo $x; eval "exec ${COPROC[1]}>&-"; wait $p; echo $?"""

BASH = {
    "timeout": ("timeout 0.3 pdwrap -- sleep 1000; echo $?; pdwrap -- timeout 0.1 sleep 1000; echo $?", b"124\n124\n"),
    "ERR trap": ("trap 'echo err $?' ERR; pdwrap -- sh -c 'exit 5'; pdwrap -- true", b"err 5\n"),
    "process substitution": ("pdwrap -- cat <(echo one) <(echo two); pdwrap -- cmp <(seq 9) <(seq 9)", b"one\ntwo\n"),
    "process substitution, written": ("{ pdwrap -- tee >(cat >&2) <<<word; } 2>&1 | cat", b"word\nword\n"),
    "process substitution, status": (
        "exec 3< <(pdwrap -- sh -c 'echo x; exit 3'); cat <&3; wait $!; echo $?",
        b"x\n3\n",
    ),
    "here-string": ("pdwrap -- tr a-z A-Z <<<word", b"WORD\n"),
    "coprocess": (COPROCESS, b"word\n0\n"),
    "wait -n": (WAIT_N, b"4\n3\n127\n"),
    "wait -n -p": ("pdwrap -- sh -c 'exit 3' & a=$!; wait -n -p who; echo $? $((who == a))", b"3 1\n"),
    "set -m, kill %1": ("set -m; pdwrap -- sleep 1000 & kill %1; wait %1; echo $?", b"143\n"),
    "set -m, kill -9 %1": ("set -m; pdwrap -- sleep 1000 & kill -9 %1; wait %1; echo $?", b"137\n"),
    "set -m, ignored": ("set -m; pdwrap -- grep Sig[BIC] /proc/self/status & wait", None),
    "a subshell's shell": (
        "(pdwrap -- sh -c 'exit 3') & wait $!; echo $?; { pdwrap -- false; } & wait $!; echo $?",
        b"3\n1\n",
    ),
    "shopt -s inherit_errexit": ("set -e; shopt -s inherit_errexit; x=$(pdwrap -- false; echo no); echo not", b""),
}


@BOTH
@SHELLS
@pytest.mark.parametrize("case", ANY_SHELL)
def test_any_shell(scripts: Scripts, shell: str, case: str) -> None:
    """T1, T2, T3: what any shell does with a command it does with this one."""
    scripts.compare(shell, *ANY_SHELL[case])


@BOTH
@pytest.mark.parametrize("case", BASH)
def test_bash(scripts: Scripts, case: str) -> None:
    """T1, T2, T3: what bash alone has."""
    scripts.compare("bash", *BASH[case])


@BOTH
def test_what_bash_says(scripts: Scripts) -> None:
    """T3: bash says how its command died, and that a core was dumped only where it was."""
    script = "ulimit -c 0; pdwrap -- sh -c 'kill -SEGV $$'; pdwrap -- sh -c 'kill -ABRT $$'; true"
    said = scripts.compare("bash", script).stderr
    assert [line.split()[4:6] for line in said.splitlines()] == [["Segmentation", "fault"], ["Aborted", "pdwrap"]]
