RECURSE = """
import threading

def work():
    def down(n):
        return max([n], key=lambda one: down(one + 1))
    try:
        down(0)
    except RecursionError:
        print("RecursionError")

try:
    RecursionError
except NameError:
    RecursionError = RuntimeError
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
SIZE = """
import ctypes, threading

def work():
    libc = ctypes.CDLL(None)
    attributes = ctypes.create_string_buffer(256)
    libc.pthread_self.restype = ctypes.c_ulong
    libc.pthread_getattr_np(ctypes.c_ulong(libc.pthread_self()), attributes)
    base, size = ctypes.c_void_p(), ctypes.c_size_t()
    libc.pthread_attr_getstack(attributes, ctypes.byref(base), ctypes.byref(size))
    libc.pthread_attr_destroy(attributes)
    print(size.value)

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def observe():
    def as_usual():
        import resource

        # glibc takes the limit of the main thread for others: 8 MiB is what systems give.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
        usual = 8 << 20
        if hard == resource.RLIM_INFINITY or hard >= usual:
            resource.setrlimit(resource.RLIMIT_STACK, (usual, hard))

    asked = python("-B", "-c", SIZE, preexec_fn=as_usual)
    size = int(asked.out) if asked.ok and asked.out.strip().isdigit() else None
    details = {"stack_bytes": size}
    deep = python("-B", "-c", RECURSE, preexec_fn=as_usual)
    room = "%d KiB" % (size >> 10) if size else "a stack of unknown size"
    if "RecursionError" in deep.out:
        return "works", "endless recursion in a thread (%s) ends with RecursionError" % room, details
    return "crashes", "endless recursion in a thread (%s): %s" % (room, deep.said), details
