"""Building a wheel of the tiny module by a backend, as an installer would."""

# What is required, and the backend's module.
PROJECT = """
[build-system]
requires = ["%s"]
build-backend = "%s"
[project]
name = "tiny"
version = "1"
"""


def build_wheel(module, path, extra):
    """Build in the scratch folder; return the wheel (None: there is none) and what went wrong.

    ``path`` is PYTHONPATH for the backend, or empty; ``extra`` is further environment.
    """
    code = "import os, %s as backend; os.mkdir('dist'); backend.build_wheel('dist')" % module
    environment = dict(extra, PYTHONPATH=path) if path else extra
    built = python("-s", "-B", "-c", code, timeout=60, env=environment)
    dist = os.path.join(SCRATCH, "dist")
    wheels = os.listdir(dist) if os.path.isdir(dist) else []
    if not built.ok or not wheels:
        return None, complaint(built)
    return os.path.join(dist, wheels[0]), ""


def unpacked(wheel):
    """Return the folder in which the contents of a wheel lie."""
    import zipfile

    folder = os.path.join(SCRATCH, "out")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def complaint(ended):
    """Return the first line that names an error, with what CMake says below it, or what was said last."""
    lines = (ended.out + "\n" + ended.err).splitlines()
    for number, line in enumerate(lines):
        if "CMake Error" in line:
            below = [text.strip() for text in lines[number + 1 : number + 8] if text.strip()]
            return "CMake: " + " ".join(below[:3])
        if "ERROR:" in line or "error:" in line:
            return line.strip()
    return ended.said
