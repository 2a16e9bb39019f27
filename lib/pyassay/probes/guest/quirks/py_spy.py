# with: target_process


def observe():
    tool = os.path.join(GIVEN.get("bin", ""), "py-spy")
    if not (GIVEN.get("bin") and os.access(tool, os.X_OK)):
        tool = need("py-spy")
    version = run([tool, "--version"]).out.strip()
    with target(TARGET, 18) as process:
        dumped = run([tool, "dump", "--pid", str(process.pid)], timeout=12)
    if "a_function_to_be_named" in dumped.out:
        return "works", "%s names the function that runs" % version
    said = line_with(("rror",), dumped.err, dumped.out) or dumped.said
    everything = dumped.err + dumped.out
    for words in ("ermission denied", "Operation not permitted", "run as root", "administrator"):
        if words in everything:
            raise NotMeasured("%s may not look into another process here: %s" % (version, said))
    return "fails", "%s: %s" % (version, said)
