def _expanded(text, values):
    import re

    for _ in range(8):
        changed = re.sub(r"\$\{([^}]+)\}", lambda match: values.get(match.group(1), ""), text)
        if changed == text:
            break
        text = changed
    return text


def observe():
    import sysconfig

    version = "%d.%d" % sys.version_info[:2]
    flags = getattr(sys, "abiflags", "")
    names = ["python-%s%s-embed.pc" % (version, flags), "python-%s-embed.pc" % version]
    names += ["python-%s%s.pc" % (version, flags), "python-%s.pc" % version]
    folders = [sysconfig.get_config_var("LIBPC"), os.path.join(BASE_PREFIX, "lib", "pkgconfig")]
    if sysconfig.get_config_var("MULTIARCH"):
        folders.append(os.path.join(BASE_PREFIX, "lib", sysconfig.get_config_var("MULTIARCH"), "pkgconfig"))
    folders += [
        os.path.join(BASE_PREFIX, "lib64", "pkgconfig"),
        os.path.join(BASE_PREFIX, "share", "pkgconfig"),
    ]
    places = [os.path.join(folder, name) for name in names for folder in folders if folder]
    found = [path for path in places if os.path.isfile(path)]
    if not found:
        return "absent", "no %s in %s" % (names[1], ", ".join(folder for folder in folders if folder))
    path = os.path.realpath(found[0])
    values = {"pcfiledir": os.path.dirname(path)}
    with open(path, "rb") as file:
        for line in text_of(file.read(65536)).splitlines():
            name, equals, value = line.partition("=")
            if equals and ":" not in name:
                values[name.strip()] = value.strip()
    named = {}
    for name in ("libdir", "includedir"):
        folder = _expanded(values.get(name, ""), values)
        named[name] = os.path.normpath(folder) if folder else ""
    details = {"file": path, "folders": named}
    for name in ("includedir", "libdir"):
        if not os.path.isdir(named[name]):
            return "broken", "%s: %s is %s" % (path, name, named[name] or "not given"), details
    libraries = [name for name in os.listdir(named["libdir"]) if name.startswith("libpython" + version)]
    if not libraries and found[0].endswith("-embed.pc"):
        return "broken", "%s: no libpython%s in %s" % (path, version, named["libdir"]), details
    return "works", "%s: %s" % (path, named["libdir"]), details
