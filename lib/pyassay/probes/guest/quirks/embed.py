SOURCE = r"""
#include <Python.h>
int main(void) {
    Py_Initialize();
    if (!Py_IsInitialized()) return 3;
    if (PyRun_SimpleString("import sys, json, zlib\n"
                           "print('running ' + sys.version.split()[0] + ' of ' + sys.prefix)")) return 4;
    Py_Finalize();
    return 0;
}
"""


def _flags():
    """Return compiler flags, linker flags and where they come from."""
    import sysconfig

    version = "%d.%d" % sys.version_info[:2]
    flags = getattr(sys, "abiflags", "")
    for folder in (os.path.dirname(EXECUTABLE), os.path.dirname(REAL), os.path.join(BASE_PREFIX, "bin")):
        for name in ("python%s%s-config" % (version, flags), "python%s-config" % version):
            script = os.path.join(folder, name)
            if not os.access(script, os.X_OK):
                continue
            embed = ["--embed"] if sys.version_info >= (3, 8) else []
            try:
                compiled, linked = run([script, "--cflags"] + embed), run([script, "--ldflags"] + embed)
            except OSError:
                continue
            if compiled.ok and linked.ok:
                return compiled.out.split(), linked.out.split(), name
    value = sysconfig.get_config_var
    linked = ["-L" + value("LIBDIR"), "-L" + (value("LIBPL") or "."), "-lpython%s%s" % (version, flags)]
    for name in ("LIBS", "SYSLIBS", "LINKFORSHARED"):
        linked += (value(name) or "").split()
    return ["-I" + sysconfig.get_path("include")], linked, "sysconfig (no python%s-config)" % version


def _start(program, extra):
    try:
        return run([program], timeout=20, env=extra)
    except OSError as error:
        raise NotMeasured("programs may not be started in the scratch folder: %s" % error.strerror)


def _runs(ended):
    version = "running %d.%d.%d" % sys.version_info[:3]
    return ended.ok and version in ended.out


def observe():
    import sysconfig

    compiler = need("gcc", "cc", "clang")
    source = write("embed.c", SOURCE)
    program = os.path.join(SCRATCH, "embed")
    compiled, linked, whence = _flags()
    details = {"flags_from": whence, "compile": compiled, "link": linked}
    built = run([compiler] + compiled + [source, "-o", program] + linked, timeout=40)
    if not built.ok:
        # The flags of the compiler that built the interpreter may mean nothing to this one.
        details["first_try"] = _error(built)
        includes = [flag for flag in compiled if flag.startswith("-I")]
        built = run([compiler] + includes + [source, "-o", program] + linked, timeout=40)
        if not built.ok:
            return "does not compile", "%s: %s" % (whence, _error(built)), details
    started = _start(program, {})
    if _runs(started):
        return "works", "by %s; %s" % (whence, started.out.strip()), details
    details["first_start"] = started.said
    folders = [os.path.join(BASE_PREFIX, "lib"), sysconfig.get_config_var("LIBDIR") or ""]
    library = {"LD_LIBRARY_PATH": os.pathsep.join(folder for folder in folders if os.path.isdir(folder))}
    home = dict(library, PYTHONHOME=BASE_PREFIX)
    helps = "neither LD_LIBRARY_PATH nor PYTHONHOME helps"
    if _runs(_start(program, library)):
        helps = "with LD_LIBRARY_PATH it works"
    elif _runs(_start(program, home)):
        helps = "with LD_LIBRARY_PATH and PYTHONHOME it works"
    details["helps"] = helps
    said = line_with(("rror", "running"), started.out, started.err) or started.said
    return "does not start", "%s; %s" % (said, helps), details


def _error(ended):
    return line_with(("error:", "cannot find", "undefined reference"), ended.err) or ended.said
