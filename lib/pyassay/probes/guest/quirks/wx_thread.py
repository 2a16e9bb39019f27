THREAD = """
import ctypes, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(65, 1, 0, 0, 0):
    print("refused")
    sys.exit(0)
seen = []
thread = threading.Thread(target=seen.append, args=(1,))
thread.start()
thread.join()
assert seen == [1]
print("thread")
"""
CALLBACK = """
def compare(left, right):
    return left[0] - right[0]

numbers = (ctypes.c_int * 3)(3, 1, 2)
kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
libc.qsort(numbers, 3, 4, kind(compare))
assert list(numbers) == [1, 2, 3]
print("callback")
"""


def observe():
    thread = python(ISOLATED, "-B", "-c", THREAD)
    if "refused" in thread.out:
        raise NotMeasured("this kernel has no PR_SET_MDWE (Linux 6.3)")
    if "ctypes" in thread.said:
        raise NotMeasured("no ctypes to ask for it: %s" % thread.said)
    if "thread" not in thread.out:
        return "fails", thread.said
    callback = python(ISOLATED, "-B", "-c", THREAD + CALLBACK)
    if "callback" not in callback.out:
        return "no_callbacks", "threads start, a ctypes callback fails: %s" % callback.said
    return "works", "threads and ctypes callbacks work"
