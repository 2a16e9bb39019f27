# with: tiny_module lending wheel

CMAKE = """
cmake_minimum_required(VERSION 3.18...4.0)
project(tiny LANGUAGES C)
find_package(Python COMPONENTS Interpreter Development.Module REQUIRED)
python_add_library(tiny MODULE tiny.c WITH_SOABI)
install(TARGETS tiny DESTINATION .)
"""


def attempt(path, extra):
    for folder in ("dist", "build", "out"):
        shutil.rmtree(os.path.join(SCRATCH, folder), ignore_errors=True)
    wheel, said = build_wheel("scikit_build_core.build", path, extra)
    return (False, said) if wheel is None else tiny_works(unpacked(wheel))


def observe():
    compiler = os.path.basename(need("gcc", "cc", "clang"))
    names = ["scikit-build-core", "packaging", "pathspec"]
    if sys.version_info < (3, 11):
        names += ["tomli", "exceptiongroup", "typing-extensions"]
    whence, path = backend("scikit_build_core.build", names)
    cmake, ninja = tool("cmake"), tool("ninja", "ninja-build", "make")
    write("tiny.c", TINY_SOURCE)
    write("CMakeLists.txt", CMAKE)
    write("pyproject.toml", PROJECT % ("scikit-build-core", "scikit_build_core.build"))
    search = os.pathsep.join([os.path.dirname(cmake), os.path.dirname(ninja), os.environ.get("PATH", "")])
    details = {"backend": whence, "cmake": cmake, "make": ninja}
    works, said = attempt(path, {"PATH": search})
    if works:
        return "works", "built and imported by %s" % whence, details
    details["failed"] = said
    works, then = attempt(path, {"PATH": search, "CC": compiler})
    details["with_CC"] = "works" if works else then
    if works:
        return "needs CC", "%s; with CC=%s it works" % (said, compiler), details
    return "fails", said, details
