"""Put a chart into a page: its drawing follows the page's colours, its title and description become text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from markupsafe import Markup

from pyassay.theme import MIME, NEUTRALS, VEGA_LITE_VERSION, slim

__all__ = ["Figure", "bundle", "figure", "json_in_html"]

_COLOUR = re.compile("|".join(f'"{colour}"' for colour in NEUTRALS))
_TITLE_GROUP = re.compile(r'<g class="role-title"[^>]*>')
_WIDE = 520
# Said once by the style sheet instead of by every group.
_FONT = re.compile(r' font-family="[^"]*"')


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart as a page shows it.

    Attributes
    ----------
    number : int
        Counted through the page.
    svg : Markup
        The drawing without its title.
    caption, alt : str
        The finding; what the drawing shows, if that is more than the finding.
    spec : Markup
        The Vega-Lite specification as JSON that may stand in a script element; empty: there is none.
    wide : bool
        Too wide for a phone: it scrolls there.
    """

    number: int
    svg: Markup
    caption: str
    alt: str
    spec: Markup
    wide: bool


def figure(data: Mapping[str, Any], metadata: Mapping[str, Any], number: int) -> Figure:
    """Return the figure of an output that has ``image/svg+xml``.

    Raises
    ------
    ValueError
        If that is no SVG.
    """
    about: Mapping[str, Any] = metadata.get("pyassay", {})
    caption, alt = str(about.get("caption", "")), str(about.get("alt", ""))
    svg = slim(
        data["image/svg+xml"],
        title=caption or alt or f"Figure {number}",
        description=alt if alt != caption else "",
        prefix=f"pa-f{number}-",
    )
    if box := about.get("box"):
        svg = _cropped(svg, [float(value) for value in box])
    svg = _COLOUR.sub(lambda match: f'"var(--{NEUTRALS[match[0][1:-1]]})"', _FONT.sub("", svg))
    width = float(re.findall(r'width="([\d.]+)"', svg)[0])
    spec = json_in_html(data[MIME]) if MIME in data else Markup("")
    return Figure(number, Markup(svg), caption, alt if alt != caption else "", spec, width > _WIDE)  # noqa: S704


def json_in_html(value: Any) -> Markup:
    """Return compact JSON without any character that could end a script element."""
    text = json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e"))  # noqa: S704


@cache
def bundle() -> str:
    """Return the script that draws charts for the mouse: Vega-Embed and all that it needs."""
    import vl_convert

    # Its type information forgets that the snippet may be left out.
    script = vl_convert.javascript_bundle(vl_version=VEGA_LITE_VERSION)  # type: ignore[call-arg]
    return f"(function(){{{script}}})();\n"


def _cropped(svg: str, box: list[float]) -> str:
    """Return a drawing without its title and without the room that the title took."""
    start = _TITLE_GROUP.search(svg)
    if start is None:
        return svg
    depth, end = 0, start.start()
    for tag in re.finditer(r"<(/?)g\b", svg[start.start() :]):
        depth += -1 if tag[1] else 1
        if depth == 0:
            end = start.start() + tag.end() + 1
            break
    svg = svg[: start.start()] + svg[end:]
    x, y, width, height = (f"{value:g}" for value in box)
    return re.sub(
        r'width="[^"]*" height="[^"]*" viewBox="[^"]*"',
        f'width="{width}" height="{height}" viewBox="{x} {y} {width} {height}"',
        svg,
        count=1,
    )
