def observe():
    folder = os.path.join(SCRATCH, "elsewhere", "bin")
    os.makedirs(folder)
    path = os.path.join(folder, os.path.basename(REAL))
    shutil.copy2(REAL, path)
    # Isolated mode would take no notice of PYTHONHOME.
    code = "import os, sys; print(sys.prefix)"
    try:
        started = run([path, "-s", "-B", "-c", code], env={"PYTHONHOME": BASE_PREFIX})
    except OSError as error:
        raise NotMeasured("nothing can be executed in the scratch folder: %s" % error)
    if started.ok:
        return "works", "starts with sys.prefix %s" % started.out.strip()
    return "fails", started.said
