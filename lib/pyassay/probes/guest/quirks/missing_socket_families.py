# Name and the version that documents it, for Linux. AF_BLUETOOTH has a question of its own.
WANTED = (
    ("AF_UNIX", (2, 0)),
    ("AF_INET6", (2, 2)),
    ("AF_NETLINK", (2, 5)),
    ("AF_PACKET", (2, 0)),
    ("AF_TIPC", (2, 6)),
    ("AF_CAN", (3, 3)),
    ("CAN_RAW", (3, 3)),
    ("CAN_BCM", (3, 4)),
    ("CAN_RAW_FD_FRAMES", (3, 5)),
    ("CAN_ISOTP", (3, 7)),
    ("CAN_J1939", (3, 9)),
    ("CAN_RAW_JOIN_FILTERS", (3, 9)),
    ("AF_RDS", (3, 3)),
    ("AF_ALG", (3, 6)),
    ("AF_VSOCK", (3, 7)),
    ("AF_QIPCRTR", (3, 8)),
    ("SO_REUSEPORT", (2, 7)),
    ("TCP_FASTOPEN", (3, 6)),
    ("TCP_USER_TIMEOUT", (3, 6)),
    ("TCP_CONGESTION", (3, 6)),
    ("TCP_NOTSENT_LOWAT", (3, 7)),
    ("IPPROTO_UDPLITE", (3, 9)),
    ("IPPROTO_MPTCP", (3, 10)),
    ("SO_INCOMING_CPU", (3, 11)),
)


def observe():
    import socket

    wanted = [name for name, since in WANTED if sys.version_info[:2] >= since]
    missing = [name for name in wanted if not hasattr(socket, name)]
    details = {"documented": len(wanted), "missing": missing}
    if missing:
        return "some_missing", "socket lacks %s" % ", ".join(missing), details
    return "all_there", "all of %d that the documentation of this version names" % len(wanted), details
