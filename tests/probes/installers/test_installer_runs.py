"""Real uv and real pip, put to the test on loopback; facts that are known must come out."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyassay.probes import installers
from pyassay.probes.installers import Settings, _observe, caching, indexes, locks
from pyassay.probes.installers.bench import Bench, BenchError
from pyassay.probes.installers.registry import RegistryError, download, placed, unpacked
from pyassay.probes.installers.samples import make_wheel
from pyassay.probes.installers.settings import SETS, RequirementSet, SettingsError
from pyassay.probes.installers.tools import Installer, InstallerError, obtain
from pyassay.subjects.model import Interpreter, SubjectKind

INDEX_CLAIMS = (
    "internal_404",
    "internal_401",
    "confusion_extra_internal",
    "confusion_extra_public",
    "file_tampered",
)
LOCK_CLAIMS = ("sdist_built_once", "lock_timeout")


@pytest.fixture(scope="session")
def both() -> tuple[Installer, ...]:
    try:
        return obtain("uv==0.9.30"), obtain("pip==26.3")
    except InstallerError as error:
        pytest.skip(f"no registry: {error}")


@pytest.fixture
def bench(both: tuple[Installer, ...], running_interpreter: Interpreter, tmp_path: Path) -> Bench:
    return make_bench(both, running_interpreter, tmp_path)


def make_bench(
    both: tuple[Installer, ...], interpreter: Interpreter, folder: Path, claims: tuple[str, ...] = ()
) -> Bench:
    def none(wanted: RequirementSet) -> Path:
        raise RegistryError(f"{wanted.name}: not in tests")

    return Bench(both, interpreter, Settings(claims=claims), folder, none, time.monotonic() + 60)


def observed(module: Any, bench: Bench) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[Any]] = {table.name: [] for table in installers.TABLES}
    _observe(module, bench, rows)
    for table in installers.TABLES:
        table.frame(rows[table.name])
    return rows


def answers(rows: dict[str, list[dict[str, Any]]]) -> dict[tuple[str, str], str]:
    return {(row["claim"], row["subject_id"]): row["answer"] for row in rows["installer_answers"]}


@pytest.fixture(scope="module")
def index_rows(
    both: tuple[Installer, ...], running_interpreter: Interpreter, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, Any]]]:
    bench = make_bench(both, running_interpreter, tmp_path_factory.mktemp("indexes"), INDEX_CLAIMS)
    return observed(indexes, bench)


@pytest.mark.parametrize(
    ("claim", "uv", "pip"),
    [
        ("internal_404", "public", "public"),
        ("internal_401", "stops", "public"),
        ("confusion_extra_internal", "internal", "public"),
        ("confusion_extra_public", "public", "public"),
        # This version of uv compares digests only where they are given with the requirements.
        ("file_tampered", "installed", "refused"),
    ],
)
def test_which_package_is_taken(
    index_rows: dict[str, list[dict[str, Any]]], claim: str, uv: str, pip: str
) -> None:
    found = answers(index_rows)
    assert found[claim, "uv-0.9.30"] == uv
    assert found[claim, "pip-26.3"] == pip


def test_the_proof_names_no_path_and_no_port(index_rows: dict[str, list[dict[str, Any]]]) -> None:
    row = next(one for one in index_rows["installer_answers"] if one["claim"] == "internal_401")
    assert row["command"].startswith("uv pip install --python {scratch}/env-")
    assert "http://internal/simple/" in row["command"]
    assert "127.0.0.1" not in row["command"] + row["seen"] + row["details"]
    assert 401 in json.loads(row["details"])["statuses"]
    assert "401" in row["seen"] or "authentication" in row["seen"] or "could not be queried" in row["seen"]


@pytest.fixture(scope="module")
def lock_rows(
    both: tuple[Installer, ...], running_interpreter: Interpreter, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, Any]]]:
    bench = make_bench(both, running_interpreter, tmp_path_factory.mktemp("locks"), LOCK_CLAIMS)
    return observed(locks, bench)


def test_uv_builds_an_sdist_once_and_pip_each_time(lock_rows: dict[str, list[dict[str, Any]]]) -> None:
    found = answers(lock_rows)
    assert found["sdist_built_once", "uv-0.9.30"] == "once"
    assert found["sdist_built_once", "pip-26.3"] == "each"
    builds = {
        row["subject_id"]: row["builds"]
        for row in lock_rows["installer_races"]
        if row["race"] == "one source distribution"
    }
    assert builds == {"uv-0.9.30": 1, "pip-26.3": 4}


def test_who_waits_too_long_for_a_lock_gives_up(lock_rows: dict[str, list[dict[str, Any]]]) -> None:
    found = {
        row["subject_id"]: row for row in lock_rows["installer_answers"] if row["claim"] == "lock_timeout"
    }
    uv, pip = found["uv-0.9.30"], found["pip-26.3"]
    assert uv["answer"] == "gives_up"
    assert uv["seen"].startswith("3 of 4 gave up")
    assert "Timeout (1s) when waiting for lock" in json.loads(uv["details"])["said"]
    assert "UV_LOCK_TIMEOUT=1" in uv["command"]
    assert (pip["answer"], pip["reason"]) == ("not applicable", "it is a statement about uv")


def test_a_change_in_one_environment_reaches_others_through_hard_links(bench: Bench) -> None:
    rows = [row for installer in bench.installers for _, row in caching.sharing(bench, installer)]
    found = {row["subject_id"]: row["answer"] for row in rows}
    assert found["pip-26.3"] == "none"
    # Where the file system shares blocks instead, uv's default may do so, too.
    assert found["uv-0.9.30"] in ("both", "none")


def test_pip_caches_nothing_over_plain_http(bench: Bench) -> None:
    found = {
        row["subject_id"]: row["answer"]
        for installer in bench.installers
        for _, row in caching.untrusted(bench, installer)
    }
    assert found == {"uv-0.9.30": "no_files", "pip-26.3": "files"}


def test_what_a_group_leaves_unanswered_says_why(bench: Bench) -> None:
    def observe(bench: Bench) -> Iterator[Any]:
        yield bench.answer(bench.installers[0], "internal_404", "public")
        raise BenchError("no more")

    rows = observed(SimpleNamespace(GROUP="indexes", observe=observe), bench)["installer_answers"]
    found = {(row["claim"], row["subject_id"]): (row["answer"], row["reason"]) for row in rows}
    assert found["internal_404", "uv-0.9.30"] == ("public", "")
    assert found["internal_401", "pip-26.3"] == ("not measured", "no more")
    assert found["strategy_best_match", "pip-26.3"][0] == "not applicable"
    asked = [one for one in installers.catalogue().values() if one.group == "indexes" and one.answers]
    assert len(found) == len(asked) * len(bench.installers) == len(rows)


def test_a_claim_is_answered_once(bench: Bench) -> None:
    def observe(bench: Bench) -> Iterator[Any]:
        for answer in ("public", "stops"):
            yield bench.answer(bench.installers[0], "internal_404", answer)

    rows = observed(SimpleNamespace(GROUP="indexes", observe=observe), bench)["installer_answers"]
    (row,) = [one for one in rows if (one["claim"], one["subject_id"]) == ("internal_404", "uv-0.9.30")]
    assert row["answer"] == "public"
    assert "answered twice" in next(one["reason"] for one in rows if one["claim"] == "internal_401")


def test_a_group_that_breaks_leaves_the_others(
    running_interpreter: Interpreter, both: tuple[Installer, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(bench: Bench) -> Iterator[Any]:
        raise ZeroDivisionError("odd")
        yield

    monkeypatch.setattr(locks, "observe", broken)
    settings = Settings(
        installers=("uv==0.9.30", "/nowhere/uv", "conda"),
        groups=("indexes", "locks"),
        claims=("internal_404", "lock_timeout"),
        sets=("small",),
    )
    measured = installers.measure([running_interpreter], settings)
    table = measured.frames["installer_answers"].set_index(["subject_id", "claim"])
    assert table.loc[("uv-0.9.30", "internal_404"), "answer"] == "public"
    assert table.loc[("uv-0.9.30", "lock_timeout"), "reason"] == "ZeroDivisionError: odd"
    assert table.loc[("conda", "internal_404"), "reason"].startswith("conda: none of the installers")
    uv, *lost = measured.subjects
    assert [one.id for one in lost] == list(measured.failed) == ["nowhere-uv", "conda"]
    assert all(one.error == measured.failed[one.id] for one in lost)
    (sets,) = measured.frames["installer_sets"].to_dict("records")
    assert sets["set"] == "small"
    assert any(one.startswith("click==") for one in sets["distributions"])
    assert sets["python_id"] == running_interpreter.id
    assert (uv.id, uv.label, uv.kind, uv.format) == ("uv-0.9.30", "uv 0.9.30", SubjectKind.TOOL, "installer")


def test_a_given_executable_takes_part(both: tuple[Installer, ...], tmp_path: Path) -> None:
    assert obtain(str(both[0].path)).id == "uv-0.9.30"
    for wanted, reason in (
        (tmp_path / "uv", "No such file"),
        (Path("/bin/echo"), "does not say that it is uv"),
    ):
        with pytest.raises(InstallerError, match=reason):
            obtain(str(wanted))


def test_without_a_python_there_are_reasons_and_empty_tables() -> None:
    measured = installers.measure([])
    assert measured.subjects == ()
    assert all(frame.empty for frame in measured.frames.values())


@pytest.mark.parametrize(
    "wrong",
    [{"profile": "huge"}, {"groups": ("all",)}, {"installers": ()}, {"budget_min": 0.0}, {"sets": ("big",)}],
)
def test_settings_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        Settings(**wrong)
    assert Settings(sets=("small",)).chosen_sets == (SETS["small"],)


def test_a_download_that_was_changed_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "made", "some", "1.0")

    def fill(folder: Path) -> None:
        (folder / wheel.name).write_bytes(wheel.read_bytes())
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (folder / "hashes.json").write_text(json.dumps({wheel.name: digest}))

    entry = placed(tmp_path / "entry", fill)
    assert download(["some"], entry) == entry
    (entry / wheel.name).write_bytes(b"other")
    with pytest.raises(RegistryError, match="not what was downloaded"):
        download(["some"], entry)
    (entry / "more.whl").touch()
    with pytest.raises(RegistryError, match="other files lie there"):
        download(["some"], entry)


def test_a_folder_of_the_cache_is_whole_or_not_there(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").touch()
        raise RegistryError("gone")

    with pytest.raises(RegistryError, match="gone"):
        placed(tmp_path / "entry", fill)
    assert list(tmp_path.iterdir()) == []


def test_a_wheel_with_a_member_outside_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.whl", "w") as archive:
        archive.writestr("../outside", "x")
    with pytest.raises(RegistryError, match="would lie outside"):
        unpacked(tmp_path / "evil.whl", tmp_path / "target")
    assert not (tmp_path / "outside").exists()
