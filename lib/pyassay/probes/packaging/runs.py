"""Every artifact in every environment: foretold, then run, and what it printed checked."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyassay.packagers.model import Delivery
from pyassay.places.container import ContainerCompleted, EngineError, Session
from pyassay.places.container_errors import one_line
from pyassay.probes.packaging.candidates import Candidate
from pyassay.probes.packaging.environments import ENVIRONMENTS, Environment, Places
from pyassay.probes.packaging.foretelling import Foreteller
from pyassay.probes.packaging.placing import Placed, PlacingError, mounts_of, path_variable, placed
from pyassay.probes.packaging.prediction import Prediction
from pyassay.probes.packaging.rooms import Rooms
from pyassay.probes.packaging.scripts import FRESH, wrapped
from pyassay.probes.packaging.store import Store
from pyassay.probes.packaging.telling import telling_line, worked, works

__all__ = ["OWN_IMAGE", "Runner", "environments_of", "owner"]

OWN_IMAGE = "its own image"
_RUN_S = 90.0
_OWN_TMP = {"HOME": "/tmp", "TMPDIR": "/tmp"}  # noqa: S108
_GROUP = 24

Row = dict[str, Any]


def owner() -> str:
    """Return the user that artifacts belong to, for a container."""
    return f"{os.getuid()}:{os.getgid()}"


def environments_of(candidate: Candidate) -> tuple[Environment, ...]:
    """Return where an artifact belongs: an image in itself, one without a Python also beside its builder."""
    built = candidate.built
    if built is not None and built.delivery is Delivery.IMAGE:
        return (Environment(OWN_IMAGE),)
    bare = built is None or candidate.carries_python or built.delivery is Delivery.PACKAGE
    return tuple(one for one in ENVIRONMENTS if not (one.has_builder and bare))


@dataclass
class Runner:
    """Runs artifacts.

    Attributes
    ----------
    places : Places
    store : Store
    foreteller : Foreteller
    progress : callable
        Told of each environment.
    """

    places: Places
    store: Store
    foreteller: Foreteller
    progress: Callable[[str], None] = lambda label: None

    def rows(self, candidates: Sequence[Candidate]) -> Iterator[Row]:
        """Yield the rows of all artifacts, by environment; none is missing, and what fails says so."""
        for environment in (*ENVIRONMENTS, Environment(OWN_IMAGE)):
            here = [one for one in candidates if environment in environments_of(one)]
            if not here:
                continue
            self.progress(environment.name)
            # Foretold first: nothing that a run shows may slip into it.
            there = environment.name not in self.places.missing and self.places.engine is not None
            known = {
                one.subject_id: self.foreteller.foretell(one, environment)
                for one in here
                if there and one.built
            }
            order = {one.subject_id: number for number, one in enumerate(here)}
            for row in sorted(self._in(environment, here), key=lambda row: order[row["subject_id"]]):
                prediction = known.get(row["subject_id"], Prediction(None))
                yield {**row, "predicted": prediction.runs, "predicted_why": prediction.why}

    def _in(self, environment: Environment, candidates: Sequence[Candidate]) -> Iterator[Row]:
        why = self.places.missing.get(environment.name, "")
        if self.places.engine is None and not why:
            why = next(iter(self.places.missing.values()), "no engine")
        todo: list[Candidate] = []
        for one in candidates:
            if one.built is None:
                yield _row(one, environment, error_line=f"not built: {one.reason or one.status}")
            elif why:
                yield _row(one, environment, error_line=why)
            elif (kept := self.store.get("runs", self._key(one, environment))) is not None:
                yield from ({**row, "subject_id": one.subject_id} for row in kept)
            else:
                todo.append(one)
        plain = [one for one in todo if one.built and one.built.delivery in {Delivery.FILE, Delivery.FOLDER}]
        # A Python that is brought along: one container for all of its artifacts; not too many mounts in one.
        groups: dict[str, list[Candidate]] = {}
        for one in plain:
            groups.setdefault(one.python.id if environment.has_builder else "", []).append(one)
        for group in groups.values():
            for start in range(0, len(group), _GROUP):
                yield from self._together(environment, group[start : start + _GROUP])
        for one in todo:
            if one not in plain:
                yield self._kept(one, environment, self._alone(environment, one))

    def _key(self, candidate: Candidate, environment: Environment) -> tuple[object, ...]:
        built = candidate.built
        program = (built.program, built.arguments, sorted(built.environment.items())) if built else ()
        image = self.places.digests.get(environment.image, "") if environment.name != OWN_IMAGE else ""
        return (
            candidate.digest,
            environment,
            image,
            candidate.python.executable,
            program,
            candidate.project.digest,
        )

    def _kept(self, candidate: Candidate, environment: Environment, row: Row) -> Row:
        if row["outcome"] != "not measured":
            self.store.put("runs", self._key(candidate, environment), [row])
        return row

    def _together(self, environment: Environment, group: Sequence[Candidate]) -> Iterator[Row]:
        engine = self._engine()
        mounts: dict[Path, str] = {}
        able = []
        for one in group:
            try:
                mounts |= mounts_of(one, environment)
            except PlacingError as error:
                yield _row(one, environment, error_line=str(error))
            else:
                able.append(one)
        if not able:
            return
        try:
            with engine.room(environment.image, mounts, owner=owner()) as room:
                for one in able:
                    argv = one.argv(one.in_container)
                    variables = {"PATH": path_variable(one.python, environment)}
                    row = self._tried(room, one, environment, argv, variables)
                    yield self._kept(one, environment, row)
        except EngineError as error:
            for one in able:
                yield _row(one, environment, error_line=one_line(error))

    def _alone(self, environment: Environment, candidate: Candidate) -> Row:
        try:
            with placed(self._engine(), candidate, environment) as there:
                return self._run_placed(there, candidate, environment)
        except PlacingError as error:
            outcome = "failed" if error.refused else "not measured"
            return _row(candidate, environment, error_line=str(error), outcome=outcome)
        except EngineError as error:
            return _row(candidate, environment, error_line=one_line(error))

    def _run_placed(self, there: Placed, candidate: Candidate, environment: Environment) -> Row:
        argv = [*there.argv, *candidate.project.check_arguments]
        with self._engine().room(there.image, there.mounts, owner=owner()) as room:
            done = self._run(room, argv, there.environment, has_shell=bool(environment.suite))
        row = _row(candidate, environment, command=shlex.join(argv))
        return {**row, **_seen(done, candidate)}

    def _tried(
        self,
        room: Session,
        candidate: Candidate,
        environment: Environment,
        argv: list[str],
        variables: dict[str, str],
    ) -> Row:
        built = candidate.built
        argv = [*argv, *candidate.project.check_arguments]
        if built is not None:
            variables = {**variables, **built.environment}
        command = shlex.join(argv)
        try:
            done = self._run(room, argv, variables, has_shell=bool(environment.suite))
        except EngineError as error:
            row = _row(candidate, environment, error_line=one_line(error), command=command)
            # The engine says so itself when there is nothing that could start it.
            if any(text in str(error) for text in ("no such file", "exec format", "not found")):
                row["outcome"] = "failed"
            return row
        row = _row(candidate, environment, command=command)
        return {**row, **_seen(done, candidate)}

    @staticmethod
    def _run(room: Session, argv: list[str], variables: Any, *, has_shell: bool) -> ContainerCompleted:
        if has_shell:
            return room.run(wrapped(FRESH, argv), timeout_s=_RUN_S, extra_environment=variables)
        return room.run(argv, timeout_s=_RUN_S, extra_environment={**variables, **_OWN_TMP})

    def _engine(self) -> Rooms:
        if self.places.engine is None:
            raise EngineError("no engine")
        return self.places.engine


def _seen(done: ContainerCompleted, candidate: Candidate) -> Row:
    expected = candidate.project.expected
    good = done.ok and worked(done.stdout, expected)
    error = ""
    if not good:
        error = telling_line(done.stderr, done.stdout if not done.ok else b"")
        if done.timed_out:
            error = f"not done within {_RUN_S:.0f} s: {error}"
        elif done.out_of_memory:
            error = f"killed at the limit of memory: {error}"
        elif done.ok:
            error = f"it ended well and did not say {', '.join(expected)}: {error}"
    return {
        "outcome": "ran" if good else "failed",
        "exit_code": None if done.timed_out else done.returncode,
        "works": list(works(done.stdout, expected)),
        "error_line": error[:300],
        "duration_s": round(done.duration_s, 4),
    }


def _row(
    candidate: Candidate,
    environment: Environment,
    *,
    error_line: str = "",
    outcome: str = "not measured",
    command: str = "",
) -> Row:
    return {
        "subject_id": candidate.subject_id,
        "environment": environment.name,
        "image": environment.image if environment.suite else "",
        "distribution": environment.distribution,
        "has_python": environment.has_python,
        "has_libraries": environment.has_libraries,
        "has_builder": environment.has_builder,
        "command": command,
        "outcome": outcome,
        "exit_code": None,
        "works": [],
        "error_line": error_line,
        "duration_s": None,
        "predicted": None,
        "predicted_why": "",
    }
