# with: tiny_module lending wheel

MESON = """
project('tiny', 'c')
py = import('python').find_installation(pure: false)
py.extension_module('tiny', 'tiny.c', install: true)
"""


def observe():
    need("gcc", "cc", "clang")
    names = ["meson-python", "meson", "pyproject-metadata", "packaging"]
    whence, path = backend("mesonpy, mesonbuild", names + (["tomli"] if sys.version_info < (3, 11) else []))
    ninja = tool("ninja", "ninja-build")
    write("tiny.c", TINY_SOURCE)
    write("meson.build", MESON)
    write("pyproject.toml", PROJECT % ("meson-python", "mesonpy"))
    # Meson itself runs in the interpreter under test.
    meson = write("tools/meson.py", "import sys\nfrom mesonbuild.mesonmain import main\nsys.exit(main())\n")
    details = {"backend": whence, "ninja": ninja}
    wheel, said = build_wheel("mesonpy", path, {"MESON": meson, "NINJA": ninja})
    if wheel is None:
        return "fails", said, details
    works, said = tiny_works(unpacked(wheel))
    if not works:
        return "fails", "built, but not imported: %s" % said, details
    return "works", "built and imported by %s" % whence, details
