def observe():
    if sys.version_info < (3, 4):
        raise NotApplicable("tracemalloc came with 3.4")
    code = "import tracemalloc; block = bytearray(1000000); print(tracemalloc.get_object_traceback(block)[0].lineno, tracemalloc.get_traced_memory()[0] >= 1000000)"
    ended = python("-B", "-X", "tracemalloc", "-c", code)
    if ended.out.strip() == "1 True":
        return "works", "an allocation is traced to its line"
    return "fails", ended.said
