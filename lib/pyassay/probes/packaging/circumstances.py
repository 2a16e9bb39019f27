"""How artifacts behave: tried one circumstance after the other, in the place where they run at all."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyassay.packagers.model import Delivery
from pyassay.places.container import ContainerCompleted, EngineError, Session
from pyassay.places.container_errors import one_line
from pyassay.probes.packaging.behaviour import CHECKS, MARK, Outcome, judge_check
from pyassay.probes.packaging.candidates import Candidate
from pyassay.probes.packaging.catalogue import ROOMS, Circumstance, catalogue
from pyassay.probes.packaging.environments import Environment, Places
from pyassay.probes.packaging.footprints import footprint_rows, unmeasured_footprints
from pyassay.probes.packaging.placing import Placed, PlacingError, placed
from pyassay.probes.packaging.rooms import Rooms
from pyassay.probes.packaging.runs import owner
from pyassay.probes.packaging.scripts import FRESH, NO_HOME, READ_ONLY_HOME, UNWRITABLE, wrapped
from pyassay.probes.packaging.store import Store

__all__ = ["Behaviour", "Tried"]

_RUN_S = 60.0
_PLANTED = "/pyassay/planted"
_SCRIPTS = {
    "base": FRESH,
    "read-only-home": READ_ONLY_HOME,
    "noexec": FRESH,
    "nothing-writable": UNWRITABLE,
    "other-user": NO_HOME,
    "fuse": FRESH,
}
_HOSTILE: dict[str, dict[str, str]] = {
    "pythonpath": {"PYTHONPATH": _PLANTED},
    "pythonhome": {"PYTHONHOME": "/nonexistent"},
    "cwd": {"PYASSAY_CWD": _PLANTED},
}

Row = dict[str, Any]


@dataclass
class Tried:
    """Rows of two tables."""

    circumstances: list[Row]
    footprints: list[Row]


@dataclass
class Behaviour:
    """Tries artifacts.

    Attributes
    ----------
    places : Places
    store : Store
    progress : callable
        Told of each artifact.
    """

    places: Places
    store: Store
    progress: Callable[[str], None] = lambda label: None

    def rows(self, candidates: Sequence[tuple[Candidate, Environment | None, str]]) -> Iterator[Tried]:
        """Yield the rows of each artifact.

        Parameters
        ----------
        candidates : sequence of (Candidate, Environment or None, str)
            Each with the place where it runs; else with why it is not tried.
        """
        for candidate, environment, why in candidates:
            if environment is None:
                yield _untried(candidate, why)
                continue
            self.progress(candidate.subject.label)
            key = self._key(candidate, environment)
            both = (self.store.get("circumstances", key), self.store.get("footprints", key))
            if both[0] is not None and both[1] is not None:
                own = {"subject_id": candidate.subject_id}
                yield Tried([{**row, **own} for row in both[0]], [{**row, **own} for row in both[1]])
                continue
            try:
                tried = self._tried(candidate, environment)
            except (EngineError, PlacingError, OSError) as error:
                yield _untried(candidate, one_line(error), environment.name)
                continue
            self.store.put("circumstances", key, tried.circumstances)
            self.store.put("footprints", key, tried.footprints)
            yield tried

    def _key(self, candidate: Candidate, environment: Environment) -> tuple[object, ...]:
        image = self.places.digests.get(environment.image, "")
        program = candidate.built.program if candidate.built else ""
        return (
            candidate.digest,
            environment,
            image,
            program,
            candidate.python.executable,
            candidate.project.digest,
        )

    def _tried(self, candidate: Candidate, environment: Environment) -> Tried:
        engine = self.places.engine
        if engine is None:
            return _untried(candidate, "no engine", environment.name)
        found = Tried([], [])
        is_image = candidate.built is not None and candidate.built.delivery is Delivery.IMAGE
        with tempfile.TemporaryDirectory(prefix="pyassay-planted-") as folder:
            planted = _plant(Path(folder), candidate.project.module)
            with placed(engine, candidate, environment) as there:
                rooms = list(dict.fromkeys(one.room for one in catalogue()))
                for name in rooms:
                    mounts = {**there.mounts, planted: _PLANTED}
                    asked = [one for one in catalogue() if one.room == name]
                    found.circumstances += self._in_room(
                        engine, candidate, environment, there, mounts, name, asked, has_shell=not is_image
                    )
                with engine.room(there.image, there.mounts, owner=owner()) as room:
                    found.footprints += footprint_rows(candidate, room, there)
        order = {one.key: number for number, one in enumerate(catalogue())}
        found.circumstances.sort(key=lambda row: order[row["circumstance"]])
        return found

    def _in_room(
        self,
        engine: Rooms,
        candidate: Candidate,
        environment: Environment,
        there: Placed,
        mounts: Mapping[Path, str],
        name: str,
        asked: Sequence[Circumstance],
        *,
        has_shell: bool,
    ) -> list[Row]:
        rows: list[Row] = []
        able = []
        for one in asked:
            if why := _inapplicable(one, candidate):
                rows.append(_row(candidate, one, environment.name, Outcome("not measured", why)))
            else:
                able.append(one)
        if not able:
            return rows
        furniture = ROOMS[name]
        try:
            with engine.room(there.image, dict(mounts), furniture, owner=owner()) as room:
                for one in able:
                    rows.append(_one(room, candidate, environment, there, one, name))
        except EngineError as error:
            done = {row["circumstance"] for row in rows}
            rows += [
                _row(candidate, one, environment.name, Outcome("not measured", one_line(error)))
                for one in able
                if one.key not in done
            ]
        return rows


def _one(
    room: Session,
    candidate: Candidate,
    environment: Environment,
    there: Placed,
    circumstance: Circumstance,
    name: str,
) -> Row:
    def run(
        arguments: Sequence[str], script: str = _SCRIPTS[name], input_bytes: bytes = b""
    ) -> ContainerCompleted:
        return room.run(
            wrapped(script, [*there.argv, *arguments]),
            timeout_s=_RUN_S,
            input_bytes=input_bytes,
            extra_environment={**there.environment, **_HOSTILE.get(circumstance.key, {})},
        )

    check = CHECKS.get(circumstance.key)
    words: list[str] = []

    def noted(
        arguments: Sequence[str], script: str = _SCRIPTS[name], input_bytes: bytes = b""
    ) -> ContainerCompleted:
        words[:] = [*there.argv, *arguments]
        return run(arguments, script, input_bytes)

    try:
        if check is not None:
            outcome = check(noted, candidate)
        else:
            outcome = judge_check(noted(candidate.project.check_arguments), candidate)
    except EngineError as error:
        outcome = Outcome("not measured", one_line(error))
    shown = shlex.join(words)
    variables = {**there.environment, **_HOSTILE.get(circumstance.key, {})}
    variables = {key: value for key, value in variables.items() if key not in {"PATH", "PYASSAY_CWD"}}
    prefix = "".join(f"{key}={shlex.quote(value)} " for key, value in variables.items())
    return _row(candidate, circumstance, environment.name, outcome, prefix + shown)


def _inapplicable(circumstance: Circumstance, candidate: Candidate) -> str:
    if circumstance.only_for_the_patient and not candidate.project.speaks:
        commands = [one for one in circumstance.needs if one not in {"check", "help"}]
        return f"the project has no command {', '.join(commands)}"
    built = candidate.built
    if circumstance.scope == "appimage":
        mounts_itself = candidate.form.packager == "appimage" and not (built and built.environment)
        if not mounts_itself:
            return "it does not mount itself"
        if not Path("/dev/fuse").exists():
            return "this host has no /dev/fuse"
    return ""


def _plant(folder: Path, module: str) -> Path:
    """Write foreign modules that say so when they are imported."""
    folder.chmod(0o755)
    for name in (module.partition(".")[0], "click", "json", "sitecustomize", "usercustomize"):
        text = f"import sys\nsys.stderr.write({f'{MARK} {name}' + chr(10)!r})\n"
        path = folder / f"{name}.py"
        path.write_text(text)
        path.chmod(0o644)
    return folder


def _untried(candidate: Candidate, why: str, environment: str = "") -> Tried:
    lacks = Outcome("not measured", why)
    return Tried(
        [_row(candidate, one, environment, lacks) for one in catalogue()],
        unmeasured_footprints(candidate, why),
    )


def _row(
    candidate: Candidate, circumstance: Circumstance, environment: str, outcome: Outcome, command: str = ""
) -> Row:
    return {
        "subject_id": candidate.subject_id,
        "circumstance": circumstance.key,
        "environment": environment,
        "outcome": outcome.outcome,
        "seen": outcome.seen[:300],
        "command": command,
    }
