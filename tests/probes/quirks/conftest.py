"""Run one quirk's script under an interpreter, as the probe does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pyassay.places.host import run
from pyassay.probes.quirks import catalogue
from pyassay.probes.quirks.scripts import assembled
from pyassay.subjects import Interpreter, find

_TOKEN = "quirk-under-test"


@dataclass(frozen=True)
class Observed:
    """What a script said."""

    outcome: str
    answer: str
    observed: str
    reason: str
    details: dict[str, Any]


Ask = Callable[..., Observed]


@cache
def interpreters() -> tuple[Interpreter, ...]:
    """Name every interpreter of this host that answers, by version."""
    found = (subject for subject in find() if isinstance(subject, Interpreter))
    return tuple(i for i in found if not i.error and i.implementation == "cpython")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `typical` the oldest and newest of each builder, `interpreter` all (the others are slow)."""
    by_builder: dict[str, list[Interpreter]] = {}
    for name in {"interpreter", "typical"} & set(metafunc.fixturenames):
        for one in interpreters():
            by_builder.setdefault(one.provenance.builder, []).append(one)
        # With Python 2 at hand, the oldest Python 3 as well.
        threes = [[one for one in several if one.version[0] == "3"] for several in by_builder.values()]
        lists = [several for several in (*by_builder.values(), *threes) if several]
        typical = {one.id for several in lists for one in (several[0], several[-1])}
        parameters = [
            pytest.param(one, id=one.id, marks=() if one.id in typical else pytest.mark.slow)
            for one in interpreters()
            if name == "interpreter" or one.id in typical
        ]
        metafunc.parametrize(name, parameters)


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Give the function that asks an executable one question."""

    def asked(
        quirk: str,
        executable: Path,
        given: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Observed:
        source = assembled(quirk, _TOKEN, given or {})
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        # Python 2 knows no -I.
        for flags in (("-I", "-B", "-"), ("-E", "-s", "-B", "-")):
            ended = run(
                [str(executable), *flags],
                timeout_s=90,
                input_bytes=source,
                extra_environment={"TMPDIR": str(home), "HOME": str(home), **(environment or {})},
            )
            for line in ended.stdout.decode("utf-8", "replace").splitlines():
                if line.startswith(f"{_TOKEN} "):
                    assert [path for path in home.iterdir() if path.name.startswith("quirk-")] == []
                    return Observed(**json.loads(line.removeprefix(f"{_TOKEN} ")))
        pytest.fail(f"{quirk} under {executable}: {ended.stderr[-400:]!r}")

    return asked


@pytest.fixture
def ask_catalogued(ask: Ask) -> Ask:
    """Give the function that asks one question and holds the answer against the catalogue."""

    def asked(quirk: str, executable: Path, **settings: Any) -> Observed:
        seen: Observed = ask(quirk, executable, **settings)
        assert "the probe failed" not in seen.reason, seen.reason
        if seen.outcome == "measured":
            assert seen.answer in catalogue()[quirk].answers
            assert seen.observed
        else:
            assert seen.outcome in {"not measured", "not applicable"}
            assert seen.reason
        return seen

    return asked


@pytest.fixture
def built_by() -> Callable[[str], Interpreter]:
    """Give the function that names the newest interpreter of a builder."""

    def newest(builder: str) -> Interpreter:
        mine = [one for one in interpreters() if one.provenance.builder == builder]
        if not mine:
            pytest.skip(f"no interpreter of {builder} on this host")
        return mine[-1]

    return newest
