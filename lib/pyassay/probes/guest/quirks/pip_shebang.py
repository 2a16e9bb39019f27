def _target(path):
    """Return what a script is started by: a path, or None when it is no script of an interpreter."""
    try:
        with open(path, "rb") as file:
            lines = text_of(file.read(4096)).splitlines()
    except (IOError, OSError):
        return None
    first = lines[0][2:].split() if lines and lines[0].startswith("#!") else []
    if not first:
        return None
    if os.path.basename(first[0]) == "env":
        words = [word for word in first[1:] if not word.startswith("-") and "=" not in word]
        return (command(words[0]) or words[0]) if words else first[0]
    if os.path.basename(first[0]) == "sh" and len(lines) > 1 and "exec" in lines[1]:
        # A shell hands over to the interpreter beside the script, or to one that is named in full.
        return _executed(lines[1], os.path.dirname(os.path.realpath(path))) or first[0]
    return first[0]


def _executed(line, folder):
    import re

    beside = re.search(r"/(python[0-9.]*t?d?)\"", line)
    if "dirname" in line and beside:
        return os.path.join(folder, beside.group(1))
    absolute = re.search(r"exec'*\s+[\"']?(/[^\"'\s]+)", line)
    return absolute.group(1) if absolute else None


def _same(target):
    """Tell whether it is this interpreter: the file itself, or a copy of it beside it."""
    real = os.path.realpath(target)
    return real == REAL or os.path.dirname(real) in (os.path.dirname(REAL), os.path.dirname(EXECUTABLE))


def observe():
    folder = os.path.dirname(EXECUTABLE)
    version = "%d.%d" % sys.version_info[:2]
    major = "%d" % sys.version_info[0]
    names = ["pip" + version, "pydoc" + version, "2to3-" + version, "idle" + version]
    names.append("python%s-config" % version)
    own = os.path.join(folder, "python" + major)
    if os.path.exists(own) and os.path.realpath(own) == REAL:
        # Names without the version are this interpreter's only where python3 is.
        names += ["pip" + major, "pydoc" + major, "idle" + major, "2to3", "python%s-config" % major, "wheel"]
        names += ["pip"]
    seen, dead, elsewhere = {}, [], []
    for name in sorted(names):
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            continue
        target = _target(path)
        seen[name] = target
        if target is None:
            continue
        if not os.path.exists(target):
            dead.append("%s wants %s" % (name, target))
        elif os.path.basename(target).startswith("python") and not _same(target):
            elsewhere.append("%s starts %s" % (name, target))
    details = {"scripts": seen, "dead": dead, "elsewhere": elsewhere}
    if not seen:
        return "absent", "no such script in %s" % folder, details
    if dead:
        return "broken", "%d of %d: %s" % (len(dead), len(seen), dead[0]), details
    if elsewhere:
        return "elsewhere", "%d of %d: %s" % (len(elsewhere), len(seen), elsewhere[0]), details
    return "works", "%d scripts: %s" % (len(seen), ", ".join(sorted(seen))), details
