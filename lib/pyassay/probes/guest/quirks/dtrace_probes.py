def observe():
    main = ([REAL] + [path for path in mapped("libpython") if path != REAL])[-1]
    with open(main, "rb") as file:
        data = file.read()
    import sysconfig

    found = [text_of(name) for name in (b"function__entry", b"function__return", b"gc__start", b"import__find__load__start", b"audit")
             if b"stapsdt\0" in data and b"python\0" + name + b"\0" in data]  # fmt: skip
    details = {"probes": found, "WITH_DTRACE": sysconfig.get_config_var("WITH_DTRACE")}
    if found:
        return "present", "%s has probes: %s" % (os.path.basename(main), ", ".join(found)), details
    return "absent", "%s has none" % os.path.basename(main), details
