def observe():
    import sysconfig

    prefix, libdir = sysconfig.get_config_var("prefix"), sysconfig.get_config_var("LIBDIR")
    if not prefix or not libdir:
        raise NotMeasured("sysconfig has no prefix or no LIBDIR")
    details = {"prefix": prefix, "LIBDIR": libdir, "base_prefix": BASE_PREFIX}
    lies = os.path.realpath(BASE_PREFIX)
    # sysconfig takes the environment for the prefix from some version on.
    if os.path.realpath(prefix) not in (lies, os.path.realpath(sys.prefix)):
        return "no", "prefix is %s, the tree lies in %s" % (prefix, BASE_PREFIX), details
    if not os.path.isdir(libdir):
        return (
            "no",
            "LIBDIR is %s, which does not exist; the tree lies in %s" % (libdir, BASE_PREFIX),
            details,
        )
    return "yes", "prefix is %s, LIBDIR %s" % (prefix, libdir), details
