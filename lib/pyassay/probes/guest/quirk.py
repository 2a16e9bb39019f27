"""What every quirk probe has at hand. Run inside a foreign interpreter (2.7, 3.6 and newer).

A line ``TOKEN, GIVEN = ...`` is put before it; the parts of ``quirk_parts`` that the quirk's own script asks for
(``# with: terminal elf`` in its first line), that script, which defines ``observe()``, and a call of
``_main(observe)`` after it. ``observe`` returns ``(answer, what was seen)`` or ``(answer, what was seen,
details)``, or raises NotMeasured or NotApplicable with the reason; in what is said the scratch folder is called
``{scratch}``. Prints one line: the token and a JSON object.
"""
import sys

# Read from standard input, the script would import from the current folder first.
sys.path[:] = [folder for folder in sys.path if folder not in ("", ".")]

import errno
import importlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading

try:
    TOKEN, GIVEN
except NameError:
    TOKEN, GIVEN = "pyassay-quirk", {}

EXECUTABLE = sys.executable
REAL = os.path.realpath(sys.executable)
BASE_PREFIX = getattr(sys, "base_prefix", sys.prefix)
SCRATCH = tempfile.mkdtemp(prefix="quirk-")
# How Python is told to take no notice of settings, as far as it can be; 3.4 brought -I.
ISOLATED = "-I" if sys.version_info >= (3, 4) else "-E"
SEEN_CHARACTERS = 600
OUTPUT_BYTES = 1 << 20


class NotMeasured(Exception):
    """It cannot be seen here: the reason (no compiler, no right to, a module that is missing)."""


class NotApplicable(Exception):
    """The question makes no sense for this interpreter or place: the reason."""


class Ended(object):
    """What became of a command: code (None: it was killed at the timeout), out and err as text."""

    def __init__(self, argv, code, out, err):
        self.argv, self.code, self.out, self.err = argv, code, out, err
        self.ok = code == 0

    @property
    def said(self):
        """The last line that it wrote, on standard error if there is one."""
        for text in (self.err, self.out):
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            if lines:
                return lines[-1]
        if self.code is None:
            return "no answer in time"
        return "ended by signal %d" % -self.code if self.code < 0 else "exit status %d" % self.code


def text_of(data):
    """Return bytes as text, whatever they are."""
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else data


def line_with(words, *texts):
    """Return the first line of the texts that holds one of the words, stripped; an empty text when none does."""
    for text in texts:
        for line in text.splitlines():
            if any(word in line for word in words):
                return line.strip()
    return ""


def clean(extra=None):
    """Return the environment that this probe was started in, with changes; None takes a variable away."""
    environment = dict(os.environ)
    for name, value in (extra or {}).items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    return environment


def run(argv, timeout=10, env=None, stdin=b"", cwd=None, executable=None, preexec_fn=None):
    """Run a command in a group of its own, bounded in time and output; OSError when it cannot be started."""

    def first():
        os.setsid()
        if preexec_fn is not None:
            preexec_fn()

    with_output = tempfile.TemporaryFile()
    with_errors = tempfile.TemporaryFile()
    process = subprocess.Popen(
        argv,
        executable=executable,
        stdin=subprocess.PIPE,
        stdout=with_output,
        stderr=with_errors,
        env=clean(env),
        cwd=cwd or SCRATCH,
        preexec_fn=first,
        close_fds=True,
    )
    late = []

    def kill():
        late.append(True)
        _kill_group(process.pid)

    timer = threading.Timer(timeout, kill)
    timer.daemon = True
    timer.start()
    try:
        try:
            process.stdin.write(stdin)
            process.stdin.close()
        except (IOError, OSError):
            pass
        process.wait()
    finally:
        timer.cancel()
        # What it left behind in its group ends with it.
        _kill_group(process.pid)
    texts = []
    for stream in (with_output, with_errors):
        stream.seek(0)
        texts.append(text_of(stream.read(OUTPUT_BYTES)))
        stream.close()
    return Ended(argv, None if late else process.returncode, texts[0], texts[1])


def _kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError as error:
        if error.errno not in (errno.ESRCH, errno.EPERM):
            raise


def python(*arguments, **settings):
    """Run the interpreter under test: ``python("-I", "-c", "pass")``; settings as for run()."""
    return run([EXECUTABLE] + list(arguments), **settings)


def command(name):
    """Return the path of a command, or None."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def need(*names):
    """Return the path of the first command that is there; NotMeasured when none is."""
    for name in names:
        path = command(name)
        if path:
            return path
    raise NotMeasured("this place has no %s" % " or ".join(names))


def imported(name, lacking):
    """Return a module; NotApplicable, by what this Python lacks, when it cannot be imported."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotApplicable("%s: %s" % (lacking, error))


def write(name, text):
    """Write a text file in the scratch folder and return its path."""
    path = os.path.join(SCRATCH, name)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder)
    with open(path, "wb") as file:
        file.write(text.encode("utf-8"))
    return path


def mapped(*words):
    """Return the files mapped into this process whose names hold one of the words, sorted."""
    try:
        with open("/proc/self/maps", "rb") as file:
            lines = text_of(file.read()).splitlines()
    except (IOError, OSError) as error:
        raise NotMeasured("/proc/self/maps: %s" % error)
    paths = set(line.split(None, 5)[5] for line in lines if len(line.split(None, 5)) == 6)
    return sorted(path for path in paths if any(word in os.path.basename(path) for word in words))


def _without_scratch(text):
    for folder in (os.path.realpath(SCRATCH), SCRATCH):
        text = text.replace(text_of(folder), "{scratch}")
    return text


def _main(observe):
    result = {"outcome": "measured", "answer": "", "observed": "", "reason": "", "details": {}}
    try:
        found = observe()
        result["answer"], result["observed"] = found[0], found[1]
        if len(found) > 2:
            result["details"] = found[2]
    except NotMeasured as why:
        result["outcome"], result["reason"] = "not measured", str(why)
    except NotApplicable as why:
        result["outcome"], result["reason"] = "not applicable", str(why)
    except BaseException as error:
        result["outcome"] = "not measured"
        result["reason"] = "the probe failed: %s: %s" % (type(error).__name__, error)
    finally:
        shutil.rmtree(SCRATCH, ignore_errors=True)
    for key in ("observed", "reason"):
        result[key] = " ".join(_without_scratch(text_of(result[key])).split())[:SEEN_CHARACTERS]
    # What the probe printed before must not run into it.
    sys.stdout.write("\n%s %s\n" % (TOKEN, json.dumps(result, sort_keys=True, default=repr)))
    sys.stdout.flush()
