"""Bring reference tables up to date from public services, each apart; never a request unless asked.

A source that fails, or that says something a table cannot hold, leaves the table as it is and says so. Rows
are added, empty cells filled and a few cells corrected by the source that decides on them; nothing is taken
away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from pyassay.reference.tables import ReferenceTable, ReferenceTableError, load
from pyassay.refresh.context import Context
from pyassay.refresh.fetching import Fetch, FetchError, fetch_https
from pyassay.refresh.merging import Difference, Fresh, merge, write
from pyassay.refresh.sources import SOURCES, Source
from pyassay.resources import share

__all__ = ["SOURCES", "Fetch", "FetchError", "Outcome", "Source", "fetch_https", "plain_rows", "refresh"]

# A source that contradicts so much of a table is more likely wrong than the table.
_MAX_CHANGED_SHARE = 0.2
_SMALL = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one table at one source.

    Attributes
    ----------
    name, source : str
        Table and source.
    status : str
        ``changed``; ``same``: it was confirmed, or had nothing new; ``kept``: the source failed.
    reason : str
        Why it was kept; empty otherwise.
    added, changed : tuple of str
        The differences, one line each: keys of new rows, and ``key: column old -> new``.
    as_of : str
        Day of the table afterwards (ISO 8601).
    written : bool
        False in a dry run.
    """

    name: str
    source: str
    status: str
    reason: str = ""
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    as_of: str = ""
    written: bool = False


def refresh(
    names: Iterable[str] = (),
    *,
    on: date,
    dry_run: bool = False,
    fetch: Fetch | None = None,
    folder: Path | None = None,
    sources: Sequence[Source] = SOURCES,
) -> list[Outcome]:
    """Ask the sources and bring the tables up to date.

    Parameters
    ----------
    names : iterable of str
        Tables or sources; none: all.
    on : date
        Today; the day that a table bears afterwards, when its source covers everything.
    dry_run : bool
        Find the differences, write nothing.
    fetch : Fetch, optional
        :func:`fetch_https`; None: stay off the network, ask only what is on this machine.
    folder : Path, optional
        Of the tables; those shipped, unless given.
    sources : sequence of Source
        Those known, unless given.

    Returns
    -------
    list of Outcome
        One per source and table, in the order of the sources.

    Raises
    ------
    ValueError
        If a name is neither a table nor a source.
    """
    wanted = set(names)
    known = {source.name for source in sources} | {name for source in sources for name in source.tables}
    if unknown := wanted - known:
        shown = ", ".join(sorted(known))
        raise ValueError(f"{', '.join(sorted(unknown))}: no reference table or source; there are {shown}")
    folder = share("data", "reference") if folder is None else folder
    outcomes: list[Outcome] = []
    for source in sources:
        tables = [name for name in source.tables if not wanted or wanted & {name, source.name}]
        if tables:
            outcomes += _ask(source, tables, folder, fetch, on, dry_run)
    if any(outcome.written for outcome in outcomes):
        load.cache_clear()
    return outcomes


def _ask(
    source: Source, tables: Iterable[str], folder: Path, fetch: Fetch | None, on: date, dry_run: bool
) -> list[Outcome]:
    if source.online and fetch is None:
        reason = "it needs the network, which was not asked for"
        return [Outcome(name, source.name, "kept", reason, as_of=_as_of(folder, name)) for name in tables]
    try:
        gathered = source.gather(Context(folder, fetch or _no_network, on))
    except FetchError as error:
        return [Outcome(name, source.name, "kept", str(error), as_of=_as_of(folder, name)) for name in tables]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        detail = " ".join(str(error).split())[:120]
        reason = f"its answer has another form than is known ({type(error).__name__}: {detail})"
        return [Outcome(name, source.name, "kept", reason, as_of=_as_of(folder, name)) for name in tables]
    except ReferenceTableError as error:
        return [Outcome(name, source.name, "kept", str(error)) for name in tables]
    return [_bring(source, name, gathered[name], folder, on, dry_run) for name in tables if name in gathered]


def _bring(source: Source, name: str, fresh: Fresh, folder: Path, on: date, dry_run: bool) -> Outcome:
    try:
        table = Context(folder, _no_network, on).table(name)
    except ReferenceTableError as error:
        return Outcome(name, source.name, "kept", str(error))
    found = merge(table, fresh)
    if len(found.changed) > max(_SMALL, _MAX_CHANGED_SHARE * len(table.frame)):
        reason = f"the source contradicts {len(found.changed)} cells of the table"
        return Outcome(name, source.name, "kept", reason, as_of=table.as_of.isoformat())
    status = "changed" if found.added or found.changed else "same"
    renewed = _renewed(table, fresh, found, on)
    written = False
    if not dry_run and (status == "changed" or renewed != table.as_of):
        try:
            write(folder, table, found.rows, renewed)
            written = True
        except (ReferenceTableError, OSError) as error:
            reason = " ".join(str(error).split())
            return Outcome(name, source.name, "kept", reason, as_of=table.as_of.isoformat())
    return Outcome(name, source.name, status, "", found.added, found.changed, renewed.isoformat(), written)


def _renewed(table: ReferenceTable, fresh: Fresh, found: Difference, on: date) -> date:
    """Return the day of the table: today if the source covers everything, else that of the newest row."""
    if fresh.complete:
        return max(on, table.as_of)
    past = [column.name for column in table.columns if column.past]
    newest = max((row[name] for row in found.rows for name in past if row[name]), default="")
    try:
        return max(table.as_of, min(on, date.fromisoformat(newest)))
    except ValueError:
        return table.as_of


def _as_of(folder: Path, name: str) -> str:
    try:
        return Context(folder, _no_network, date.min).table(name).as_of.isoformat()
    except ReferenceTableError:
        return ""


def _no_network(url: str, *, max_bytes: int = 0) -> bytes:
    raise FetchError("the network was not asked for")


def plain_rows(outcomes: Iterable[Outcome]) -> list[dict[str, object]]:
    """Return outcomes as rows to print: table, source, status, counts of added and changed, as of, reason."""
    rows = []
    for outcome in outcomes:
        row = asdict(outcome)
        row |= {"added": len(outcome.added), "changed": len(outcome.changed)}
        rows.append(
            {key: row[key] for key in ("name", "source", "status", "added", "changed", "as_of", "reason")}
        )
    return rows
