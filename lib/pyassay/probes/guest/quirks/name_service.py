def observe():
    try:
        import ctypes

        switch = hasattr(ctypes.CDLL(None), "__nss_configure_lookup")
    except ImportError as error:
        raise NotMeasured("libc cannot be asked what it has: %s" % error)
    except OSError:
        # Linked statically, it loads nothing: no module of a name service, either.
        switch = False
    if switch:
        return "switch", "its libc has the name service switch"
    return "files_only", "its libc has no name service switch"
