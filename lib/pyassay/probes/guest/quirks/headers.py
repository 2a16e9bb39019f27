def observe():
    import sysconfig

    wanted = [os.path.join(sysconfig.get_path("include"), "Python.h"), sysconfig.get_config_h_filename()]
    if hasattr(sysconfig, "get_makefile_filename"):
        wanted.append(sysconfig.get_makefile_filename())
    else:
        wanted.append(os.path.join(sysconfig.get_config_var("LIBPL") or "", "Makefile"))
    missing = [path for path in wanted if not os.path.isfile(path)]
    details = {"wanted": wanted, "missing": missing}
    if not missing:
        return "complete", "Python.h in %s, pyconfig.h, Makefile" % os.path.dirname(wanted[0]), details
    if wanted[0] in missing:
        return "absent", "no %s" % wanted[0], details
    return "incomplete", "no %s" % missing[0], details
