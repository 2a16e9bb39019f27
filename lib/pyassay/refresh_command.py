"""The command ``pyassay refresh``: reference tables brought up to date from public services."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from pyassay.terminal import json_document, progress_bar, table, tell, write

__all__ = ["refresh"]

_KEPT, _USAGE = 3, 2


def refresh(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Tables or sources (none: all).", show_default=False),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="No network: only what is on this machine (uv's own list).")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the differences, write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring the reference tables up to date from public services.

    Each source apart: one that fails leaves its tables as they are, and exit code 3.
    """
    from pyassay.refresh import fetch_https
    from pyassay.refresh import refresh as refresh_tables

    with progress_bar("Asking"):
        try:
            outcomes = refresh_tables(
                names or (),
                on=datetime.now(UTC).date(),
                dry_run=dry_run,
                fetch=None if offline else fetch_https,
            )
        except ValueError as error:
            tell(f"pyassay: {error}")
            raise typer.Exit(_USAGE) from error
    if as_json:
        write(json_document(outcomes=outcomes))
    else:
        rows = [
            (
                one.name,
                one.source,
                one.status,
                one.as_of,
                str(len(one.added)),
                str(len(one.changed)),
                one.reason,
            )
            for one in outcomes
        ]
        write(table(("TABLE", "SOURCE", "STATUS", "AS OF", "ADDED", "CHANGED", "REASON"), rows))
        for one in outcomes:
            for difference in (*one.added, *one.changed):
                write(f"{one.name}: {difference}\n")
    if any(one.status == "kept" and not (offline and "network" in one.reason) for one in outcomes):
        raise typer.Exit(_KEPT)
