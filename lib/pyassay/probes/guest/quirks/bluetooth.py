def observe():
    import socket

    if sys.version_info < (3, 3):
        raise NotApplicable("documented from 3.3 on")
    if hasattr(socket, "AF_BLUETOOTH") and hasattr(socket, "BTPROTO_RFCOMM"):
        return "present", "socket.AF_BLUETOOTH and BTPROTO_RFCOMM"
    return "absent", "socket has no AF_BLUETOOTH"
