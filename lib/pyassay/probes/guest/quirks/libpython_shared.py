def observe():
    import sysconfig

    version = "%d.%d" % sys.version_info[:2]
    loaded = mapped("libpython" + version)
    folders = [sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LIBPL")]
    folders += [os.path.join(BASE_PREFIX, "lib"), os.path.join(BASE_PREFIX, "lib64")]
    shared, static = set(), set()
    for folder in folders:
        if not folder or not os.path.isdir(folder):
            continue
        for name in os.listdir(folder):
            if name.startswith("libpython" + version):
                path = os.path.realpath(os.path.join(folder, name))
                if name.endswith(".a"):
                    static.add(path)
                elif ".so" in name:
                    shared.add(path)
    details = {"loaded": loaded, "shared": sorted(shared), "static": sorted(static)}
    if loaded:
        return "shared", "the executable runs on %s" % loaded[0], details
    if shared:
        return "both", "the executable holds it; also %s" % sorted(shared)[0], details
    if static:
        return "static", "the executable holds it; also %s" % sorted(static)[0], details
    return "executable", "no libpython%s beside the executable" % version, details
