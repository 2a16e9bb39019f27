"""The probe of compatibility: every question of the catalogue has its script, and no script can mislead."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from pyassay.gathering import gather
from pyassay.probes import compatibility
from pyassay.probes.compatibility import MEASURED, NOT_MEASURED, QUIRKS, Settings, probe
from pyassay.probes.quirks import CONSEQUENCES, CatalogueError, Quirk, Reading, _quirk, catalogue, scripts
from pyassay.subjects.model import Artifact, Interpreter, SubjectKind


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Put scripts of the test's own in place of the catalogue's."""
    own: dict[str, bytes] = {}
    monkeypatch.setattr(scripts, "_script", own.__getitem__)
    monkeypatch.setattr(compatibility, "catalogue", lambda: {name: _question(name) for name in own})
    return own


def _question(name: str) -> Quirk:
    answers = {"yes": Reading("good", "it does"), "no": Reading("caution", "it does not")}
    return Quirk(name, "system", "Does it?", "It matters.", answers, ("-",), "{python} -c pass", timeout_s=3)


def answer(interpreter: Interpreter, name: str = "it") -> dict[str, object]:
    rows = probe(interpreter, Settings(quirks=(name,)))[QUIRKS.name].to_dict("records")
    assert len(rows) == 1
    return {str(key): value for key, value in rows[0].items()}


def test_every_question_has_its_script_and_every_script_its_question() -> None:
    assert set(scripts.names()) == set(catalogue())


def test_every_part_is_there_and_asked_for() -> None:
    asked_for: set[str] = set()
    for name in scripts.names():
        compile(scripts.assembled(name, "token", {}), name, "exec", dont_inherit=True)
        asked_for.update(scripts.parts_of(scripts.sources(name)[-1]))
    assert asked_for == set(scripts.part_names())


def test_a_part_that_there_is_not_is_named(asked: dict[str, bytes], running_interpreter: Interpreter) -> None:
    asked["it"] = b"# with: terminal tea\ndef observe():\n    return 'yes', ''\n"
    row = answer(running_interpreter)
    assert row["outcome"] == NOT_MEASURED
    assert re.match(r"guest/quirks/it\.py: .* 'tea'", str(row["reason"]))


def test_a_script_that_there_is_not_is_named() -> None:
    with pytest.raises(CatalogueError, match=r"^nonsense: no such script"):
        scripts.assembled("nonsense", "token", {})


def test_parts_stand_before_the_script(asked: dict[str, bytes], running_interpreter: Interpreter) -> None:
    asked["it"] = (
        b"# with: terminal\nSHOWN = shown(b'\\x1b[1mbold')\ndef observe():\n    return 'yes', SHOWN\n"
    )
    assert answer(running_interpreter)["observed"] == "bold"


def test_the_scratch_folder_is_not_told(asked: dict[str, bytes], running_interpreter: Interpreter) -> None:
    # By the script itself, before anything is cut off; the probe's own pattern would miss such a half.
    asked["it"] = b"def observe():\n    return 'yes', 'x' * 580 + ' ' + SCRATCH + '/f'\n"
    asked["other"] = b"def observe():\n    raise NotMeasured('no ' + SCRATCH + '/f')\n"
    frame = probe(running_interpreter)[QUIRKS.name].set_index("quirk")
    assert frame.loc["it", "observed"] == "x" * 580 + " {scratch}/f"
    assert frame.loc["other", "reason"] == "no {scratch}/f"


def test_every_consequence_has_questions() -> None:
    assert {quirk.consequence for quirk in catalogue().values()} == set(CONSEQUENCES)


def test_every_question_can_be_read() -> None:
    for quirk in catalogue().values():
        assert quirk.question.endswith("?"), quirk.id
        assert quirk.why.endswith("."), quirk.id
        assert "{python}" in quirk.reproduce, quirk.id
        assert "good" in {reading.level for reading in quirk.answers.values()}, quirk.id
        assert all(quirk.reference), quirk.id


def test_what_a_script_sees_becomes_a_row(asked: dict[str, bytes], running_interpreter: Interpreter) -> None:
    asked["it"] = b"def observe():\n    return 'no', 'two\\n lines ' + SCRATCH, {'n': 3}\n"
    row = answer(running_interpreter)
    assert (row["outcome"], row["answer"], row["observed"]) == (MEASURED, "no", "two lines {scratch}")
    assert json.loads(str(row["details"])) == {"n": 3}
    assert str(running_interpreter.executable) in str(row["command"])


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (b"def observe():\n    raise NotMeasured('no gcc here')\n", "no gcc here"),
        (b"def observe():\n    return 'perhaps', ''\n", "an answer that the catalogue lacks: perhaps"),
        (b"def observe():\n    return 1 / 0\n", "the probe failed: ZeroDivisionError"),
        (b"def observe():\n    os.kill(os.getpid(), 9)\n", "killed by signal 9"),
        (b"def observe():\n    import time; time.sleep(60)\n", "no answer within 3 s"),
        (b"def observe():\n    sys.stdout.write('x' * 5000000); return 'yes', ''\n", "over 1 MiB"),
        (b"def observe():\n    print(TOKEN + ' {'); os._exit(0)\n", "no answer"),
        (b"def observe():\n    print(TOKEN + ' [1]'); os._exit(0)\n", "no answer"),
        (b'print(\'quirk-answer-0 {"outcome": "measured"}\'); sys.exit(7)\n', "exit status 7"),
    ],
)
def test_a_script_that_fails_leaves_its_reason(
    asked: dict[str, bytes], running_interpreter: Interpreter, script: bytes, reason: str
) -> None:
    asked["it"] = script
    asked["other"] = b"def observe():\n    return 'yes', 'fine'\n"
    frame = probe(running_interpreter)[QUIRKS.name].set_index("quirk")
    assert frame.loc["it", "outcome"] == NOT_MEASURED
    assert reason in str(frame.loc["it", "reason"])
    assert frame.loc["other", "answer"] == "yes"


def test_nothing_is_left_behind(
    asked: dict[str, bytes],
    running_interpreter: Interpreter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    asked["it"] = b"def observe():\n    write('f', 'x'); os.kill(os.getpid(), 9)\n"
    answer(running_interpreter)
    assert list(tmp_path.iterdir()) == []


def test_the_environment_of_the_user_stays_outside(
    asked: dict[str, bytes], running_interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "LD_PRELOAD", "PYTHONPATH", "MY_SECRET"):
        monkeypatch.setenv(name, "/nowhere")
    asked["it"] = (
        b"def observe():\n    bad = sorted(n for n in os.environ if '/nowhere' in os.environ[n])\n"
        b"    return 'yes' if not bad else 'no', ' '.join(bad)\n"
    )
    assert answer(running_interpreter)["answer"] == "yes"


def test_an_interpreter_that_cannot_be_run_is_told(running_interpreter: Interpreter) -> None:
    evidence = gather("compatibility", [replace(running_interpreter, error="it hung")])
    assert evidence.table("quirks").empty
    assert "it hung" in evidence.table("skipped")["reason"].item()


def test_artifacts_are_not_asked() -> None:
    wheel = Artifact("w", "w", SubjectKind.ARTIFACT, Path("w.whl"), "wheel")
    assert not compatibility.takes(wheel)
    evidence = gather("compatibility", [wheel])
    assert evidence.table("quirks").empty
    assert evidence.table("skipped").empty


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"colour": "red"}, "unknown key colour"),
        ({"why": None}, "why is missing"),
        ({"answers": {}}, "no answers"),
        ({"answers": {"yes": {"level": "splendid", "means": "x"}}}, "answer yes"),
    ],
)
def test_a_faulty_entry_is_named(change: dict[str, object], fault: str) -> None:
    entry = {
        "question": "Does it?",
        "why": "It matters.",
        "reference": ["-"],
        "reproduce": "{python}",
        "answers": {"yes": {"level": "good", "means": "it does"}},
    }
    entry = {key: value for key, value in {**entry, **change}.items() if value is not None}
    with pytest.raises(CatalogueError, match=rf"system\.toml: it: .*{fault}"):
        _quirk("it", "system", entry)
