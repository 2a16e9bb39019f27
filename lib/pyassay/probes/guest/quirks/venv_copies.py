# with: environment


def observe():
    made, copy = new_environment("env", "--copies")
    if not made.ok:
        return "fails", made.said
    try:
        started = run([copy, "-I", "-c", "import ssl, sys; print(sys.prefix)"])
    except OSError as error:
        raise NotMeasured("programs may not be started in the scratch folder: %s" % error.strerror)
    if not started.ok:
        return "fails", started.said
    return "works", "the copied executable starts"
