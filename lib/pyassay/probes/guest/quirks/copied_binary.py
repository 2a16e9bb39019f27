def observe():
    folder = os.path.join(SCRATCH, "elsewhere", "bin")
    os.makedirs(folder)
    path = os.path.join(folder, os.path.basename(REAL))
    shutil.copy2(REAL, path)
    # Isolated mode would take no notice of PYTHONHOME.
    started = run([path, "-s", "-B", "-c", "import os, sys; print(sys.prefix)"], env={"PYTHONHOME": BASE_PREFIX})
    if started.ok:
        return "works", "starts with sys.prefix %s" % started.out.strip()
    return "fails", started.said
