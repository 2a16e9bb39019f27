def observe():
    folder = os.path.join(SCRATCH, "elsewhere", "bin")
    os.makedirs(folder)
    path = os.path.join(folder, os.path.basename(REAL))
    try:
        # Not where os.link would follow: REAL is no symbolic link.
        os.link(REAL, path)
        how = "a hard link"
    except OSError:
        # Another file system, or the kernel protects files of others.
        shutil.copy2(REAL, path)
        how = "a copy (no hard link can be made here)"
    try:
        started = run([path, ISOLATED, "-c", "import os, sys; print(sys.prefix)"])
    except OSError as error:
        raise NotMeasured("nothing can be executed in the scratch folder: %s" % error)
    if started.ok:
        return "works", "%s starts with sys.prefix %s" % (how, started.out.strip())
    if "encodings" in started.err or "platform independent" in started.err or "No module named" in started.err:
        return "no_stdlib", "%s: %s" % (how, started.said)
    return "not_loaded", "%s: %s" % (how, started.said)
