"""What an artifact writes outside of itself: to the home folder and the temporary folder, and what stays."""

from __future__ import annotations

from typing import Any

from pyassay.places.container import EngineError, Session
from pyassay.places.container_errors import one_line
from pyassay.probes.packaging.candidates import Candidate
from pyassay.probes.packaging.placing import Placed
from pyassay.probes.packaging.scripts import FIRST_AND_SECOND, KILLED, answers, wrapped
from pyassay.probes.packaging.telling import telling_line

__all__ = ["footprint_rows", "unmeasured_footprints"]

_RUN_S = 180.0
_STARTS = ("first", "second")

Row = dict[str, Any]


def footprint_rows(candidate: Candidate, room: Session, there: Placed) -> list[Row]:
    """Start an artifact twice and measure; for what lies there meanwhile, and after SIGKILL, twice again."""

    def told(script: str, arguments: tuple[str, ...]) -> tuple[dict[str, str], str]:
        try:
            done = room.run(
                wrapped(script, [*there.argv, *arguments]),
                timeout_s=_RUN_S,
                extra_environment=there.environment,
            )
        except EngineError as error:
            return {}, one_line(error)
        return answers(done.stdout), telling_line(done.stderr) if done.stderr else ""

    ended, why = told(FIRST_AND_SECOND, candidate.project.check_arguments)
    killed: dict[str, str] = {}
    if candidate.project.speaks:
        killed, more = told(KILLED, ("wait",))
        why = why or more
    rows = []
    for start in _STARTS:
        row = _row(candidate, start)
        row |= {
            "home_bytes": _number(ended, f"{start}_home"),
            "left_bytes": _number(ended, f"{start}_left"),
            "temporary_bytes": _number(killed, f"{start}_running"),
            "left_after_kill_bytes": _number(killed, f"{start}_left"),
        }
        if not candidate.project.speaks:
            row["reason"] = "the project has no command wait: not seen while it runs, nor killed"
        elif None in (row["home_bytes"], row["temporary_bytes"]):
            row["reason"] = why or "it did not say that it is ready"
        rows.append(row)
    return rows


def unmeasured_footprints(candidate: Candidate, why: str) -> list[Row]:
    """Return the rows of an artifact that was not tried."""
    return [_row(candidate, start) | {"reason": why} for start in _STARTS]


def _number(told: dict[str, str], key: str) -> int | None:
    text = told.get(key, "")
    return int(text) if text.isdecimal() else None


def _row(candidate: Candidate, start: str) -> Row:
    return {
        "subject_id": candidate.subject_id,
        "start": start,
        "home_bytes": None,
        "temporary_bytes": None,
        "left_bytes": None,
        "left_after_kill_bytes": None,
        "reason": "",
    }
