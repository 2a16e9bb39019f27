"""What the probe is told, the reader's own project, and the wheelhouse that it rests on."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pyassay.probes.backends import SettingsError, measure, takes
from pyassay.probes.backends.own_project import ProjectError, exchanged, read_project
from pyassay.probes.backends.settings import Settings, Wanted
from pyassay.probes.backends.wheelhouse import Wheelhouse, WheelhouseError, open_wheelhouse
from pyassay.subjects.model import Interpreter


def test_backends_are_named_with_or_without_a_version() -> None:
    wanted = Settings(backends=("Flit_Core==3.12.0", "uv-build", "uv_build")).wanted()
    assert wanted == (Wanted("flit-core", "3.12.0"), Wanted("uv-build"))
    assert wanted[0].requirement == "flit-core==3.12.0"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"backends": ("no-such",)}, "no such build backend"),
        ({"backends": ("flit-core>=3",)}, "NAME==VERSION"),
        ({"backends": ("--index-url=https://x",)}, "NAME==VERSION"),
        ({"profile": "fast"}, "not one of quick, full"),
        ({"repeats": 0}, "at least 1"),
        ({"timeout_s": 0}, "more than 0"),
    ],
)
def test_a_setting_out_of_its_range_is_one_line(given: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        Settings(**given)  # type: ignore[arg-type]


def test_it_takes_a_python_that_can_build(running_interpreter: Interpreter) -> None:
    assert takes(running_interpreter)
    with pytest.raises(SettingsError, match="no Python that builds"):
        measure([])


def test_only_the_build_system_is_exchanged() -> None:
    text = (
        '[project]\nname = "a"\nversion = "1"\nkeywords = [\n  "build-system",\n]\n'
        '[build-system]\nrequires = [\n  "hatchling",\n]\nbuild-backend = "hatchling.build"\n'
        '[tool.x]\ny = [\n  ["z"],\n]\n[[tool.x.list]]\nk = 1\n'
    )
    new = tomllib.loads(exchanged(text, "flit-core", "4.2.0"))
    old = tomllib.loads(text)
    assert new.pop("build-system") == {
        "requires": ["flit-core==4.2.0"],
        "build-backend": "flit_core.buildapi",
    }
    old.pop("build-system")
    assert new == old


def test_what_is_not_fair_is_said(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "demo"\ndynamic = ["version"]\n[tool.hatch.version]\npath = "x.py"\n'
        "[tool.ruff]\nline-length = 90\n"
    )
    own = read_project(tmp_path)
    assert (own.name, own.backend, own.requires) == ("demo", "hatchling", ("hatchling",))
    assert own.unfair == (
        "its backend fills in version",
        "[tool.hatch] tells its backend what no other reads",
    )


@pytest.mark.parametrize("text", [None, "[[", "x" * (1 << 21)])
def test_a_project_that_cannot_be_read_is_one_line(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ProjectError, match=r"pyproject\.toml") as caught:
        read_project(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_wheelhouse_is_made_once_and_knows_its_sdists(
    backend_wheels: Wheelhouse, backends_cache: Path, running_interpreter: Interpreter
) -> None:
    wanted = Settings(backends=("flit-core", "uv-build", "hatchling")).wanted()
    said: list[str] = []
    again = open_wheelhouse(running_interpreter.executable, wanted, cache=backends_cache, tell=said.append)
    assert again == backend_wheels
    assert said == []
    assert [one.name for one in again.closures["flit-core"]] == ["flit-core"]
    assert {"packaging", "pluggy"} < {one.name for one in again.closures["hatchling"]}
    sdist, reason = again.sdist("uv-build", again.versions["uv-build"])
    assert reason == ""
    assert sdist is not None
    assert sdist.is_file()
    # No address of a registry is kept.
    assert "://" not in (again.folder / "wheelhouse.json").read_text()


def test_without_a_registry_there_is_a_reason(
    tmp_path: Path, running_interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    for name, value in (("PIP_RETRIES", "0"), ("PIP_CONFIG_FILE", "/dev/null"), ("PIP_FIND_LINKS", "")):
        monkeypatch.setenv(name, value)
    with pytest.raises(WheelhouseError, match="no wheels to build with") as caught:
        open_wheelhouse(running_interpreter.executable, [Wanted("flit-core")], cache=tmp_path)
    assert "\n" not in str(caught.value)
