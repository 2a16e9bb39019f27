"""Started as a script around a command: takes the network away, waits, writes down what it took.

Standard library only, and little of it: what this process holds in memory is the least that is measured.
"""

import os
import struct
import sys

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


def _unshare(flags: int) -> bool:
    if hasattr(os, "unshare"):
        try:
            os.unshare(flags)
        except OSError:
            return False
        return True
    import ctypes

    return bool(ctypes.CDLL(None).unshare(flags) == 0)


def _without_network() -> bool:
    """Leave the host's network for an empty one with a loopback of its own; False where we may not."""
    user, group = os.getuid(), os.getgid()
    if not _unshare(_CLONE_NEWNET):
        if not _unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
            return False
        # The same user inside as outside, so that files keep their owner.
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as stream:  # noqa: PTH123
                stream.write(text)
    import fcntl
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as loopback:
        fcntl.ioctl(loopback, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
    return True


def _main(report: str, network: str, argv: list[str]) -> int:
    isolated = False
    if network == "none":
        try:
            isolated = _without_network()
        except OSError:
            isolated = False
    child = os.fork()
    if child == 0:
        try:
            os.execvp(argv[0], argv)  # noqa: S606
        except OSError as error:
            os.write(2, f"{argv[0]}: {error.strerror}\n".encode(errors="backslashreplace"))
        os._exit(127)
    _, status, used = os.wait4(child, 0)
    text = f"{used.ru_utime + used.ru_stime} {used.ru_maxrss * 1024} {status} {int(isolated)}\n"
    with open(report, "w") as stream:  # noqa: PTH123
        stream.write(text)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2], sys.argv[3:]))
