# with: environment


def observe():
    name = b"a folder \xc3\xa9\xe2\x82\xac".decode("utf-8")
    made, link = new_environment(name)
    if not made.ok:
        return "fails", "no environment in %r: %s" % (name, made.said)
    code = "import ssl, sqlite3, sys; print(ascii(sys.prefix))"
    details = {}
    for locale in ("C.UTF-8", "C"):
        started = run([link, "-B", "-c", code], env={"LC_ALL": locale})
        details[locale] = started.said
        if not started.ok:
            return "fails", "with LC_ALL=%s: %s" % (locale, started.said), details
        if "a folder" not in started.out:
            return "fails", "with LC_ALL=%s sys.prefix is %s" % (locale, started.out.strip()), details
    return "works", "an environment in a folder with blanks and letters beyond ASCII starts", details
