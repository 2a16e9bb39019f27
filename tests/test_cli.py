"""The command: what it prints where, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from pyassay import __version__, cli, terminal
from pyassay.probes import ABOUT_PYTHONS, QUESTIONS
from pyassay.verdicts.model import Level

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"pandas", "numpy", "pyarrow", "altair", "vl_convert", "papermill", "nbconvert", "nbclient", "rich"}


def run(*arguments: str | Path, **settings: object) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYASSAY_DEBUG"}
    keywords = {"capture_output": True, "text": True, "timeout": 200, "env": environment, **settings}
    return subprocess.run([sys.executable, "-m", "pyassay", *arguments], check=False, **keywords)


class TestStart:
    def test_version(self) -> None:
        done = run("--version")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"pyassay {__version__}\n", "")

    def test_help_imports_nothing_heavy(self) -> None:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "pyassay", "--help"],
            capture_output=True,
            text=True,
            check=True,
        )
        imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
        assert "typer" in imported
        assert HEAVY.isdisjoint(imported)

    @pytest.mark.parametrize("command", ["find", "probe", "judge", "report", "refresh", "sbom", "lab"])
    def test_every_command_has_help(self, command: str) -> None:
        done = run(command, "--help")
        assert done.returncode == 0
        assert f"pyassay {command}" in done.stdout

    def test_readme_shows_the_help_as_it_is(self) -> None:
        blocks = re.findall(
            r"<!-- help: pyassay (.*?) -->\n```text\n(.*?)```", (ROOT / "README.md").read_text(), re.S
        )
        assert len(blocks) >= 2
        for command, shown in blocks:
            done = run(*command.split(), env=os.environ | {"COLUMNS": "100"})
            assert shown == done.stdout, f"README: pyassay {command}"


class TestUsage:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["nonsense"],
            ["find", "--nonsense"],
            ["probe", "nonsense"],
            ["judge", "/nonexistent/evidence"],
            ["report", "--evidence", "/nonexistent/evidence"],
            ["report", "--evidence", "somewhere", "/usr/bin/python3"],
            ["report", "-p", "noequals"],
            ["report", "-p", "=3"],
            ["report", "-p", "a=1", "-p", "a=2"],
            ["report", "--policy", "/nonexistent/policy.toml"],
            ["report", "--fail-on", "terrible"],
        ],
        ids=" ".join,
    )
    def test_is_exit_code_2_and_no_traceback(self, arguments: list[str], tmp_path: Path) -> None:
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert list(tmp_path.iterdir()) == []

    def test_our_own_errors_are_one_line(self, tmp_path: Path) -> None:
        for arguments in (["judge", "no\nsuch\x1b[31mfolder"], ["report", "--evidence", "/nonexistent"]):
            done = run(*arguments, cwd=tmp_path)
            assert done.returncode == 2
            assert done.stderr.count("\n") == 1, done.stderr
            assert "\x1b" not in done.stderr

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["report", "portabilty"], "did you mean the question portability?"),
            (["find", "--search", "/nonexistent/dir"], "--search /nonexistent/dir: no such folder"),
            (["report", "--search", "/nonexistent/dir"], "--search /nonexistent/dir: no such folder"),
            (["report", "--policy", "nosuch"], "nosuch: no such policy; there are: "),
            (["report", "--fail-on", "awful"], "'awful' is not one of good, caution, unknown, bad"),
        ],
    )
    def test_a_typing_error_is_told_with_what_there_is(
        self, arguments: list[str], said: str, tmp_path: Path
    ) -> None:
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert "Value error" not in done.stderr
        assert list(tmp_path.iterdir()) == []

    def test_debug_shows_the_traceback(self) -> None:
        done = run("--debug", "judge", "/nonexistent/evidence")
        assert done.returncode == 2
        assert "Traceback" in done.stderr

    def test_words_are_questions_first_then_selectors(self) -> None:
        assert cli._split(()) == (ABOUT_PYTHONS, ())
        assert cli._split(("portability",)) == (("portability",), ())
        assert cli._split(("portability", "uv:3.12")) == (("portability",), ("uv:3.12",))
        assert cli._split(("/usr/bin/python3",)) == (ABOUT_PYTHONS, ("/usr/bin/python3",))
        assert cli._split(("all", "uv:3.12")) == (QUESTIONS, ("uv:3.12",))
        assert cli._split(("backends",)) == (("backends",), ())
        # A file of that name is still reached, as ./portability.
        assert cli._split(("uv:3.12", "portability")) == (ABOUT_PYTHONS, ("uv:3.12", "portability"))


class TestExitCode:
    @pytest.mark.parametrize(
        ("levels", "fail_on", "failures", "code"),
        [
            (["good"], "caution", 0, 0),
            (["bad"], None, 0, 0),
            (["bad"], "caution", 0, 1),
            (["good", "caution"], "caution", 0, 1),
            (["caution"], "bad", 0, 0),
            (["good"], "good", 0, 1),
            (["unknown"], "bad", 0, 0),
            (["unknown"], "caution", 0, 1),
            (["bad"], "unknown", 0, 1),
            (["good"], "bad", 1, 3),
            (["bad"], "bad", 1, 1),
            ([], None, 2, 3),
        ],
    )
    def test_finding_outweighs_failure(
        self, levels: list[str], fail_on: str | None, failures: int, code: int
    ) -> None:
        wanted = None if fail_on is None else Level(fail_on)
        assert cli._exit_code(map(Level, levels), wanted, failures) == code


class TestFind:
    def test_json_has_a_format_and_the_interpreter(self) -> None:
        done = run("find", "--json", os.path.realpath(sys.executable))
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert document["format"] == terminal.JSON_FORMAT
        (found,) = document["interpreters"]
        assert Path(found["executable"]).samefile(sys.executable)
        assert found["version"] == ".".join(map(str, sys.version_info[:3]))
        assert found["error"] is None
        assert set(found["provenance"]) >= {"builder", "label", "confidence", "clues"}

    def test_table_is_for_people(self) -> None:
        done = run("find", os.path.realpath(sys.executable))
        header, row = done.stdout.splitlines()
        assert header.split()[:3] == ["ID", "VERSION", "ARCH"]
        assert os.path.realpath(sys.executable) in row

    def test_a_file_name_cannot_command_the_terminal(self, tmp_path: Path) -> None:
        evil = tmp_path / "python3\x1b]0;owned\x07\n"
        evil.write_text("#!/bin/sh\nexit 1\n")
        evil.chmod(0o755)
        done = run("find", evil)
        assert "\x1b" not in done.stdout + done.stderr
        assert "\x07" not in done.stdout + done.stderr
        assert r"\x1b]0;owned" in done.stdout + done.stderr

    def test_a_reader_that_goes_away_is_no_error(self) -> None:
        read_end, write_end = os.pipe()
        os.close(read_end)
        with os.fdopen(write_end, "wb") as closed:
            done = run(
                "find", os.path.realpath(sys.executable), capture_output=False, stdout=closed, stderr=-1
            )
        assert done.returncode == 0
        assert "Broken" not in done.stderr


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One real interpreter and one that cannot be run, probed by the command."""
    folder = tmp_path_factory.mktemp("cli")
    broken = folder / "python3"
    broken.write_text("#!/bin/sh\necho no\nexit 1\n")
    broken.chmod(0o755)
    done = run(
        "probe",
        "portability",
        os.path.realpath(sys.executable),
        broken,
        "--output",
        "set",
        "--json",
        cwd=folder,
    )
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert document["tables"]["subjects"] == 2
    assert len(document["not_assayed"]) == 1
    assert done.stderr.count("not assayed: ") == 1
    return Path(document["evidence"])


class TestEvidence:
    def test_an_evidence_set_is_never_overwritten_by_probe(self, evidence: Path) -> None:
        done = run("probe", "portability", os.path.realpath(sys.executable), "--output", evidence)
        assert done.returncode == 2
        assert "exists already" in done.stderr

    def test_judge_gives_a_verdict_on_each_and_3_for_the_broken(self, evidence: Path) -> None:
        done = run("judge", evidence, "--json")
        assert done.returncode == 3
        levels = [verdict["level"] for verdict in json.loads(done.stdout)["verdicts"]]
        assert len(levels) == 2
        assert "unknown" in levels

    def test_a_finding_outweighs_the_broken_one(self, evidence: Path) -> None:
        done = run("judge", evidence, "--fail-on", "unknown")
        assert done.returncode == 1
        assert done.stdout.startswith("LEVEL")

    def test_a_policy_decides(self, evidence: Path, tmp_path: Path) -> None:
        policy = tmp_path / "mine.toml"
        policy.write_text("[portability]\nmust_run_on = 3\n")
        done = run("judge", evidence, "--policy", policy)
        assert done.returncode == 2
        assert "must_run_on" in done.stderr

    @pytest.mark.parametrize("parameter", ["evidense=x", "subjects"])
    def test_a_wrong_parameter_is_told_before_any_probing(self, parameter: str, tmp_path: Path) -> None:
        done = run("report", "-p", parameter, cwd=tmp_path)
        assert done.returncode == 2
        assert "Probing" not in done.stderr
        assert list(tmp_path.iterdir()) == []


class TestReport:
    def test_of_recorded_evidence(self, evidence: Path, tmp_path: Path) -> None:
        done = run("report", "portability", "--evidence", evidence, "--output", "out", "--json", cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        document = json.loads(done.stdout)
        assert document["format"] == 1
        assert (tmp_path / document["index"]).is_file()
        assert [article["status"] for article in document["articles"]] == ["done"]
        assert (tmp_path / document["articles"][0]["page"]).is_file()
        assert len(document["verdicts"]) == 2

    @pytest.mark.slow
    def test_probes_keeps_the_evidence_and_tells_what_changed(self, evidence: Path, tmp_path: Path) -> None:
        interpreter = os.path.realpath(sys.executable)
        first = run("report", "portability", interpreter, "--output", "out", cwd=tmp_path)
        assert first.returncode == 0, first.stderr
        assert first.stdout.splitlines()[-1] == "out/index.html"
        kept = tmp_path / "out" / "evidence" / "portability"
        assert (kept / "manifest.json").is_file()
        again = run("report", "portability", interpreter, "--output", "out", "--json", cwd=tmp_path)
        assert json.loads(again.stdout)["changes"] == []
        against = run(
            "report",
            "portability",
            interpreter,
            "--output",
            "out",
            "--json",
            "--baseline",
            evidence,
            cwd=tmp_path,
        )
        (gone,) = json.loads(against.stdout)["changes"]
        assert (gone["what"], gone["now"]) == ("subject", "")

    @pytest.mark.slow
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
    def test_interrupted_while_writing_leaves_the_last_evidence(
        self, evidence: Path, tmp_path: Path, number: int
    ) -> None:
        kept = tmp_path / "out" / "evidence" / "portability"
        shutil.copytree(evidence, kept)
        with subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pyassay",
                "report",
                "portability",
                os.path.realpath(sys.executable),
                "--output",
                "out",
            ],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            seen = list(iter_until(process.stderr, "Writing the report"))
            assert "Writing the report" in seen[-1], seen
            process.send_signal(number)
            out, _ = process.communicate(timeout=60)
        assert process.returncode not in (0, 1, 3)
        assert out == ""
        assert (kept / "manifest.json").read_bytes() == (evidence / "manifest.json").read_bytes()
        assert [path.name for path in kept.parent.iterdir()] == ["portability"]
        assert not list((tmp_path / "out").glob("*.html"))

    @pytest.mark.slow
    def test_pages_name_the_kept_evidence_only(self, tmp_path: Path) -> None:
        done = run(
            "report",
            "portability",
            os.path.realpath(sys.executable),
            "--output",
            "out",
            "--json",
            cwd=tmp_path,
        )
        assert Path(json.loads(done.stdout)["evidence"]).samefile(tmp_path / "out/evidence/portability")
        assert [path.name for path in (tmp_path / "out/evidence").iterdir()] == ["portability"]
        for page in (tmp_path / "out").glob("*.html"):
            assert ".portability-" not in page.read_text()


def iter_until(lines: Iterable[str], wanted: str) -> Iterator[str]:
    """Yield lines up to the first that holds a text."""
    for line in lines:
        yield line
        if wanted in line:
            return


class TestSignals:
    def test_control_c_is_130_and_quiet(self, tmp_path: Path) -> None:
        slow = tmp_path / "bin" / "python3"
        slow.parent.mkdir()
        slow.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/started\nexec sleep 60\n")
        slow.chmod(0o755)
        process = subprocess.Popen(
            [sys.executable, "-m", "pyassay", "find", slow],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 20
        while not (tmp_path / "started").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if process.poll() is not None:
            pytest.skip("the slow Python was refused without being run")
        interrupted = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 130
        assert "Traceback" not in out + err
        # Neither waited for, which takes ten seconds, nor left running.
        assert time.monotonic() - interrupted < 5
        assert not Path("/proc", (tmp_path / "started").read_text().strip()).exists()


class TestTerminal:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("plain é 漢字", "plain é 漢字"),
            ("a\nb\tc", r"a\nb\tc"),
            ("\x1b[31mred", r"\x1b[31mred"),
            ("\u202egnp.exe", r"\u202egnp.exe"),
            ("\x9b31m", r"\x9b31m"),
            (os.fsdecode(b"\xff"), r"\udcff"),
        ],
    )
    def test_escaped(self, text: str, shown: str) -> None:
        assert terminal.escaped(text) == shown
        assert terminal.escaped(text).isprintable()

    def test_table_aligns_wide_characters(self) -> None:
        assert terminal.table(("A", "B"), [("漢字", "x"), ("e\u0301", "y")]).splitlines() == [
            "A     B",
            "漢字  x",
            "e\u0301     y",
        ]

    def test_json_is_ascii_and_has_no_nan(self) -> None:
        text = terminal.json_document(value=float("nan"), path=Path("é"), items=(1, None))
        assert text.isascii()
        assert json.loads(text) == {"format": 1, "value": None, "path": "é", "items": [1, None]}

    def test_a_person_sees_a_bar_and_a_pipe_does_not(self) -> None:
        program = (
            "from pyassay.terminal import progress_bar\n"
            "with progress_bar('Probing [b]x') as progress:\n"
            "    for n in range(3): progress(n, 3, 'label [red] \\x1b]0;owned\\x07')\n"
        )
        piped = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert piped.stdout == ""
        assert piped.stderr == "Probing [b]x ...\n"
        reader, writer = pty.openpty()
        subprocess.run(
            [sys.executable, "-c", program], stderr=writer, check=True, env=os.environ | {"TERM": "xterm"}
        )
        os.close(writer)
        seen = b""
        while chunk := _read(reader):
            seen += chunk
        os.close(reader)
        assert b"Probing [b]x" in seen
        assert b"3/3" in seen or b"2/3" in seen
        assert b"\x1b]0;owned" not in seen


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


class TestSecurity:
    def test_tables_are_refreshed_without_a_network_where_that_is_asked(self, tmp_path: Path) -> None:
        done = run("refresh", "--offline", "--dry-run", "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        outcomes = json.loads(done.stdout)["outcomes"]
        assert {one["status"] for one in outcomes} <= {"same", "changed", "kept"}
        assert not any(one["written"] for one in outcomes)
        assert any("not asked for" in one["reason"] for one in outcomes)

    def test_an_unknown_table_is_a_typing_error(self, tmp_path: Path) -> None:
        done = run("refresh", "cpython_releeses", "--offline", cwd=tmp_path)
        assert done.returncode == 2
        assert "cpython_releases" in done.stderr

    def test_the_gate_looks_inside(self, tmp_path: Path) -> None:
        policy = tmp_path / "own.toml"
        policy.write_text('[security]\nbad_severity = "low"\n')
        done = run("check", "--security", "--policy", policy, os.path.realpath(sys.executable), cwd=tmp_path)
        assert done.returncode in (1, 3), done.stderr
        assert "advisory of severity low" in done.stdout or "not known" in done.stderr

    def test_settings_of_another_question_are_refused(self, tmp_path: Path) -> None:
        for option in (["--minutes", "1"], ["--own-tests"], ["--instructions"]):
            done = run("probe", "portability", os.path.realpath(sys.executable), *option, cwd=tmp_path)
            assert done.returncode == 2, option
            assert "for the question" in done.stderr
        done = run("probe", "performance", os.path.realpath(sys.executable), "--reference", "x", cwd=tmp_path)
        assert done.returncode == 2
        assert "none of the Pythons" in done.stderr
