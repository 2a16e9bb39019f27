def observe():
    import sysconfig

    details = {"Py_DEBUG": bool(sysconfig.get_config_var("Py_DEBUG")), "gettotalrefcount": hasattr(sys, "gettotalrefcount")}
    flags = " ".join(str(sysconfig.get_config_var(name) or "") for name in ("OPT", "CFLAGS", "PY_CFLAGS")).split()
    levels = [flag for flag in flags if flag.startswith("-O")]
    details["optimised"] = levels[-1:] if levels else []
    if details["Py_DEBUG"] or details["gettotalrefcount"]:
        return "debug", "built with --with-pydebug", details
    return "release", "a release build%s" % (" (%s)" % levels[-1] if levels else ""), details
