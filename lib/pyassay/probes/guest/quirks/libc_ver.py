import re


def observe():
    import platform

    name, version = platform.libc_ver(sys.executable)
    files = sorted(set([REAL] + mapped("libpython")))
    floor, where = (), ""
    for path in files:
        with open(path, "rb") as file:
            # Names of symbol versions in the string table for the loader.
            for found in re.findall(br"\0GLIBC_(\d+\.\d+(?:\.\d+)?)(?=\0)", file.read()):
                number = tuple(int(part) for part in found.split(b"."))
                if number > floor:
                    floor, where = number, path
    if not floor:
        raise NotApplicable("neither its executable nor its libpython is linked against glibc")
    needed = ".".join(str(part) for part in floor)
    details = {"libc_ver": "%s %s" % (name, version), "needs": needed, "file": where}
    said = tuple(int(part) for part in version.split(".")) if version else ()
    if said >= floor:
        return "agrees", "platform.libc_ver says %s, the tree needs %s" % (version, needed), details
    line = "platform.libc_ver says %s, %s needs %s"
    return "too_low", line % (version or "nothing", os.path.basename(where), needed), details
