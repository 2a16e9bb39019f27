def observe():
    if sys.version_info < (3, 9):
        raise NotApplicable("the zoneinfo module came with 3.9")
    try:
        import zoneinfo
    except ImportError as error:
        raise NotMeasured("zoneinfo: %s" % error)
    details = {"TZPATH": list(zoneinfo.TZPATH)}
    name = "Europe/Berlin"
    try:
        zoneinfo.ZoneInfo(name)
    except Exception as error:
        searched = ", ".join(zoneinfo.TZPATH) or "nothing"
        return "absent", "%s: %s; searched: %s" % (type(error).__name__, error, searched), details
    for folder in zoneinfo.TZPATH:
        if os.path.isfile(os.path.join(folder, name)):
            return "system", folder, details
    import tzdata

    return "package", "tzdata %s: %s" % (tzdata.IANA_VERSION, os.path.dirname(tzdata.__file__)), details
