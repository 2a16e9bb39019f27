# with: environment

CODE = """
import sys
try:
    import tkinter
except ImportError:
    if sys.version_info[0] > 2:
        raise
    import Tkinter as tkinter
print("Tcl " + tkinter.Tcl().eval("info patchlevel"))
try:
    tkinter.Tk().destroy()
    print("a window can be opened")
except tkinter.TclError as error:
    print(error)
"""


def _tried(argv):
    """Return whether Tcl and Tk start, and what was said."""
    isolated = [ISOLATED, "-c", CODE]
    ended = run(argv + isolated, timeout=20, env={"DISPLAY": None})
    if not ended.ok:
        return (
            None if "named '_tkinter'" in ended.err or "named 'tkinter'" in ended.err else False,
            ended.said,
        )
    lines = ended.out.splitlines()
    told = " ".join(" ".join(lines[1:]).split())
    # Without a display Tk gets as far as this when its own files are found.
    works = "no display" in told or "opened" in told
    return works, "%s; Tk: %s" % (lines[0], told) if works else told


def observe():
    works, said = _tried([EXECUTABLE])
    if works is None:
        return "absent", said
    if not works:
        return "fails", said
    if sys.version_info < (3, 3):
        return "works", said
    # Tcl looks for its files from the path of the executable, which is another one there.
    made, own = new_environment("env")
    if made.ok:
        there, then = _tried([own])
        if not there:
            return "not in environments", then
    return "works", said
