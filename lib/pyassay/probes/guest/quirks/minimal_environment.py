def observe():
    code = "import ssl, hashlib, sqlite3, sys; print(sys.prefix)"
    nothing = dict((name, None) for name in os.environ)
    started = python("-B", "-c", code, env=nothing)
    if started.ok:
        if os.path.realpath(started.out.strip()) != os.path.realpath(sys.prefix):
            return "fails", "sys.prefix is %s there, else %s" % (started.out.strip(), sys.prefix)
        return "works", "starts with no environment at all"
    asked = python("-B", "-c", code)
    if not asked.ok:
        raise NotMeasured("what is to be imported fails in any environment: %s" % asked.said)
    return "fails", started.said
