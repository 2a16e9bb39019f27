import re

# What each level adds is known to the emulator by a processor that has just it.
PROCESSORS = (("v1", "core2duo"), ("v2", "Nehalem-v1"), ("v3", "Haswell-v4"))
LEVELS = {
    "x86-64": "v1", "x86-64-v2": "v2", "x86-64-v3": "v3", "x86-64-v4": "v4", "nehalem": "v2", "haswell": "v3",
    "skylake": "v3", "skylake-avx512": "v4", "znver3": "v3", "native": "native",
}  # fmt: skip


def observe():
    import platform
    import sysconfig

    if platform.machine() != "x86_64":
        raise NotApplicable("levels are of x86-64; this is %s" % platform.machine())
    flags = " ".join(str(sysconfig.get_config_var(name) or "") for name in ("CC", "PY_CFLAGS", "CFLAGS"))
    march = re.findall(r"-march=(\S+)", flags)
    emulator = command("qemu-x86_64") or command("qemu-x86_64-static")
    if not emulator:
        if march and march[-1] in LEVELS:
            return LEVELS[march[-1]], "compiled with -march=%s" % march[-1]
        raise NotMeasured("this place has no qemu-x86_64, and its compiler flags name no -march")
    code = "import ssl, sqlite3, hashlib, json, decimal; print(hashlib.sha256(b'').hexdigest()[:4])"
    last = None
    for level, processor in PROCESSORS:
        # What the environment calls for (hardware levels of libc) is the loader's choice, by what it is shown.
        last = run([emulator, "-cpu", processor, EXECUTABLE, ISOLATED, "-c", code],
                   timeout=25)  # fmt: skip
        if last.ok:
            return level, "starts on a %s (x86-64-%s)" % (processor, level), {"march": march}
        if last.code is None:
            raise NotMeasured("no answer in time from the emulator")
        # An instruction that the processor lacks, or what libc says when it looks first.
        lacking = last.code in (-4, 132) or any(
            words in last.err for words in ("llegal instruction", "CPU does not support", "CPU ISA level")
        )
        if not lacking:
            raise NotMeasured("under the emulator: %s" % last.said)
    return "v4", "on a %s: %s" % (PROCESSORS[-1][1], last.said), {"march": march}
