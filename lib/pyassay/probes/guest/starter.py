"""Starts whole commands, one at a time, and says what each has cost.

A small process of its own: the kernel counts the memory of the process that starts a command to the command
(the largest resident size is taken over at exec), so the starter must be small. Little is imported for that.
It is the reaper of whatever its commands leave behind (``PR_SET_CHILD_SUBREAPER``).

A line in is an order, a line out its answer: marshal in base64, both ends being the same interpreter.
"""

import _signal as signal  # the module around it brings enum, a megabyte
import binascii
import marshal
import os
import select
import sys
import time

_SUBREAPER = 36
_CHUNK = 1 << 16
# What ends by itself so soon after the command is not said to outlive it: a tracker of shared memory, the
# process that serves a mounted image. It may take some time where the machine is busy.
_GRACE_S = 0.5
_REAP_S = 5.0
ALLOWED = os.sched_getaffinity(0)


def become_reaper():
    # The flag outlives exec, ctypes and its memory do not.
    import ctypes

    done = ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0) == 0
    return done


def close(descriptors):
    for descriptor in descriptors:
        try:
            os.close(descriptor)
        except OSError:
            pass


def has_ended(pid):
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def children():
    pid = os.getpid()
    try:
        with open("/proc/self/task/%d/children" % pid) as stream:
            return [int(word) for word in stream.read().split()]
    except (OSError, ValueError):
        pass
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name, "rb") as stream:
                if int(stream.read().rpartition(b")")[2].split()[1]) == pid:
                    found.append(int(name))
        except (OSError, ValueError, IndexError):
            pass
    return found


def kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
        return True
    except OSError:
        return False


class Usage:
    def __init__(self):
        self.cpu_s = 0.0
        self.peak_rss_bytes = 0

    def add(self, usage):
        self.cpu_s += usage.ru_utime + usage.ru_stime
        self.peak_rss_bytes = max(self.peak_rss_bytes, usage.ru_maxrss * 1024)


def reap_rest(usage, is_reaper, group, patient):
    """End what is left of a command; return how many of it were still alive."""
    if not is_reaper:
        return 1 if kill_group(group) else 0
    outlived = set()
    now = time.monotonic()
    grace, until = now + (_GRACE_S if patient else 0.0), now + _REAP_S
    while time.monotonic() < until:
        try:
            pid, _, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid:
            usage.add(used)
            continue
        if time.monotonic() >= grace:
            for pid in children():
                outlived.add(pid)
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
        time.sleep(0.001)
    return len(outlived)


class Run:
    def __init__(self, order, wake):
        self.order = order
        self.wake = wake
        self.output = {1: bytearray(), 2: bytearray()}
        self.why = ""

    def spawn(self):
        order = self.order
        os.chdir(order["cwd"])
        os.sched_setaffinity(0, order["cores"] or ALLOWED)
        pipes = [os.pipe(), os.pipe(), os.pipe()]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        ours = [pipes[0][1], pipes[1][0], pipes[2][0]]
        actions = [(os.POSIX_SPAWN_DUP2, theirs[number], number) for number in range(3)]
        self.floor_bytes = own_peak_bytes()
        try:
            self.began = time.monotonic()
            self.pid = os.posix_spawn(
                order["program"],
                order["argv"],
                order["environment"],
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                # Python ignores this one, and so would the command.
                setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
            )
        except BaseException:
            close(ours)
            raise
        finally:
            close(theirs)
        for descriptor in ours:
            os.set_blocking(descriptor, False)
        return ours

    def attend(self, ours):
        pending = memoryview(self.order["input"])
        deadline = self.began + self.order["timeout_s"]
        streams = {ours[1]: 1, ours[2]: 2}
        poll = select.poll()
        poll.register(self.wake, select.POLLIN)
        # Only its end: then nobody waits for the answer any more.
        poll.register(0, 0)
        poll.register(ours[1], select.POLLIN)
        poll.register(ours[2], select.POLLIN)
        if pending:
            poll.register(ours[0], select.POLLOUT)
        else:
            close(ours[:1])
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                self.why = "timeout"
                break
            events = poll.poll(left * 1000 + 1)
            self.ended = time.monotonic()
            if has_ended(self.pid):
                break
            for descriptor, event in events:
                if descriptor == self.wake:
                    drain(self.wake)
                elif descriptor == 0:
                    self.why = "abandoned"
                elif descriptor == ours[0]:
                    try:
                        pending = pending[os.write(descriptor, pending[:_CHUNK]) :]
                    except BlockingIOError:
                        continue
                    except OSError:
                        pending = pending[:0]
                    if not pending:
                        poll.unregister(descriptor)
                        close(ours[:1])
                elif not self.read(descriptor, streams[descriptor]):
                    poll.unregister(descriptor)
            if self.why:
                break
        if self.why:
            self.ended = time.monotonic()
            kill_group(self.pid)
        else:
            for descriptor, name in streams.items():
                while not self.why and self.read(descriptor, name, once=True):
                    pass
        if pending:
            close(ours[:1])

    def read(self, descriptor, name, once=False):
        """Read what is there; False at the end (with `once` also when there is nothing)."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return not once
        except OSError:
            return False
        held, most = self.output[name], self.order["max_output_bytes"]
        if len(held) + len(data) > most:
            self.why = "flood"
        held += data[: most - len(held)]
        return bool(data)


def drain(descriptor):
    try:
        while os.read(descriptor, 512):
            pass
    except OSError:
        pass


def run(order, wake, is_reaper):
    drain(wake)
    one = Run(order, wake)
    try:
        ours = one.spawn()
    except (OSError, ValueError) as error:
        name = getattr(error, "strerror", None) or str(error)
        return {"why": "start", "error": name}
    try:
        one.attend(ours)
    finally:
        close(ours[1:])
    usage, status = Usage(), None
    until = time.monotonic() + _REAP_S
    while one.why and not has_ended(one.pid):
        # In uninterruptible sleep: the next order gets a new starter.
        if time.monotonic() > until:
            return {"why": one.why, "stuck": True, "wall_s": one.ended - one.began}
        kill_group(one.pid)
        time.sleep(0.002)
    _, ended, used = os.wait4(one.pid, 0)
    usage.add(used)
    outlived = reap_rest(usage, is_reaper, one.pid, not one.why)
    status = os.waitstatus_to_exitcode(ended)
    return {
        "why": one.why,
        "status": status,
        "wall_s": one.ended - one.began,
        "cpu_s": usage.cpu_s,
        "peak_rss_bytes": usage.peak_rss_bytes,
        "floor_bytes": one.floor_bytes,
        "outlived": outlived,
        "stdout": bytes(one.output[1]),
        "stderr": bytes(one.output[2]),
    }


def own_peak_bytes():
    """Return the resident size that a command starts with on its account: less than this is not seen."""
    try:
        # Its greatest becomes its present size: an earlier command may have had much to say.
        with open("/proc/self/clear_refs", "w") as stream:
            stream.write("5")
    except OSError:
        pass
    try:
        with open("/proc/self/status") as stream:
            for line in stream:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0


def say(answer):
    data = binascii.b2a_base64(marshal.dumps(answer))
    while data:
        data = data[os.write(1, data) :]


def lines():
    held = b""
    while True:
        data = os.read(0, _CHUNK)
        if not data:
            return
        held += data
        while b"\n" in held:
            line, _, held = held.partition(b"\n")
            yield line


def main(is_reaper):
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    say({"is_reaper": is_reaper, "pid": os.getpid()})
    for line in lines():
        order = marshal.loads(binascii.a2b_base64(line))
        answer = run(order, reading, is_reaper)
        say(answer)
        if answer["why"] == "abandoned" or answer.get("stuck"):
            return


if __name__ == "__main__":
    if sys.argv[1] == "first":
        try:
            done = become_reaper()
        except (ImportError, OSError, AttributeError):
            done = False
        os.execv(sys.executable, sys.orig_argv[:-1] + ["reaper" if done else "plain"])
    main(sys.argv[1] == "reaper")
