def observe():
    code = "print(hash('pyassay') % 1000003)"
    seen = set(python("-B", "-c", code, env={"PYTHONHASHSEED": None}).out.strip() for _ in range(3))
    algorithm = getattr(getattr(sys, "hash_info", None), "algorithm", "fnv")
    details = {"algorithm": algorithm}
    if len(seen) > 1:
        return "on", "hashes of text differ from process to process (%s)" % algorithm, details
    return "off", "three processes give the same hash of a text (%s)" % algorithm, details
