def observe():
    if sys.version_info < (3, 3):
        raise NotApplicable("the venv module came with 3.3")
    made = python("-I", "-m", "venv", "--copies", "--without-pip", "env", timeout=20)
    if not made.ok:
        return "fails", made.said
    copy = os.path.join(SCRATCH, "env", "bin", "python")
    try:
        started = run([copy, "-I", "-c", "import ssl, sys; print(sys.prefix)"])
    except OSError as error:
        raise NotMeasured("programs may not be started in the scratch folder: %s" % error.strerror)
    if not started.ok:
        return "fails", started.said.replace(SCRATCH + os.sep, "")
    return "works", "the copied executable starts"
