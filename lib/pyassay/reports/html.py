"""Write pages: one self-contained file each, no request to anywhere, the same bytes for the same content."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from pyassay.reports.canonical import canonical
from pyassay.reports.markup import Outline, harmless, visible
from pyassay.reports.rendering import Figure, figure
from pyassay.tables import LEVEL_SIGNS, shown_text
from pyassay.theme import NEUTRALS
from pyassay.verdicts.model import Level

if TYPE_CHECKING:
    import jinja2
    import pandas as pd
    from nbformat import NotebookNode

    from pyassay.reference import ReferenceTable
    from pyassay.reports.execution import ExecutedNotebook

__all__ = ["Asset", "Download", "Provenance", "article", "csv_gz", "page", "write"]

_TEMPLATE = Path(__file__).parent / "template"
_HIDDEN = frozenset({"parameters", "injected-parameters", "setup", "hide"})
_SHOWN_AT_THE_END = frozenset({"parameters", "setup"})
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_FORMULA = re.compile(r"^(?=[=+@\t\r]|-(?![\d.]))")
_MAX_STREAM = 20_000


@dataclass(frozen=True, slots=True)
class Download:
    """A table of data that a page offers: inside the page as a ``data:`` address, or a file beside it."""

    name: str
    href: str
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Asset:
    """A script beside the page, named by its content.

    The name takes the place of an integrity attribute, which browsers refuse for files without a server.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the content of a page comes from.

    Attributes
    ----------
    facts : sequence of (str, str)
        Shown as a list, in this order.
    recorded_at : str
        ISO 8601.
    references : sequence of ReferenceTable
        Shown with their dates, as of ``recorded_at``.
    downloads : sequence of Download
        The evidence.
    """

    recorded_at: str
    facts: Sequence[tuple[str, str]] = ()
    references: Sequence[ReferenceTable] = ()
    downloads: Sequence[Download] = ()


@dataclass(slots=True)
class _Block:
    """What a template shows in one place: ``kind`` is html, figure, stream, error or code."""

    kind: str
    content: Markup | str | Figure
    failed: bool = False
    open: bool = field(default=False)


def article(
    executed: ExecutedNotebook,
    provenance: Provenance,
    *,
    question: str,
    asset: Asset | None = None,
) -> str:
    """Return the page of an executed notebook, complete or not.

    Parameters
    ----------
    executed : ExecutedNotebook
        What stands in it; one that did not end well becomes a page that says so at its top.
    provenance : Provenance
        For the end of the page.
    question : str
        What the article answers.
    asset : Asset, optional
        The script that makes charts interactive; without it, the page has no script for charts.
    """
    outline = Outline(taken={"main", "provenance", "contents"})
    nb = canonical(executed.nb)
    blocks = _blocks(nb, executed.cell, outline)
    opening = [cell.source for cell in nb.cells if set(cell.metadata.get("tags", ())) & _SHOWN_AT_THE_END]
    stale = [table.name for table in provenance.references if table.stale(_day(provenance.recorded_at))]
    return page(
        "article.html.j2",
        title=outline.title or executed.name,
        question=question,
        outline=outline.headings,
        blocks=blocks,
        opening=_highlighted("\n\n".join(opening)),
        failure=executed.message,
        traceback=visible(executed.traceback),
        provenance=provenance,
        on=_day(provenance.recorded_at),
        stale=stale,
        asset=asset,
        scripts=[_script("interactive.js")] if asset else [],
    )


def page(template: str, *, asset: Asset | None = None, scripts: Sequence[str] = (), **content: Any) -> str:
    """Return a page from a template, with a policy that allows its own style and scripts and nothing else."""
    style, sorting = _style(), _script("tables.js")
    inline = [sorting, *scripts]
    sources = [_hash(script) for script in inline] + (["'self'"] if asset else [])
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {' '.join(sources)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return (
        _environment()
        .get_template(template)
        .render(
            policy=Markup(policy),  # noqa: S704 - made of hashes
            style=Markup(style),  # noqa: S704 - our own file
            inline=[Markup(script) for script in inline],  # noqa: S704 - our own files
            asset=asset,
            **content,
        )
    )


def csv_gz(frame: pd.DataFrame) -> bytes:
    """Return a table as gzipped CSV; equal tables give equal bytes.

    Lists are JSON. Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    plain = frame.copy()
    for column in plain.columns:
        values = plain[column]
        if values.dtype == object or str(values.dtype).startswith("str"):
            plain[column] = values.map(_csv_cell)
    text = plain.to_csv(index=False, lineterminator="\n")
    packed = gzip.compress(text.encode("utf-8", "backslashreplace"), compresslevel=6, mtime=0)
    # Byte 9 names the system that packed it, in one way up to Python 3.12 and in another from 3.13 on.
    return packed[:9] + b"\xff" + packed[10:]


def data_href(content: bytes) -> str:
    """Return an address that holds the content itself."""
    return "data:application/gzip;base64," + base64.b64encode(content).decode("ascii")


def write(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all: whoever reads it sees the old or the new content."""
    raw = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes it private; a report is for others, as far as the user's umask lets them.
        umask = os.umask(0)
        os.umask(umask)
        Path(scratch).chmod(0o666 & ~umask)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def asset_of(script: str, prefix: str) -> tuple[Asset, bytes]:
    """Return a script as a file named by its content."""
    raw = script.encode()
    return Asset(f"{prefix}-{hashlib.sha256(raw).hexdigest()[:12]}.js"), raw


def _blocks(nb: NotebookNode, failed: int | None, outline: Outline) -> list[_Block]:
    blocks: list[_Block] = []
    figures = 0
    for index, cell in enumerate(nb.cells):
        tags = set(cell.metadata.get("tags", ()))
        if cell.cell_type == "markdown":
            blocks.append(_Block("html", _markdown(cell.source, outline)))
        if cell.cell_type != "code" or (tags & _HIDDEN and index != failed):
            continue
        for output in cell.outputs:
            block = _output(output, figures + 1, outline)
            if "result" in tags and block.kind == "stream":
                block.kind = "result"
            figures += isinstance(block.content, Figure)
            blocks.append(block)
        if cell.source.strip():
            blocks.append(_Block("code", _highlighted(cell.source), open="show" in tags))
    return blocks


def _output(output: NotebookNode, number: int, outline: Outline) -> _Block:
    if output.output_type == "stream":
        text = visible(_ANSI.sub("", output.text))
        return _Block("stream", _shortened(text), failed=output.name == "stderr")
    if output.output_type == "error":
        lines = [line for text in output.traceback for line in text.split("\n")]
        return _Block("error", visible(_ANSI.sub("", "\n".join(lines))), failed=True)
    data: Mapping[str, Any] = output.data
    block = None
    if "image/svg+xml" in data:
        try:
            block = _Block("figure", figure(data, output.metadata, number))
        except ValueError as error:
            block = _Block("stream", f"a chart that cannot be shown: {error}", failed=True)
    elif "text/html" in data:
        block = _Block("html", Markup(harmless(data["text/html"], outline)))  # noqa: S704 - that is its purpose
    elif "text/markdown" in data:
        block = _Block("html", _markdown(data["text/markdown"], outline))
    elif "image/png" in data:
        image = f'<img alt="Figure" src="data:image/png;base64,{data["image/png"]}">'
        block = _Block("html", Markup(harmless(image, outline)))  # noqa: S704
    return block or _Block("stream", _shortened(visible(str(data.get("text/plain", "")))))


def _markdown(source: str, outline: Outline) -> Markup:
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    return Markup(harmless(markdown2html_mistune(source), outline))  # noqa: S704 - that is its purpose


def _highlighted(source: str) -> Markup:
    from pygments import highlight  # type: ignore[import-untyped,unused-ignore]
    from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped,unused-ignore]
    from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped,unused-ignore]

    return Markup(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)))  # noqa: S704 - it escapes


def _shortened(text: str) -> str:
    if len(text) <= _MAX_STREAM:
        return text
    return f"{text[:_MAX_STREAM]}\n… {len(text) - _MAX_STREAM:,} more characters"


def _csv_cell(value: Any) -> Any:
    if hasattr(value, "tolist") and not isinstance(value, str):
        value = value.tolist()
    if isinstance(value, (list, tuple, dict)):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return _FORMULA.sub("'", value) if isinstance(value, str) else value


def _day(recorded_at: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(recorded_at).date()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


@cache
def _script(name: str) -> str:
    """Return a script of the template without comments and indentation, the colours filled in."""
    text = (_TEMPLATE / name).read_text(encoding="utf-8")
    text = text.replace(
        "NEUTRALS", json.dumps({colour: f"var(--{name})" for colour, name in NEUTRALS.items()})
    )
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


@cache
def _style() -> str:
    text = (_TEMPLATE / "style.css").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*([{};,>])\s*", r"\1", re.sub(r"\s+", " ", text))
    return text.replace(";}", "}").replace(": ", ":").strip()


def _finalized(value: Any) -> Any:
    """Make what a template prints harmless to terminals and eyes, too; escaping follows."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown_text
    environment.globals["signs"] = {str(level): sign for level, sign in LEVEL_SIGNS.items()}
    environment.globals["levels"] = [str(level) for level in Level]
    return environment
