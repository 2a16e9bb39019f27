"""One measurement from the first wheel to the last start: its parts in their order."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyassay.packagers.model import InputKind, Project
from pyassay.probes.packaging.building import Builder
from pyassay.probes.packaging.candidates import Candidate
from pyassay.probes.packaging.circumstances import Behaviour
from pyassay.probes.packaging.environments import ENVIRONMENTS, Environment, Places, prepared
from pyassay.probes.packaging.foretelling import Foreteller
from pyassay.probes.packaging.references import NoReferenceError, Reference, reference
from pyassay.probes.packaging.repeats import repeat_rows, unrepeated
from pyassay.probes.packaging.runs import Runner, environments_of
from pyassay.probes.packaging.settings import Settings
from pyassay.probes.packaging.starts import STATES, Starts, failed_row
from pyassay.probes.packaging.store import Store, digest_of
from pyassay.probes.packaging.tables import ASKED_OF, TABLES
from pyassay.subjects.model import Interpreter

__all__ = ["Measurement"]

_PREFERRED = ("debian:12", "debian:13", "debian:11", "")
_KINDS = (InputKind.OLDEST, InputKind.REPAIRED, InputKind.RAW, None)
_SHARES = (
    ("images", 4),
    ("building", 40),
    ("running", 62),
    ("behaviour", 80),
    ("repeats", 88),
    ("starts", 100),
)

Row = dict[str, Any]
Rows = dict[str, list[Row]]
Progress = Callable[[int, int, str], None]


@dataclass
class Measurement:
    """A measurement; made by :meth:`open`."""

    settings: Settings
    project: Project
    store: Store
    tell: Progress
    rows: Rows = field(default_factory=lambda: {schema.name: [] for schema in TABLES})
    candidates: list[Candidate] = field(default_factory=list)
    _places: Places | None = None
    _part: int = 0

    @classmethod
    @contextlib.contextmanager
    def open(cls, settings: Settings, project: Project, tell: Progress) -> Iterator[Measurement]:
        """Give a measurement; what it made in the engine is removed in the end."""
        store = Store(settings.cache_folder / "packaging" / "results", anew=settings.anew)
        found = cls(settings, project, store, tell)
        try:
            yield found
        finally:
            if found._places is not None:
                found._places.close()

    def parts(self, pythons: Sequence[Interpreter]) -> Iterator[Rows]:
        """Measure part by part, and give all rows after each."""
        settings = self.settings
        self._begin("images")
        places = self._places = prepared(
            ENVIRONMENTS,
            build_images=settings.build_images,
            wanted=settings.containers,
            progress=self._say,
        )
        self._begin("building")
        builder = Builder(settings, self.project, self.store, places.engine, self._say)
        self.candidates = builder.candidates(pythons)
        self.rows["packaging_inputs"] = builder.input_rows
        self.rows["packaging_builds"] = builder.rows(self.candidates)
        self.rows["packaging_contents"] = builder.content_rows
        yield self.rows
        self._begin("running")
        foreteller = Foreteller(places, self.store, builder.read)
        self.rows["packaging_runs"] = list(
            Runner(places, self.store, foreteller, self._say).rows(self.candidates)
        )
        yield self.rows
        self._begin("behaviour")
        asked = list(self._asked())
        for tried in Behaviour(places, self.store, self._say).rows(asked):
            self.rows["packaging_circumstances"] += tried.circumstances
            self.rows["packaging_footprints"] += tried.footprints
        yield self.rows
        self._begin("repeats")
        for one, _, why in asked:
            self.rows["packaging_repeats"] += self._repeated(one, why, builder)
        yield self.rows
        self._begin("starts")
        self.rows["packaging_start_samples"] = self._started(asked)
        self.tell(100, 100, "")
        yield self.rows

    def _begin(self, name: str) -> None:
        self._part = [part for part, _ in _SHARES].index(name)
        self._say("")

    def _say(self, label: str) -> None:
        done = _SHARES[self._part - 1][1] if self._part else 0
        name = _SHARES[self._part][0]
        self.tell(done, 100, f"{name}: {label}" if label else name)

    # Who is asked further ----------------------------------------------------------------------------------

    def _asked(self) -> Iterator[tuple[Candidate, Environment | None, str]]:
        """Yield every artifact with the place where it is tried further, or with the reason why it is not.

        How an artifact behaves is a matter of the packager, not of the wheels: of each form, and for each
        Python, the one that ran in most places is asked.
        """
        ran: dict[str, list[str]] = {}
        for row in self.rows["packaging_runs"]:
            if row["outcome"] == "ran":
                ran.setdefault(row["subject_id"], []).append(row["environment"])
        groups: dict[tuple[str, str], list[Candidate]] = {}
        for one in self.candidates:
            groups.setdefault((one.form.name, one.python.id), []).append(one)
        for group in groups.values():
            best = max(group, key=lambda one: self._rank(one, ran))
            for one in group:
                if one is not best:
                    yield one, None, f"{ASKED_OF}{best.subject_id}: the wheels are of no account here"
                elif one.built is None:
                    yield one, None, f"not built: {one.reason or one.status}"
                elif self._places is None or self._places.engine is None:
                    missing = self._places.missing if self._places is not None else {}
                    yield one, None, next(iter(missing.values()), "no engine")
                elif one.subject_id not in ran:
                    yield one, None, "it runs in none of the places"
                else:
                    yield one, _place(one, ran[one.subject_id]), ""

    @staticmethod
    def _rank(one: Candidate, ran: dict[str, list[str]]) -> tuple[bool, int, int]:
        return one.built is not None, len(ran.get(one.subject_id, ())), -_KINDS.index(one.kind)

    # The last parts ----------------------------------------------------------------------------------------

    def _repeated(self, one: Candidate, why: str, builder: Builder) -> list[Row]:
        if not self.settings.repeats:
            return unrepeated(one, "a second build was not asked for")
        if one.built is None or why.startswith(ASKED_OF):
            return unrepeated(one, why)
        key = (one.digest, one.form.name, one.inputs.digest if one.inputs else "")
        kept = self.store.get("repeats", key)
        if kept is None:
            self._say(one.subject.label)
            kept = repeat_rows(one, builder.build)
            if not any(
                row["reason"] and row["same"] is None and "takes" not in row["reason"] for row in kept
            ):
                self.store.put("repeats", key, kept)
        return [{**row, "subject_id": one.subject_id} for row in kept]

    def _started(self, asked: Sequence[tuple[Candidate, Environment | None, str]]) -> list[Row]:
        found: list[Row] = []
        groups: dict[str, list[Candidate]] = {}
        for one, _, why in asked:
            if why.startswith(ASKED_OF) or one.built is None:
                found += [failed_row(one.subject_id, what, state, why) for what, state, _ in STATES]
            else:
                groups.setdefault(one.python.id, []).append(one)
        paired = [pair for group in groups.values() if (pair := self._with_reference(group, found))]
        budget_s = self.settings.start_minutes * 60
        key = (budget_s, *((pair[0].id, *(one.digest for one in pair[1])) for pair in paired))
        kept = self.store.get("starts", [digest_of(*key)])
        if kept is None:
            with tempfile.TemporaryDirectory(prefix="pyassay-starts-") as folder:
                starts = Starts(Path(folder), budget_s, self.settings.profile == "quick", self._say)
                kept = list(starts.rows(paired))
            self.store.put("starts", [digest_of(*key)], kept)
        return found + kept

    def _with_reference(
        self, group: list[Candidate], found: list[Row]
    ) -> tuple[Reference, list[Candidate]] | None:
        """Return artifacts of one Python with what they are compared with: the wheels of this host."""
        order = (InputKind.REPAIRED, InputKind.RAW, InputKind.OLDEST)
        mine = [one for one in self.candidates if one.python is group[0].python and one.inputs is not None]
        wheels = {one.inputs.kind: one.inputs for one in mine if one.inputs is not None}
        why = "no wheels to make the environment of that it is compared with"
        for kind in order:
            if kind not in wheels:
                continue
            try:
                name = f"python -m, {group[0].python.version}{group[0].suffix}"
                return reference(self.project, wheels[kind], self.settings.cache_folder, name), group
            except NoReferenceError as error:
                why = str(error)
        found += [failed_row(one.subject_id, what, state, why) for one in group for what, state, _ in STATES]
        return None


def _place(one: Candidate, names: Sequence[str]) -> Environment:
    able = [place for place in environments_of(one) if place.name in names]
    return min(
        able, key=lambda place: (_PREFERRED.index(place.distribution), place.has_libraries, place.has_python)
    )
