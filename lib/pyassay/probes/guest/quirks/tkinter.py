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


def observe():
    ended = python("-I" if sys.version_info[0] > 2 else "-E", "-c", CODE, timeout=20, env={"DISPLAY": None})
    lines = ended.out.splitlines()
    if not ended.ok:
        absent = "ModuleNotFoundError" in ended.err or "ImportError: No module" in ended.err
        return "absent" if absent else "fails", ended.said
    told = " ".join(lines[1:])
    # Without a display Tk gets as far as this when its own files are found.
    if "no display" in told or "opened" in told:
        return "works", "%s; Tk: %s" % (lines[0], told)
    return "fails", told
