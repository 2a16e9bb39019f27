# with: target_process


def observe():
    debugger = need("gdb")
    with target(TARGET, 24) as process:
        # No set-up of a user, no download of symbols; the interpreter's own helper (python3.12-gdb.py) may load.
        argv = [debugger, "-nx", "-batch", "-iex", "set auto-load safe-path /", "-iex", "set debuginfod enabled off",
                "-p", str(process.pid), "-ex", "py-bt", "-ex", "bt 40"]  # fmt: skip
        shown = run(argv, timeout=20, env={"DEBUGINFOD_URLS": None})
    if shown.code is None:
        raise NotMeasured("no answer from gdb in time")
    everything = shown.out + shown.err
    if "ptrace: " in everything or "Could not attach" in everything:
        raise NotMeasured("gdb may not look into another process here: %s" % shown.said)
    frames = [line for line in shown.out.splitlines() if line.startswith("#")]
    if not frames:
        raise NotMeasured("gdb shows no stack: %s" % shown.said)
    unnamed = [line for line in frames if " ?? " in line]
    words = set(word for line in frames for word in line.replace("(", " ").split())
    named = sorted(word for word in words if word.startswith(("Py", "_Py")))
    details = {"frames": len(frames), "without name": len(unnamed), "named": named[:20]}
    if "a_function_to_be_named" in shown.out:
        return "python_frames", "gdb shows the Python function that runs", details
    line = "%d of %d frames have a name (%s), none a Python function's"
    seen = line % (len(frames) - len(unnamed), len(frames), ", ".join(named[:3]) or "none of the interpreter")
    return "c_frames" if named else "no_symbols", seen, details
