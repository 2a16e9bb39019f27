CODE = """
import sys
if sys.version_info[0] > 2:
    import tkinter
else:
    import Tkinter as tkinter
tcl = tkinter.Tcl()
try:
    print("found " + tcl.eval("package require Tix"))
except tkinter.TclError as error:
    print(error)
"""


def observe():
    if sys.version_info >= (3, 13):
        raise NotApplicable("tkinter.tix was removed with 3.13")
    ended = python(ISOLATED, "-c", CODE, timeout=20, env={"DISPLAY": None})
    if not ended.ok:
        raise NotMeasured("tkinter: %s" % ended.said)
    told = " ".join(ended.out.split())
    # Loading it without a window is its own error, and shows that it is there.
    if told.startswith("found") or "invalid command name" in told:
        return "present", told
    return "absent", told
