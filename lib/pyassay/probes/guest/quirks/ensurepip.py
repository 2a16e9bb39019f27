def observe():
    if sys.version_info < (3, 4):
        raise NotApplicable("venv with pip came with 3.4")
    asked = python("-I", "-c", "import ensurepip; print(ensurepip.version())")
    if not asked.ok:
        return "absent", asked.said
    version = asked.out.strip()
    made = python("-I", "-m", "venv", "env", timeout=60)
    if not made.ok:
        # What went wrong is told before the line that says that something did.
        said = line_with(("Error",), made.out, made.err) or made.said
        return "fails", "pip %s: %s" % (version, said), {"pip": version}
    pip = os.path.join(SCRATCH, "env", "bin", "pip")
    if not os.path.exists(pip):
        return "fails", "the environment has no bin/pip", {"pip": version}
    try:
        started = run([pip, "--version"], timeout=30)
    except OSError:
        # Scripts may not be started in the scratch folder (noexec).
        started = run([os.path.join(SCRATCH, "env", "bin", "python"), pip, "--version"], timeout=30)
    if not started.ok:
        return "fails", started.said, {"pip": version}
    return "works", " ".join(started.out.split()[:2]), {"pip": version}
