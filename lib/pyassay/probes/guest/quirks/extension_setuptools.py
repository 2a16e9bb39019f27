# with: tiny_module lending

SETUP = """
from setuptools import Extension, setup
setup(name="tiny", version="1", ext_modules=[Extension("tiny", ["tiny.c"])])
"""


def _setuptools():
    """Return where setuptools comes from, and what PYTHONPATH must be for it (empty: nothing)."""
    import zipfile

    version = "import setuptools; print(setuptools.__version__)"
    asked = python(ISOLATED, "-c", version, timeout=20)
    if asked.ok:
        return "its own setuptools %s" % asked.out.strip(), ""
    for folder in _wheel_folders():
        for name in sorted(os.listdir(folder)):
            if name.startswith("setuptools-") and name.endswith(".whl"):
                unpacked = os.path.join(SCRATCH, "backend")
                with zipfile.ZipFile(os.path.join(folder, name)) as wheel:
                    wheel.extractall(unpacked)
                return "setuptools %s of ensurepip" % name.split("-")[1], unpacked
    if not GIVEN.get("backends"):
        raise NotMeasured("there is no setuptools: neither its own nor in ensurepip")
    need_lent("setuptools")
    return "setuptools %s, lent to it" % GIVEN["backend_versions"]["setuptools"], GIVEN["backends"]


def _wheel_folders():
    import sysconfig

    folders = [sysconfig.get_config_var("WHEEL_PKG_DIR")]
    try:
        import ensurepip

        folders.insert(0, os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"))
    except ImportError:
        pass
    return [folder for folder in folders if folder and os.path.isdir(folder)]


def _build(path, extra):
    shutil.rmtree(os.path.join(SCRATCH, "out"), ignore_errors=True)
    shutil.rmtree(os.path.join(SCRATCH, "temp"), ignore_errors=True)
    environment = dict(extra)
    if path:
        environment["PYTHONPATH"] = path
    built = python(
        "-s", "-B", "setup.py", "build_ext", "--build-lib", "out", "--build-temp", "temp", timeout=60, env=environment
    )
    if not built.ok:
        return False, built.said
    return tiny_works("out")


def observe():
    import sysconfig

    compiler = os.path.basename(need("gcc", "cc", "clang"))
    whence, path = _setuptools()
    write("tiny.c", TINY_SOURCE)
    write("setup.py", SETUP)
    details = {"setuptools": whence, "CC": sysconfig.get_config_var("CC")}
    worked, said = _build(path, {})
    if worked:
        return "works", "built and imported by %s" % whence, details
    details["failed"] = said
    worked, then = _build(
        path, {"CC": compiler, "CXX": {"gcc": "g++", "clang": "clang++"}.get(compiler, "c++")}
    )
    details["with_CC"] = "works" if worked else then
    if worked:
        return "needs CC", "%s; with CC=%s it works" % (said, compiler), details
    return "fails", "%s; with CC=%s: %s" % (said, compiler, then), details
