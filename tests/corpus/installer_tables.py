"""Tables of installers put to the test; numbers in tests are those of a real measurement by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from pyassay.evidence import SKIPPED, SUBJECTS
from pyassay.probes.installers import TABLES, catalogue

_SCHEMAS = {schema.name: schema for schema in (SUBJECTS, *TABLES, SKIPPED)}
_DEFAULTS: dict[str, Any] = {"text": "", "texts": [], "flag": None, "count": None, "number": float("nan")}

OLD, NEW, PIP = "uv-0.9.30", "uv-0.13.8", "pip-26.3"
# Wall seconds of a set of some hundred distributions: (cold, warm).
SECONDS: Mapping[str, tuple[float, float]] = {
    f"{PIP}, compiled": (71.7, 63.1),
    f"{PIP}, not compiled": (19.3, 13.6),
    f"{NEW}, compiled": (23.3, 20.8),
    f"{NEW}, not compiled": (2.4, 0.6),
    f"{NEW}, not compiled, copied": (2.6, 0.9),
    f"{OLD}, not compiled": (3.0, 0.5),
}
NOISE = (0.97, 1.0, 1.04, 0.99, 1.02)


class Bench:
    """Builds the tables; what a test does not say has a harmless default."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _SCHEMAS}

    def add(self, table: str, **values: Any) -> Bench:
        defaults = {column.name: _DEFAULTS[column.kind] for column in _SCHEMAS[table].columns}
        self.rows[table].append({**defaults, **values})
        return self

    def installer(self, subject: str) -> Bench:
        family, version = subject.split("-")
        return self.add("subjects", subject_id=subject, label=f"{family} {version}", kind="tool")

    def answer(self, claim: str, subject: str, answer: str, **values: Any) -> Bench:
        given = {
            "seen": f"seen of {claim}",
            "command": f"{subject.split('-', maxsplit=1)[0]} {claim}",
            "exit_code": 0,
        }
        return self.add(
            "installer_answers", claim=claim, subject_id=subject, answer=answer, **{**given, **values}
        )

    def timed(self, seconds: Mapping[str, tuple[float, float]] = SECONDS, *, name: str = "web") -> Bench:
        """Add installations in five blocks; the newest uv that does not compile is entered twice."""
        reference = f"{NEW}, not compiled"
        for place, cache in enumerate(("cold", "warm")):
            for block, noise in enumerate(NOISE, start=1):
                entries = [(command, "candidate") for command in seconds if command != reference]
                entries += [(reference, "reference"), (reference, "control")]
                for number, (command, entry) in enumerate(entries):
                    # A little of its own for each, else there is no interval.
                    wall = seconds[command][place] * noise * (1 + 0.01 * ((block * 7 + number * 3) % 5))
                    self.add(
                        "installer_samples",
                        command_id=command,
                        entry=entry,
                        block=block,
                        wall_s=wall,
                        cpu_s=wall * 0.8,
                        subject_id=command.split(",")[0],
                        set=name,
                        cache=cache,
                        bytecode=", compiled" in command,
                        link_mode="copy" if "copied" in command or command.startswith("pip") else "default",
                        latency_ms=0.0,
                    )
        return self

    def started(self) -> Bench:
        """Add starts of an application in five blocks."""
        states = {
            "compiled by the first start": 0.9,
            "first start, compiles and writes": 3.1,
            "nothing compiled, nothing written": 2.4,
            "compiled by the installer": 0.91,
        }
        for block, noise in enumerate(NOISE, start=1):
            for number, (state, seconds) in enumerate(states.items()):
                entries = ("candidate",) if number else ("reference", "control")
                for entry in entries:
                    wall = seconds * noise * (1 + 0.01 * ((block * 3 + number + len(entry)) % 5))
                    self.add(
                        "installer_imports",
                        command_id=f"{NEW}, {state}",
                        entry=entry,
                        block=block,
                        wall_s=wall,
                        cpu_s=wall,
                        subject_id=NEW,
                        set="web",
                        state=state,
                        compiled=0 if "first start," in state or "nothing" in state else 860,
                    )
        return self

    def tables(self) -> dict[str, pd.DataFrame]:
        return {name: _SCHEMAS[name].frame(rows) for name, rows in self.rows.items()}


def put_to_the_test() -> Bench:
    """Return a bench on which everything is as is claimed, but for what was found when it was tried."""
    bench = Bench()
    for subject in (OLD, NEW, PIP):
        bench.installer(subject)
    found = {
        ("confusion_extra_public", OLD): "public",
        ("confusion_extra_public", NEW): "public",
        ("confusion_extra_public", PIP): "public",
        ("file_tampered", OLD): "installed",
        ("upgrade_reaches_minor", OLD): "stays",
        ("prerelease_transitive", NEW): "takes",
    }
    for claim in catalogue().values():
        for subject in (OLD, NEW, PIP):
            family = subject.split("-")[0]
            if claim.answers and family in claim.claimed:
                answer = found.get((claim.key, subject), claim.claimed[family])
                bench.answer(claim.key, subject, answer)
            elif claim.answers:
                bench.answer(claim.key, subject, "not applicable", reason="it is a statement about others")
    for subject, failed, consistent in ((NEW, 0, True), (PIP, 2, False), (PIP, 0, True)):
        bench.add(
            "installer_races",
            subject_id=subject,
            race="one environment, versions",
            trial=1,
            at_once=4,
            succeeded=4 - failed,
            failed=failed,
            consistent=consistent,
            duration_s=2.5,
            seen="ERROR: Could not install" if failed else "",
        )
    for subject, files in ((NEW, 30), (PIP, 32)):
        bench.add(
            "installer_traffic",
            subject_id=subject,
            set="web",
            cache="cold",
            index="modern",
            page_requests=30,
            metadata_requests=30,
            file_requests=files,
            range_requests=0,
            unchanged=0,
            body_bytes=17_000_000,
        )
    bench.add(
        "installer_sets",
        set="web",
        meaning="a web application",
        distributions=["fastapi==1"],
        wheels_bytes=17_000_000,
        with_extensions=3,
        python="3.13.0",
    )
    return bench.timed().started()
