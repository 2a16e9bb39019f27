def observe():
    names = ["test.support", "test.regrtest", "_testcapi", "idlelib"]
    there = []
    for name in names:
        ended = python(ISOLATED, "-c", "import %s" % name, timeout=15)
        if ended.ok:
            there.append(name)
    missing = [name for name in names if name not in there]
    if not missing:
        return "complete", ", ".join(names)
    if not there:
        return "absent", "none of %s" % ", ".join(names)
    return "partly", "missing: %s" % ", ".join(missing), {"there": there, "missing": missing}
