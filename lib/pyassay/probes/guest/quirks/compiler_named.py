def observe():
    import sysconfig

    named = {}
    for variable in ("CC", "CXX", "LDSHARED", "LINKCC", "AR"):
        words = (sysconfig.get_config_var(variable) or "").split()
        if words:
            named[variable] = words[0]
    if "CC" not in named:
        raise NotMeasured("sysconfig names no compiler")
    found = dict((name, name if os.path.isfile(name) else command(name)) for name in set(named.values()))
    details = {"named": named, "found": found}
    if found[named["CC"]]:
        others = sorted(v for v, name in named.items() if not found[name])
        also = "; but %s names %s, which is not here" % (others[0], named[others[0]]) if others else ""
        return "present", "CC = %s: %s%s" % (named["CC"], found[named["CC"]], also), details
    if not (command("cc") or command("gcc") or command("clang")):
        raise NotMeasured("this place has no C compiler; the interpreter names %s" % named["CC"])
    return "absent", "CC = %s, which is not on PATH" % named["CC"], details
