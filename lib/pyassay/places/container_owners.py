"""Whose a container is: labels that name the process that made it, so that a later run can sweep up."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

__all__ = ["RUN_LABEL", "creator_is_gone", "owner_labels"]

RUN_LABEL = "pyassay.run"
_PID, _START, _BOOT, _HOST = "pyassay.pid", "pyassay.started", "pyassay.boot", "pyassay.host"
_NAMESPACE = "pyassay.pid_namespace"
# A creator that cannot be looked at (on another machine, in another container) is given this long.
_FOREIGN_S = 24 * 3600


def owner_labels(run: str) -> dict[str, str]:
    """Return the labels of what this process makes.

    A number alone does not name a process: it is used again. Number, start time and boot together do.
    """
    pid = os.getpid()
    return {
        RUN_LABEL: run,
        _PID: str(pid),
        _START: _start_time(pid) or "",
        _BOOT: _boot(),
        _HOST: socket.gethostname(),
        _NAMESPACE: _pid_namespace(),
    }


def creator_is_gone(labels: Mapping[str, str], created: float) -> bool:
    """Tell whether the process that made something has ended.

    Parameters
    ----------
    labels : mapping
        As :func:`owner_labels` made them; they may be damaged.
    created : float
        When it was made, in seconds since 1970.
    """
    if labels.get(_BOOT) == _boot() and labels.get(_NAMESPACE) == _pid_namespace():
        pid = labels.get(_PID, "")
        return not (pid.isdecimal() and pid.isascii() and _start_time(int(pid)) == labels.get(_START))
    if labels.get(_HOST) == socket.gethostname() and labels.get(_BOOT) != _boot():
        return True
    return time.time() - created > _FOREIGN_S


def _start_time(pid: int) -> str | None:
    """Return when a process started, in ticks since the boot; None when there is none, or a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (OSError, ValueError):
        return None
    # The name in parentheses may hold anything, parentheses too.
    fields = status.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in {"Z", "X"} else None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
