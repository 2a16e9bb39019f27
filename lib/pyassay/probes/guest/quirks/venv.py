# with: environment


def observe():
    made, own = new_environment("env", "--symlinks")
    if not made.ok:
        return "fails", made.said
    started = run([own, "-I", "-c", "import sys; print(sys.prefix)"])
    if not started.ok:
        return "fails", started.said
    if os.path.realpath(started.out.strip()) != os.path.realpath(os.path.join(SCRATCH, "env")):
        return "fails", "started in the environment, its prefix is %s" % started.out.strip()
    if python("-I", "-c", "import ssl").ok:
        imported = run([own, "-I", "-c", "import ssl"])
        if not imported.ok:
            return "fails", "ssl can be imported outside of the environment only: %s" % imported.said
    return "works", "the environment's python is a link to %s" % os.path.realpath(own)
