"""Real interpreters, among them hostile ones: what comes out has the right shape, whatever they do."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from corpus.simulated_machine import interpreter
from pyassay.probes.performance import Measured, OwnWorkload, Settings, measure, recovered
from pyassay.probes.performance.execute import AskError, Processes, WorkerLostError
from pyassay.probes.performance.machine import allowed_cores
from pyassay.subjects.model import Interpreter

# Runs under 2.7, too.
SOURCE = """
import os, sys, time

HOSTILE = os.environ.get("HOSTILE", "")
SEEN = []
HELD = []

def good(n):
    for _ in range(n):
        sum(range(50))

def bad(n):
    good(n)
    SEEN.append(n)
    # Once before the blocks; in a block the third time, which is the second that counts.
    if len(SEEN) < 3:
        return
    if HOSTILE == "crash":
        os.kill(os.getpid(), 11)
    if HOSTILE == "exit":
        os._exit(0)
    if HOSTILE == "hang":
        time.sleep(60)
    if HOSTILE == "error":
        raise ValueError("first line\\nsecond line")
    if HOSTILE == "leave":
        sys.exit("enough")
    if HOSTILE == "leak":
        HELD.append(b"x" * (96 << 20))
    if HOSTILE == "rubbish":
        for descriptor in range(3, 20):
            try:
                os.write(descriptor, b"rubbish\\n")
            except OSError:
                pass
    if HOSTILE == "chatty":
        sys.stdout.write("rubbish\\n")
        sys.stdout.flush()
        os.write(1, b"rubbish\\n")
        assert sys.stdin.read() == ""

def absent(n):
    import no_such_module_anywhere

WORKLOADS = {"good": (good, 10, "core"), "bad": (bad, 10, "core"), "absent": (absent, 1, "library")}
SPAWNS = {"start: pass": ["-S", "-c", "pass"]}
"""

QUICK = {"max_blocks": 2, "min_blocks": 1, "rounds": 3, "chunk_timeout_s": 2.0, "budget_s": 60.0, "seed": "s"}


def interpreters_at_hand() -> list[Path]:
    """Find Pythons of several versions: pyenv's and those in PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [path for path in sorted(pyenv.glob("*/bin/python")) if path.exists()]
    found += [Path(path) for path in (shutil.which("python3", path="/usr/bin:/usr/local/bin"),) if path]
    return list(dict.fromkeys(path.resolve() for path in found))


@pytest.fixture
def hostile(tmp_path: Path, running_interpreter: Interpreter):
    """Give a function that makes an interpreter which behaves in some way."""

    def make(how: str) -> Interpreter:
        program = tmp_path / f"python-{how}"
        program.write_text(f'#!/bin/sh\nHOSTILE={how} exec "{running_interpreter.executable}" "$@"\n')
        program.chmod(0o755)
        return interpreter(how, str(program))

    return make


def failures(measured: Measured) -> list[tuple]:
    frame = measured.frames["performance_failures"]
    return [tuple(row) for row in frame[["subject_id", "entry", "workload", "kind", "reason"]].to_numpy()]


def test_shape_of_a_comparison(running_interpreter):
    first = replace(running_interpreter, id="a")
    measured = measure([first, replace(first, id="b")], Settings(**QUICK), workload_source=SOURCE)
    assert measured.failed == {}
    # What the reference cannot do, the others need not try.
    reason = "ModuleNotFoundError: No module named 'no_such_module_anywhere'"
    assert failures(measured) == [("a", "subject", "absent", "unavailable", reason)]
    samples = measured.frames["performance_samples"]
    counted = samples[samples["block"] > 0]
    sizes = counted.groupby(["block", "subject_id", "entry", "workload"]).size()
    assert sizes.tolist() == [4] * (2 * 3 * 3)
    assert (samples[["cpu_s", "wall_s"]] > 0).all(axis=None)
    assert counted["rss_bytes"].min() > 1 << 20
    memory = measured.frames["performance_memory"]
    assert set(memory["workload"]) == {"startup:bare", "good", "bad"}
    assert memory["peak_bytes"].min() > 1 << 20
    assert measured.frames["performance_spawns"]["bytecode_present"].notna().all()
    facts = measured.frames["performance_environment"]
    assert set(facts.loc[facts["fact"] == "pinned", "value"]) <= {"yes", "no"}
    assert facts.loc[facts["fact"] == "seed", "value"].tolist() == ["s"]


@pytest.mark.parametrize(
    ("how", "kind", "reason"),
    [
        ("crash", "crash", "killed by signal 11"),
        ("exit", "crash", "it ended with exit status 0"),
        ("hang", "hang", "no answer within"),
        ("error", "error", "ValueError: first line second line"),
        ("leave", "error", "SystemExit: enough"),
        ("leak", "memory", "more than 64 MiB"),
        ("rubbish", "rubbish", "it answers 'rubbish'"),
    ],
)
def test_a_hostile_interpreter_loses_its_cell_only(hostile, running_interpreter, how, kind, reason):
    first = replace(running_interpreter, id="a")
    settings = Settings(
        **QUICK, memory=False, startup=False, memory_bytes=64 << 20, workloads=("good", "bad")
    )
    measured = measure([first, hostile(how)], settings, workload_source=SOURCE)
    assert measured.failed == {}
    found = failures(measured)
    # Twice, then it is left out; a hang is not waited for twice.
    assert [row[:4] for row in found] == [(how, "subject", "bad", kind)] * (1 if how == "hang" else 2)
    assert all(reason in row[4] for row in found)
    samples = measured.frames["performance_samples"]
    sizes = samples[samples["round"] > 0].groupby(["subject_id", "entry", "workload"]).size()
    assert sizes.drop((how, "subject", "bad"), errors="ignore").tolist() == [6] * 5


def test_what_a_workload_prints_and_reads_is_not_taken_for_answers(hostile, running_interpreter):
    settings = Settings(**QUICK, memory=False, startup=False, workloads=("bad",))
    first = replace(running_interpreter, id="a")
    measured = measure([first, hostile("chatty")], settings, workload_source=SOURCE)
    assert failures(measured) == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "it ended with exit status 3"),
        ("echo rubbish; exec sleep 60", "it answers 'rubbish'"),
        ("echo no loader >&2; exit 127", "it ended with exit status 127: no loader"),
    ],
)
def test_what_is_no_interpreter_has_failed_and_the_others_are_measured(
    tmp_path, running_interpreter, script, reason
):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    settings = Settings(**QUICK, memory=False, startup=False, workloads=("good",))
    first = replace(running_interpreter, id="a")
    measured = measure([first, interpreter("odd", str(program))], settings, workload_source=SOURCE)
    assert set(measured.failed) == {"odd"}
    assert reason in measured.failed["odd"]
    assert set(measured.frames["performance_samples"]["subject_id"]) == {"a"}


@pytest.mark.parametrize("executable", interpreters_at_hand(), ids=lambda path: path.parents[1].name)
def test_worker_in_interpreters_of_every_age(executable: Path):
    subject = interpreter("old", str(executable))
    cores = allowed_cores()
    with Processes(SOURCE) as processes:
        worker = processes.open(subject, "subject", 7, cores[-1] if cores else None)
        hello = processes.hello["old"]
        assert hello["cpu_clock"] in {"process_time", "getrusage"}
        if hello["version"] >= "3.3" and cores:
            assert hello["cores"] == [cores[-1]]
        assert hello["hash_seed"] == "7"
        worker.ask("prepare", 20, name="good")
        answer = worker.ask("run", 20, name="good", n=20000)
        assert answer["cpu"] > 0
        assert answer["wall"] >= 0.5 * answer["cpu"]
        spawned = worker.ask("spawn", 20, argv=["-S", "-c", "pass"], n=2)
        assert spawned["cpu"] > 0
        assert spawned["wall"] > 0
        peak = worker.ask("peak", 20, name="good", n=1)
        assert 1 << 20 < peak["baseline"] <= peak["peak"]
        assert worker.ask("bare", 20)["peak"] > 1 << 20
        with pytest.raises(AskError, match="no_such_module"):
            worker.ask("run", 20, name="absent", n=1)
        with pytest.raises(AskError, match="no such command"):
            worker.ask("nothing", 20)
        with pytest.raises(AskError, match="ended with exit status 3"):
            worker.ask("spawn", 20, argv=["-c", "raise SystemExit(3)"], n=1)
        worker.close()


def test_child_processes_count(running_interpreter):
    source = """
import subprocess, sys
def child(n):
    subprocess.check_call([sys.executable, "-S", "-c", "sum(range(3000000))"])
WORKLOADS = {"child": (child, 1)}
"""
    with Processes(source) as processes:
        worker = processes.open(running_interpreter, "subject", 1, None)
        answer = worker.ask("run", 30, name="child", n=1)
        worker.close()
    assert answer["cpu"] > 20e6


def test_missing_bytecode_is_seen_and_made_good_in_a_folder_of_its_own(running_interpreter, tmp_path):
    module = tmp_path / "lonely" / "lonely_module.py"
    module.parent.mkdir()
    module.write_text("x = 1\n")
    argv = ["-c", f"import sys; sys.path.insert(0, {str(module.parent)!r}); import lonely_module"]
    with Processes(SOURCE) as processes:
        worker = processes.open(running_interpreter, "subject", 1, None)
        answer = worker.ask("bytecode", 30, argv=argv, folder=str(tmp_path / "made"))
        assert answer["compiled"] == 0
        assert "lonely_module.py" in answer["note"]
        assert "in a folder of its own" in answer["note"]
        assert list((tmp_path / "made").rglob("lonely_module*.pyc"))
        # Nothing is written beside it, not by the start that is timed either.
        worker.ask("spawn", 30, argv=argv, n=1)
        assert [path.name for path in module.parent.iterdir()] == ["lonely_module.py"]
        assert worker.ask("bytecode", 30, argv=argv, folder=None)["compiled"] == 1
        worker.close()


# Workloads of the user's ------------------------------------------------------------------------------------


def test_own_module_and_script(running_interpreter, tmp_path):
    package = tmp_path / "mypkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "bench.py").write_text("from . import near\ndef main():\n    near.work()\n")
    (package / "near.py").write_text("def work():\n    sum(range(1000))\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import near_script\nif __name__ == '__main__':\n    near_script.work()\n    raise SystemExit\n"
    )
    (tmp_path / "near_script.py").write_text("def work():\n    sum(range(500))\n")
    failing = tmp_path / "failing.py"
    failing.write_text("raise SystemExit('no data')\n")
    own = (
        OwnWorkload("mypkg.bench:main", tmp_path),
        OwnWorkload(str(script)),
        OwnWorkload(str(failing)),
        OwnWorkload("mypkg.nothing:main", tmp_path),
    )
    settings = Settings(**QUICK, workloads=(), own=own, memory=False)
    measured = measure([replace(running_interpreter, id="a")], settings, workload_source=SOURCE)
    tasks = measured.frames["performance_workloads"]
    assert tasks["workload"].tolist() == ["own:mypkg.bench:main", "own:script.py"]
    assert tasks["iterations"].min() > 10
    # Without others the user's own are the suite.
    assert tasks["in_suite"].all()
    found = {row[2]: row[4] for row in failures(measured)}
    assert "no data" in found["own:failing.py"]
    assert "mypkg.nothing" in found["own:mypkg.nothing:main"]
    assert not list(tmp_path.rglob("*.pyc"))


# In a container ---------------------------------------------------------------------------------------------


def libraries(executable: Path) -> list[Path]:
    said = subprocess.run(["ldd", executable], capture_output=True, text=True, check=True).stdout
    return [Path(word) for word in said.split() if word.startswith("/")]


@pytest.fixture(scope="module")
def image_with_python(running_interpreter: Interpreter) -> Iterator[str]:
    """Make an image that holds the running interpreter, its libraries and something that sleeps."""
    pytest.importorskip("docker", reason="the Docker SDK is not installed")
    from pyassay.places.container import Engine, EngineError

    if shutil.which("ldd") is None or not Path("/bin/sleep").exists():
        pytest.skip("there is no ldd, or no sleep")
    try:
        engine = Engine.connect()
    except EngineError as error:
        pytest.skip(str(error))
    assert running_interpreter.stdlib is not None
    name = f"pyassay-test:{secrets.token_hex(4)}"

    def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        left_out = {"test", "site-packages", "dist-packages", "ensurepip", "idlelib", "tkinter", "lib2to3"}
        is_large = Path(member.name).suffix in {".a", ".exe"} or "config-" in member.name
        return None if is_large or left_out & set(Path(member.name).parts) else member

    with engine:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", dereference=False) as archive:
            executables = [running_interpreter.executable, Path("/bin/sleep")]
            modules = running_interpreter.stdlib.glob("lib-dynload/*.so")
            needed = {path for one in (*executables, *modules) for path in libraries(one)}
            for path in {*executables, *needed}:
                content = path.read_bytes()
                member = tarfile.TarInfo(str(path).lstrip("/"))
                member.size, member.mode = len(content), 0o755
                archive.addfile(member, io.BytesIO(content))
            folder = tarfile.TarInfo("tmp")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            archive.add(running_interpreter.stdlib, filter=wanted)
        stream.seek(0)
        engine.import_tar(stream, name)
        try:
            yield name
        finally:
            engine.remove_image(name)


@pytest.mark.engine
@pytest.mark.slow
def test_an_interpreter_in_a_container_beside_one_of_this_host(
    image_with_python, running_interpreter, tmp_path
):
    (tmp_path / "ours.py").write_text("def main():\n    sum(range(1000))\n")
    tmp_path.chmod(0o755)
    inside = replace(running_interpreter, id="inside", image=image_with_python)
    settings = Settings(**QUICK, own=(OwnWorkload("ours:main", tmp_path),), workloads=("good", "start: pass"))
    measured = measure([replace(running_interpreter, id="a"), inside], settings, workload_source=SOURCE)
    assert measured.failed == {}
    assert failures(measured) == []
    samples = measured.frames["performance_samples"]
    sizes = samples[samples["block"] > 0].groupby(["subject_id", "entry", "workload"]).size()
    assert sizes.tolist() == [8] * 9
    assert set(measured.frames["performance_memory"]["reason"]) == {""}
    facts = measured.frames["performance_environment"]
    if allowed_cores():
        pinned = facts[facts["fact"] == "pinned"].set_index("subject_id")["value"]
        assert pinned["inside"] == "yes"


@pytest.mark.engine
@pytest.mark.slow
def test_a_hang_in_a_container_ends_it_and_spares_the_others(image_with_python, running_interpreter):
    inside = replace(running_interpreter, id="inside", image=image_with_python)
    hanging = "import time\ndef hang(n):\n    time.sleep(60)\nWORKLOADS = {'hang': (hang, 1)}\n"
    with Processes(hanging) as processes:
        first = processes.open(inside, "subject", 1, None)
        other = processes.open(inside, "control", 1, None)
        with pytest.raises(WorkerLostError) as caught:
            first.ask("run", 0.5, name="hang", n=1)
        assert caught.value.kind == "hang"
        first.close(gently=False)
        assert "id" in other.ask("prepare", 10, name="hang")
        again = processes.open(inside, "subject", 1, None)
        again.close()
        other.close()


@pytest.mark.engine
def test_an_image_that_is_absent_is_the_subjects_failure(running_interpreter):
    pytest.importorskip("docker", reason="the Docker SDK is not installed")
    from pyassay.places.container import Engine, EngineError

    try:
        Engine.connect().close()
    except EngineError as error:
        pytest.skip(str(error))
    inside = replace(running_interpreter, id="inside", image="pyassay-test:absent")
    settings = Settings(**QUICK, workloads=("good",), memory=False)
    measured = measure([replace(running_interpreter, id="a"), inside], settings, workload_source=SOURCE)
    assert "the engine has no such image" in measured.failed["inside"]


SCRATCHED = """
import os
SCRATCH = None
def files(n):
    with open(os.path.join(SCRATCH, "file"), "w") as file:
        file.write("x")
WORKLOADS = {"files": (files, 1, "io")}
"""


def test_what_workers_write_is_gone_in_the_end(running_interpreter, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    first = replace(running_interpreter, id="a")
    measured = measure([first], Settings(**QUICK, memory=False), workload_source=SCRATCHED)
    assert failures(measured) == []
    assert len(measured.frames["performance_samples"]) > 8
    assert list(tmp_path.iterdir()) == []


ENDED = """
import sys
sys.path.insert(0, sys.argv[1])
from corpus.simulated_machine import interpreter
from pyassay.probes.performance import Settings, measure
source = "def work(n):\\n    sum(range(1000 * n))\\nWORKLOADS = {'work': (work, 1)}"
def told(done, total, label):
    print(label, flush=True)
settings = Settings(budget_s=60, memory=False, half_width=1e-9)
measure([interpreter("a", sys.argv[2])], settings, progress=told, workload_source=source)
"""


def is_alive(pid: str) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_a_signal_ends_the_workers_and_leaves_the_measurements(running_interpreter, tmp_path):
    command = [
        sys.executable,
        "-c",
        ENDED,
        str(Path(__file__).parents[2]),
        str(running_interpreter.executable),
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    for line in process.stdout:
        if "block 2" in line:
            break
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + 20
    while not (children := listed.read_text().split()) and time.monotonic() < end:
        time.sleep(0.01)
    process.terminate()
    assert process.wait(20) == 128 + 15
    process.stdout.close()
    assert children
    # One that was just being started sees the end of its input a moment later.
    while any(map(is_alive, children)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(map(is_alive, children))
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".jsonl"
    frames = recovered(left.read_text().splitlines())
    assert len(frames["performance_samples"]) > 4
