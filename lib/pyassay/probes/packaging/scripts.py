"""What is run in a container's shell around an artifact: nothing but what every minimal system has."""

from __future__ import annotations

import re

__all__ = [
    "FIRST_AND_SECOND",
    "FRESH",
    "KILLED",
    "NO_HOME",
    "READ_ONLY_HOME",
    "TERMINATED",
    "UNWRITABLE",
    "answers",
    "wrapped",
]

_FOLDER = 'w=/tmp/pyassay-run-$$; mkdir -p "$w/home" "$w/tmp" "$w/cwd" && cd "$w/cwd" || exit 125'
_CLEAN = 'cd /; chmod -R u+rwX "$w" 2>/dev/null; rm -rf "$w" 2>/dev/null'
_OWN = 'export HOME="$w/home" TMPDIR="$w/tmp"'
_SUM = (
    "sum() { find \"$1\" -type f -printf '%s\\n' 2>/dev/null | "
    "{ t=0; while read -r n; do t=$((t+n)); done; echo $t; }; }"
)
_NAMES = 'ls "$w/tmp" | head -3 | tr "\\n" " "'

FRESH = f'{_FOLDER}; [ -z "$PYASSAY_CWD" ] || cd "$PYASSAY_CWD"; {_OWN}; "$@"; s=$?; {_CLEAN}; exit $s'
"""Run it once with a home and a temporary folder of its own, both removed afterwards."""

READ_ONLY_HOME = f'{_FOLDER}; export HOME=/srv TMPDIR="$w/tmp"; "$@"; s=$?; {_CLEAN}; exit $s'
"""The same with a home folder that is not writable."""

UNWRITABLE = 'cd / && export HOME=/srv && unset TMPDIR && exec "$@"'
NO_HOME = 'cd / && unset HOME TMPDIR && exec "$@"'

# A process group of its own: what a bootloader leaves running is ended, too.
_STARTED = (
    'setsid "$@" >"$w/out" 2>"$w/err" </dev/null & p=$!; i=0; '
    'while [ $i -lt 300 ] && ! grep -q ready "$w/out" 2>/dev/null && kill -0 $p 2>/dev/null; '
    "do i=$((i+1)); sleep 0.1; done"
)
_ENDED = "kill -9 -- -$p 2>/dev/null; wait $p 2>/dev/null"

TERMINATED = (
    f"{_FOLDER}; {_OWN}; {_SUM}; {_STARTED}; "
    f'if grep -q ready "$w/out"; then kill -TERM $p; '
    "( sleep 10; kill -9 -- -$p ) >/dev/null 2>&1 & k=$!; "
    'wait $p; echo "status=$?"; kill $k 2>/dev/null; sleep 0.3; '
    f'echo "left=$(sum "$w/tmp")"; echo "names=$({_NAMES})"; '
    f'else cat "$w/err" >&2; echo status=none; fi; {_ENDED}; {_CLEAN}; exit 0'
)
"""Start it, wait until it says that it is ready, send SIGTERM; print ``status=7``, ``left=BYTES``, names."""

KILLED = (
    f'{_FOLDER}; {_OWN}; {_SUM}; for n in first second; do : >"$w/out"; {_STARTED}; '
    'if grep -q ready "$w/out"; then echo "${n}_running=$(sum "$w/tmp")"; kill -KILL $p; '
    "wait $p 2>/dev/null; sleep 0.5; "
    f'{_ENDED}; echo "${{n}}_left=$(sum "$w/tmp")"; echo "${{n}}_names=$({_NAMES})"; '
    f'else cat "$w/err" >&2; {_ENDED}; fi; chmod -R u+rwX "$w/tmp" 2>/dev/null; rm -rf "$w/tmp"; '
    f'mkdir "$w/tmp"; done; {_CLEAN}; exit 0'
)
"""Twice, in one home: the same with SIGKILL; ``first_running=BYTES`` in the temporary folder meanwhile."""

FIRST_AND_SECOND = (
    f'{_FOLDER}; {_OWN}; {_SUM}; for n in first second; do if "$@" >/dev/null 2>"$w/err"; then '
    'echo "${n}_home=$(sum "$w/home")"; echo "${n}_left=$(sum "$w/tmp")"; '
    f'else cat "$w/err" >&2; fi; done; {_CLEAN}; exit 0'
)
"""Run it twice as the same user; print ``first_home=BYTES``, ``first_left=BYTES``, ``second_home`` ..."""


def wrapped(script: str, argv: list[str]) -> list[str]:
    """Return the command that runs a script around a command."""
    return ["/bin/sh", "-c", script, "sh", *argv]


def answers(stdout: bytes) -> dict[str, str]:
    r"""Return what a script printed: the part before the sign and the part after it.

    >>> answers(b"noise\nstatus=7\nleft=0\n")
    {'status': '7', 'left': '0'}
    """
    lines = stdout.decode("utf-8", "replace").splitlines()
    matches = (re.fullmatch(r"([a-z_]+)=(.*)", line) for line in lines)
    return {match[1]: match[2].strip() for match in matches if match}
