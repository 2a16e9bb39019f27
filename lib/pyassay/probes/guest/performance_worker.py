"""Does pieces of work when told to, and says what they took. Runs inside a foreign interpreter (2.7, 3.6 and newer).

Commands come as lines of JSON on standard input, answers go as lines of JSON, after a mark, to standard output;
workloads see neither of the two. Standard library only, old syntax.
"""
import sys

# Started by -c, the script would import from the current folder first.
sys.path[:] = [folder for folder in sys.path if folder not in ("", ".")]

import gc
import json
import marshal
import os
import time

MARK = "pyassay-worker "
MESSAGE = 400
PIPE_BYTES = 65536

try:
    import resource
except ImportError:
    resource = None


def own_times():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return int((usage.ru_utime + usage.ru_stime) * 1e9)


def children_times():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((usage.ru_utime + usage.ru_stime) * 1e9)


if hasattr(time, "process_time_ns"):
    cpu_ns, CPU_CLOCK = time.process_time_ns, "process_time"
elif hasattr(time, "process_time"):
    cpu_ns, CPU_CLOCK = (lambda: int(time.process_time() * 1e9)), "process_time"
elif resource is not None:
    cpu_ns, CPU_CLOCK = own_times, "getrusage"
else:
    cpu_ns, CPU_CLOCK = (lambda: 0), "none"

if hasattr(time, "perf_counter_ns"):
    wall_ns = time.perf_counter_ns
elif hasattr(time, "perf_counter"):
    wall_ns = lambda: int(time.perf_counter() * 1e9)  # noqa: E731
else:
    wall_ns = lambda: int(time.time() * 1e9)  # noqa: E731

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Refused(Exception):
    """A command cannot be obeyed; the reason is the message."""


def switches():
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw if resource is not None else None


def held_bytes():
    try:
        with open("/proc/self/statm") as stream:
            return int(stream.read().split()[1]) * PAGE
    except (IOError, OSError, ValueError, IndexError):
        return None


def high_water_bytes(text=None):
    """Return VmHWM: ru_maxrss of a child that was just made would be its parent's."""
    try:
        if text is None:
            with open("/proc/self/status") as stream:
                text = stream.read()
        for line in text.splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (IOError, OSError, ValueError, IndexError):
        pass
    return None


def last_line():
    kind, error = sys.exc_info()[:2]
    try:
        said = " ".join(("%s" % (error,)).split())
    except Exception:
        said = ""
    return ("%s: %s" % (kind.__name__, said) if said else kind.__name__)[:MESSAGE]


class Worker(object):
    def __init__(self, inlet, outlet):
        self.inlet = inlet
        self.outlet = outlet
        self.module = None
        self.own = {}
        self.runs = {}
        self.bytecode_folder = None

    # Commands ------------------------------------------------------------------------------------------------

    def do_hello(self, command):
        core = command.get("core")
        pinned = ""
        if core is None:
            pinned = "no core was named"
        elif not hasattr(os, "sched_setaffinity"):
            pinned = "this Python has no sched_setaffinity"
        else:
            try:
                os.sched_setaffinity(0, [core])
            except (OSError, ValueError):
                pinned = last_line()
        limit = command.get("memory_bytes")
        if limit and resource is not None:
            try:
                # Twice: address space is not memory, but without any limit a leak takes the machine with it.
                resource.setrlimit(resource.RLIMIT_AS, (2 * limit, 2 * limit))
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            except (OSError, ValueError):
                pass
        if hasattr(os, "sched_getaffinity"):
            cores = sorted(os.sched_getaffinity(0))
        else:
            cores = []
        resolution = None
        if CPU_CLOCK == "process_time" and hasattr(time, "get_clock_info"):
            resolution = time.get_clock_info("process_time").resolution
        return {
            "version": ".".join(str(part) for part in sys.version_info[:3]),
            "pid": os.getpid(),
            "cpu_clock": CPU_CLOCK,
            "cpu_resolution_s": resolution,
            "cpu_step_s": clock_step_s() if command.get("clocks") else None,
            "cores": cores,
            "not_pinned": pinned,
            "hash_seed": os.environ.get("PYTHONHASHSEED", ""),
        }

    def do_load(self, command):
        """Take the workloads in; one that is a file's or the user's is imported when it is first wanted."""
        name = "pyassay_workloads"
        module = type(sys)(str(name))
        module.__dict__["__file__"] = command.get("path") or "<workloads>"
        sys.modules[name] = module
        source = command["source"]
        if not isinstance(source, str):
            source = source.encode("utf-8")
        exec(compiled(source, command.get("cache")), module.__dict__)
        if command.get("scratch") and hasattr(module, "SCRATCH"):
            if not os.path.isdir(command["scratch"]):
                os.makedirs(command["scratch"])
            module.SCRATCH = command["scratch"]
        self.module = module
        self.own = dict((one["name"], one) for one in command.get("own", ()))
        described = {}
        found = getattr(module, "WORKLOADS", {})
        for one in getattr(module, "ORDER", None) or list(found):
            described[one] = described_workload(found[one])
        for one in self.own:
            described[one] = {"group": "own", "n": 1}
        spawns = {}
        for one, words in getattr(module, "SPAWNS", {}).items():
            spawns[one] = [str(word) for word in words]
        return {"workloads": described, "spawns": spawns}

    def do_prepare(self, command):
        name = command["name"]
        self.run_of(name)
        gc.collect()
        return {}

    def do_run(self, command):
        return timed(self.run_of(command["name"]), command["n"])

    def do_spawn(self, command):
        words = [sys.executable] + self.bytecode_options() + [str(word) for word in command["argv"]]
        total = None
        for _ in range(command["n"]):
            one = spawned(words)
            if total is None:
                total = one
            else:
                for key in ("cpu", "wall", "switches"):
                    total[key] += one[key]
        total["rss"] = held_bytes()
        return total

    def do_bytecode(self, command):
        """Say which modules a start compiles; if any, give them a folder for their bytecode (3.8 and newer).

        Nothing is written beside the interpreter's own files: it is somebody else's.
        """
        words = [str(word) for word in command["argv"]]
        compiled = compiled_modules(["-B"] + words)
        note = ""
        if compiled and sys.version_info >= (3, 8) and command.get("folder"):
            self.bytecode_folder = command["folder"]
            spawned([sys.executable] + self.bytecode_options() + words)
            left = compiled_modules(["-B", "-X", "pycache_prefix=" + self.bytecode_folder] + words)
            if left:
                note = "compiled at each start: " + ", ".join(left[:5])
            else:
                note = "none lay beside %d modules (%s): measured with bytecode in a folder of its own" % (
                    len(compiled),
                    ", ".join(compiled[:5]),
                )
            compiled = left
        elif compiled:
            note = "compiled at each start: " + ", ".join(compiled[:5])
        return {"compiled": None if compiled is None else len(compiled), "note": note}

    def do_use_bytecode(self, command):
        self.bytecode_folder = command["folder"]
        return {}

    def do_peak(self, command):
        """Measure memory in a child that does nothing else."""
        name, n = command["name"], command["n"]

        def work():
            run = self.run_of(name)
            before = high_water_bytes()
            run(n)
            return {"baseline": before, "peak": high_water_bytes()}

        return in_child(work)

    def do_bare(self, command):
        inlet, outlet = os.pipe()
        script = "import sys; sys.stdout.write(open('/proc/self/status').read())"
        spawned([sys.executable, "-I" if sys.version_info >= (3, 4) else "-E", "-S", "-B", "-c", script], outlet)
        text = drained(inlet, outlet)
        return {"baseline": None, "peak": high_water_bytes(text)}

    # Their parts ---------------------------------------------------------------------------------------------

    def run_of(self, name):
        if name not in self.runs:
            if name in self.own:
                self.runs[name] = own_run(self.own[name])
            else:
                self.runs[name] = prepared(self.module, name)
        return self.runs[name]

    def bytecode_options(self):
        if self.bytecode_folder:
            return ["-X", "pycache_prefix=" + self.bytecode_folder]
        return ["-B"]

    def answer(self, command):
        method = getattr(self, "do_" + command["do"], None)
        if method is None:
            return {"error": "no such command: %s" % command["do"]}
        try:
            return method(command)
        except KeyboardInterrupt:
            raise
        except BaseException:
            return {"error": last_line()}

    def serve(self):
        while True:
            line = self.inlet.readline()
            if not line:
                return
            command = json.loads(line.decode("utf-8"))
            if command["do"] == "end":
                return
            answer = self.answer(command)
            answer["id"] = command["id"]
            self.outlet.write((MARK + json.dumps(answer) + "\n").encode("ascii"))
            self.outlet.flush()


def compiled(source, cache):
    """Return the code of a module; the cache is a file of this interpreter's, and saves the time of compiling."""
    if cache:
        try:
            with open(cache, "rb") as stream:
                return marshal.load(stream)
        except (IOError, OSError, EOFError, ValueError, TypeError):
            pass
    code = compile(source, "workloads.py", "exec")
    if cache:
        try:
            with open(cache + ".new", "wb") as stream:
                marshal.dump(code, stream)
            os.rename(cache + ".new", cache)
        except (IOError, OSError, ValueError):
            pass
    return code


def described_workload(found):
    if callable(found):
        return {"group": "", "n": 1}
    if isinstance(found, (tuple, list)):
        return {"group": str(found[2]) if len(found) > 2 else "", "n": int(found[1])}
    return {"group": str(found.group), "n": int(found.n)}


def prepared(module, name):
    prepare = getattr(module, "prepare", None)
    if prepare is not None:
        return prepare(name)
    found = module.WORKLOADS[name]
    if callable(found):
        return found
    return found[0] if isinstance(found, (tuple, list)) else found.run


def own_run(one):
    """Return the run function of a user's workload: a callable without arguments, or a script."""
    import site

    for folder in one.get("site_folders", ()):
        site.addsitedir(folder)
    if one["folder"] not in sys.path:
        sys.path.insert(0, one["folder"])
    if one.get("script"):
        path = one["script"]
        with open(path, "rb") as stream:
            code = compile(stream.read(), path, "exec")

        def call():
            sys.argv = [path]
            try:
                exec(code, {"__name__": "__main__", "__file__": path, "__builtins__": __builtins__})
            except SystemExit as end:
                if end.code:
                    raise Refused("it exits with %r" % (end.code,))

    else:
        import importlib

        module, _, attribute = one["target"].partition(":")
        call = importlib.import_module(module)
        for part in (attribute or "main").split("."):
            call = getattr(call, part)

    def run(n):
        for _ in range(n):
            call()

    return run


def clock_step_s():
    """Return the smallest step that the CPU clock was seen to make."""
    smallest = None
    for _ in range(20):
        start = now = cpu_ns()
        until = wall_ns() + 50000000
        while now == start and wall_ns() < until:
            now = cpu_ns()
        if now > start and (smallest is None or now - start < smallest):
            smallest = now - start
        if smallest is None or smallest > 1000000:
            break
    return None if smallest is None else smallest * 1e-9


def timed(run, n):
    switched = switches()
    children = children_times() if resource is not None else 0
    wall = wall_ns()
    cpu = cpu_ns()
    run(n)
    cpu = cpu_ns() - cpu
    wall = wall_ns() - wall
    if resource is not None:
        cpu += children_times() - children
        switched = switches() - switched
    return {"cpu": cpu, "wall": wall, "switches": switched, "rss": held_bytes()}


def spawned(words, outlet=None):
    """Start a program, wait for its end, and say what it took; its output is thrown away."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        targets = ((null, 0), (null if outlet is None else outlet, 1), (null, 2))
        wall = wall_ns()
        if hasattr(os, "posix_spawn"):
            actions = [(os.POSIX_SPAWN_DUP2, source, target) for source, target in targets]
            child = os.posix_spawn(words[0], words, os.environ, file_actions=actions)
        else:
            child = os.fork()
            if child == 0:
                try:
                    for source, target in targets:
                        os.dup2(source, target)
                    os.execv(words[0], words)
                finally:
                    os._exit(127)
        status, usage = os.wait4(child, 0)[1:]
        wall = wall_ns() - wall
    finally:
        os.close(null)
    if status:
        raise Refused("%s ended with %s" % (" ".join(words[1:])[:200], ended_how(status)))
    return {
        "cpu": int((usage.ru_utime + usage.ru_stime) * 1e9),
        "wall": wall,
        "switches": usage.ru_nivcsw,
        "rss": None,
    }


def ended_how(status):
    if os.WIFSIGNALED(status):
        return "signal %d" % os.WTERMSIG(status)
    return "exit status %d" % os.WEXITSTATUS(status)


def drained(inlet, outlet=None):
    if outlet is not None:
        os.close(outlet)
    data = b""
    while True:
        part = os.read(inlet, PIPE_BYTES)
        if not part:
            break
        data += part
    os.close(inlet)
    return data.decode("utf-8", "replace")


def in_child(work):
    inlet, outlet = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(inlet)
            try:
                said = work()
            except BaseException:
                said = {"error": last_line()}
            os.write(outlet, json.dumps(said).encode("ascii"))
            code = 0
        finally:
            os._exit(code)
    os.close(outlet)
    text = drained(inlet)
    status = os.waitpid(child, 0)[1]
    if not text:
        raise Refused("the child ended with %s" % ended_how(status))
    return json.loads(text)


def compiled_modules(options):
    """Return the modules that a start compiles from source, by what -v says; None: it does not say.

    The words are those of importlib's (3.3 and newer).
    """
    if sys.version_info < (3, 3):
        return None
    import subprocess

    process = subprocess.Popen(
        [sys.executable, "-v"] + options,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said = process.communicate()[1].decode("utf-8", "replace")
    found = []
    for line in said.splitlines():
        # "# code object from '/usr/lib/python3/x.py'": of bytecode the file ends in .pyc.
        if line.startswith("# code object from ") and line.rstrip("'\"").endswith(".py"):
            found.append(os.path.basename(line.rstrip("'\"")))
    return found


def main():
    # What a workload reads or prints must not be taken for commands and answers.
    inlet = os.fdopen(os.dup(0), "rb", 0 if sys.version_info[0] < 3 else -1)
    outlet = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(null, stream)
    os.close(null)
    outlet.write((MARK + '{"id": 0}\n').encode("ascii"))
    outlet.flush()
    Worker(inlet, outlet).serve()
    # No time for the end of an interpreter full of workloads, but scratch folders are removed.
    if sys.version_info[0] >= 3:
        import atexit

        run_exit = getattr(atexit, "_run_exitfuncs", None)
        if run_exit is not None:
            run_exit()
    os._exit(0)


main()
