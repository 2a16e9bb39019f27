PROGRAM = """
import multiprocessing, sys

def work(queue, lock):
    with lock:
        queue.put(sum(range(10)))

if __name__ == "__main__":
    queue, lock = multiprocessing.Queue(), multiprocessing.Lock()
    process = multiprocessing.Process(target=work, args=(queue, lock))
    process.start()
    result = queue.get(timeout=8)
    process.join()
    assert result == 45 and process.exitcode == 0, (result, process.exitcode)
    get = getattr(multiprocessing, "get_start_method", None)
    print(get() if get else "fork")
"""


def observe():
    path = write("program.py", PROGRAM)
    ended = python("-B", path, timeout=12)
    word = ended.out.strip()
    if ended.ok and word in ("fork", "forkserver", "spawn"):
        return word, "a process started by %s shares a queue and a lock" % word
    return "fails", ended.said
