def observe():
    if sys.version_info < (3, 14):
        raise NotApplicable("faulthandler shows the stack of C from 3.14 on")
    ended = python("-B", "-c", "import faulthandler; faulthandler.dump_c_stack()")
    if not ended.ok:
        return "absent", ended.said
    if "annot" in ended.err or "<" in ended.err and "not supported" in ended.err:
        return "absent", ended.said
    lines = [line for line in ended.err.splitlines() if line.startswith("  ")]
    if not lines:
        return "absent", ended.said
    return "present", "%d frames of C" % len(lines)
