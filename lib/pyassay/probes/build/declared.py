"""What a build says of itself (sysconfig): claims, quoted word for word, and nothing read into them.

They lie by omission. Debian takes ``-flto``, ``-fprofile-use`` and ``-O3`` out of them, and describes its
shared library where its executable is another, faster build. ``PGO_PROF_USE_FLAG`` is set in every build:
not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["declared_facts"]

_FLAGS = (
    "CONFIG_ARGS",
    "OPT",
    "CFLAGS",
    "PY_CFLAGS",
    "PY_CORE_CFLAGS",
    "CFLAGS_NODIST",
    "PY_CFLAGS_NODIST",
    "CONFIGURE_CFLAGS",
    "CONFIGURE_CFLAGS_NODIST",
    "CPPFLAGS",
    "LDFLAGS",
    "LDFLAGS_NODIST",
    "PY_CORE_LDFLAGS",
    "PY_LDFLAGS_NODIST",
    "CONFIGURE_LDFLAGS",
    "CONFIGURE_LDFLAGS_NODIST",
)
# Which words of the flags tell of which fact.
_WORDS = {
    "pgo": r"--(?:enable|disable)-optimizations(?:=\S+)?|-fprofile-(?:use|instr-use)\S*",
    "lto": r"--with(?:out)?-lto(?:=\S+)?|-f(?:no-)?lto(?:=\S+)?",
    "bolt": r"--(?:enable|disable)-bolt(?:=\S+)?",
    "computed_gotos": r"--with(?:out)?-computed-gotos(?:=\S+)?",
    "tail_call_interpreter": r"--with(?:out)?-tail-call-interp(?:=\S+)?",
    "jit": r"--(?:enable|disable)-experimental-jit(?:=\S+)?",
    "free_threading": r"--(?:enable|disable)-gil(?:=\S+)?",
    "frame_pointers": r"-f(?:no-)?omit-frame-pointer|-m(?:no-)?omit-leaf-frame-pointer",
    "stack_protector": r"-f(?:no-)?stack-protector\S*",
    "fortify": r"-[DU]_FORTIFY_SOURCE(?:=\d)?",
    "control_flow_protection": r"-fcf-protection(?:=\S+)?|-mbranch-protection=\S+",
    "march": r"-m(?:arch|tune|cpu)=\S+",
    "allocator": r"--with(?:out)?-(?:pymalloc|mimalloc)(?:=\S+)?",
    "libpython": r"--(?:enable|disable)-shared(?:=\S+)?|--with(?:out)?-static-libpython(?:=\S+)?",
    "interposition": r"-f(?:no-)?semantic-interposition|-Wl,-Bsymbolic(?:-functions)?|-fno-plt",
    "debug": r"--with(?:out)?-pydebug(?:=\S+)?",
    "assertions": r"--with(?:out)?-assertions(?:=\S+)?|-[DU]NDEBUG",
}
_PATTERNS = {fact: re.compile(f"(?:{words})") for fact, words in _WORDS.items()}
_LEVEL = re.compile(r"-O(?:[0-3sgz]|fast)?")
# Variables that state a fact themselves.
_VARIABLES = {
    "computed_gotos": ("HAVE_COMPUTED_GOTOS", "USE_COMPUTED_GOTOS"),
    "tail_call_interpreter": ("Py_TAIL_CALL_INTERP", "_Py_TAIL_CALL_INTERP"),
    "jit": ("_Py_JIT", "_Py_TIER2"),
    "free_threading": ("Py_GIL_DISABLED",),
    "allocator": ("WITH_PYMALLOC", "WITH_MIMALLOC"),
    "libpython": ("Py_ENABLE_SHARED",),
    "debug": ("Py_DEBUG",),
}


def declared_facts(variables: Mapping[str, object]) -> dict[str, str]:
    """Return what sysconfig declares of each fact, word for word; a fact that it is silent of is absent.

    Parameters
    ----------
    variables : mapping
        Of ``sysconfig.get_config_vars()``.
    """
    words = [word.strip("'\"") for name in _FLAGS for word in _words(variables.get(name))]
    found: dict[str, list[str]] = {
        fact: [word for word in words if pattern.fullmatch(word)] for fact, pattern in _PATTERNS.items()
    }
    if str(variables.get("DEF_MAKE_ALL_RULE", "")).startswith("profile-"):
        found["pgo"].append(f"DEF_MAKE_ALL_RULE={variables['DEF_MAKE_ALL_RULE']}")
    for fact, names in _VARIABLES.items():
        found[fact] += [f"{name}={variables[name]}" for name in names if name in variables]
    # Of several levels the last counts; the interpreter's own flags end with PY_CORE_CFLAGS.
    for name in ("PY_CORE_CFLAGS", "CFLAGS", "OPT"):
        if levels := [word for word in _words(variables.get(name)) if _LEVEL.fullmatch(word)]:
            found["optimisation_level"] = [levels[-1]]
            break
    if variables.get("CC"):
        found["compiler"] = [" ".join(_words(variables["CC"]))]
    return {fact: " ".join(dict.fromkeys(quoted)) for fact, quoted in found.items() if quoted}


def _words(value: object) -> list[str]:
    return value.split() if isinstance(value, str) else []
