PROGRAM = """
import os, sys

def a_function_to_be_named():
    return 1

sys.activate_stack_trampoline("perf")
a_function_to_be_named()
path = "/tmp/perf-%d.map" % os.getpid()
named = False
if os.path.exists(path):
    with open(path) as file:
        named = "a_function_to_be_named" in file.read()
    os.unlink(path)
print("named" if named else "nothing in " + path)
"""


def observe():
    if sys.version_info < (3, 12):
        raise NotApplicable("perf is told of Python functions from 3.12 on")
    if not os.access("/tmp", os.W_OK):
        raise NotMeasured("the map is written to /tmp, which cannot be written here")
    ended = python("-B", write("program.py", PROGRAM))
    if ended.out.strip() == "named":
        return "works", "perf is told of Python functions"
    return "fails", ended.said
