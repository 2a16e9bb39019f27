"""The house style of charts: theme, colours, and the renderer that makes static SVG of them.

A chart shown in a notebook becomes three things: SVG (drawn here, so it shows without a network and
without scripts), its Vega-Lite specification as JSON (its data, and the source of an interactive chart), and
one line of text. Equal charts give equal bytes.
"""

from __future__ import annotations

import copy
import json
import math
import os
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from pyassay.subjects.display import display_text

if TYPE_CHECKING:
    import pandas as pd

    from pyassay.tables import Shown

__all__ = [
    "INK",
    "LEVEL_COLOURS",
    "LINE",
    "MIME",
    "NEUTRALS",
    "SERIES",
    "SOFT",
    "SURFACE",
    "config",
    "enable",
    "render",
    "slim",
]

MIME = "application/vnd.vegalite.v6+json"
"""Where the specification goes in an output; nbformat takes JSON only under a name that ends in +json."""

VEGA_LITE_VERSION = "6.4"
"""Version that draws; a test compares it with the schema that the installed Altair writes."""

INK, SOFT, LINE, SURFACE = "#1c2128", "#57606b", "#d8dee5", "#fdfdfc"
NEUTRALS: Mapping[str, str] = {INK: "ink", SOFT: "soft", LINE: "line", SURFACE: "surface"}
"""Colour to name: a page replaces each by its own variable, which differs in light and in dark."""

LEVEL_COLOURS: Mapping[str, str] = {
    "good": "#1a7f4e",
    "caution": "#946200",
    "bad": "#b8382a",
    "unknown": "#667080",
}
"""Fill of each level: AA under white text, and 3:1 against the page in light and in dark."""

SERIES = ("#2f6fb0", "#b85c1a", "#1f8578", "#8159b8", "#b0447a", "#6b7d1f")
"""Colours of series, told apart without red and green; 3:1 against the page in light and in dark."""

# These have the same widths, so what is measured here fits in the reader's browser.
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"

_TAGS = frozenset({
    "svg", "g", "path", "rect", "line", "text", "tspan", "circle", "ellipse", "polygon", "polyline", "defs",
    "clipPath", "linearGradient", "radialGradient", "stop", "image",
})  # fmt: skip
_ATTRIBUTES = frozenset({
    "class", "clip-path", "cx", "cy", "d", "dx", "dy", "fill", "fill-opacity", "font-family", "font-size",
    "font-style", "font-weight", "fx", "fy", "gradientUnits", "height", "href", "id", "offset", "opacity",
    "points", "r", "rx", "ry", "stop-color", "stop-opacity", "stroke", "stroke-dasharray",
    "stroke-dashoffset", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-opacity",
    "stroke-width", "text-anchor", "transform", "viewBox", "width", "x", "x1", "x2", "y", "y1", "y2",
})  # fmt: skip
_HEADING_PX = 14
_SVG = "{http://www.w3.org/2000/svg}"
_NUMBER = re.compile(r"-?\d*\.\d{3,}(?:e-?\d+)?")
_N = r"-?[\d.]+"
# As Vega draws it, clockwise from the upper left: four sides, four corners of the same radius.
_ROUNDED = re.compile(
    rf"M(?P<left>{_N}),(?P<top>{_N})L(?P<right>{_N}),(?P=top)"
    rf"C{_N},(?P=top),(?P<end>{_N}),{_N},(?P=end),(?P<corner>{_N})L(?P=end),(?P<low>{_N})"
    rf"C(?P=end),{_N},{_N},(?P<bottom>{_N}),(?P=right),(?P=bottom)L(?P=left),(?P=bottom)"
    rf"C{_N},(?P=bottom),(?P<start>{_N}),{_N},(?P=start),(?P=low)L(?P=start),(?P=corner)"
    rf"C(?P=start),{_N},{_N},(?P=top),(?P=left),(?P=top)Z"
)
_TRANSLATE = re.compile(rf"translate\(({_N}),({_N})\)")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_NEEDLESS = {"opacity": "1", "stroke-miterlimit": "10"}
_INHERITED = ("font-family", "font-size", "font-weight", "fill", "text-anchor", "stroke", "stroke-width")


def config() -> dict[str, Any]:
    """Return the Vega-Lite configuration of the house."""
    return {
        "background": "transparent",
        "font": _FONT,
        "padding": 4,
        "view": {"stroke": None},
        "title": {
            "color": INK, "anchor": "start", "frame": "group", "fontSize": 14, "fontWeight": 600,
            "offset": 12,
        },
        "axis": {
            "labelColor": INK, "titleColor": SOFT, "gridColor": LINE, "domainColor": SOFT, "tickColor": SOFT,
            "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 260,
        },
        "axisBand": {"domain": False, "ticks": False, "grid": False, "labelPadding": 6},
        "header": {"labelColor": INK, "titleColor": SOFT, "labelFontSize": 12, "titleFontWeight": "normal"},
        "legend": {
            "labelColor": INK, "titleColor": SOFT, "labelFontSize": 12, "titleFontSize": 12,
            "titleFontWeight": "normal", "symbolStrokeColor": SOFT,
        },
        "range": {"category": list(SERIES)},
        "mark": {"color": SERIES[0]},
        "rule": {"color": SOFT},
        "text": {"color": INK, "fontSize": 12},
        "rect": {"stroke": SURFACE},
    }  # fmt: skip


def enable() -> None:
    """Show every chart and every DataFrame of this process in the house style; may be called twice."""
    import altair as alt

    alt.theme.register("pyassay", enable=True)(lambda: alt.theme.ThemeConfig(config=config()))  # type: ignore[typeddict-item,unused-ignore]
    alt.renderers.register("pyassay", render)
    alt.renderers.enable("pyassay")
    alt.data_transformers.disable_max_rows()
    _format_frames()


def render(spec: Mapping[str, Any], **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a chart as a MIME bundle and the metadata of it.

    The metadata hold ``caption`` (the title), ``alt`` (the description) and ``box``: the part of the SVG
    below its title, because a page sets the title as text, which wraps and can be selected.
    With ``PYASSAY_DRAW=0`` in the environment nothing is drawn: whoever compares charts compares their data.
    """
    prepared = _prepared(spec)
    caption = _title(prepared)
    alt = str(prepared.get("description") or caption or "chart")
    bundle: dict[str, Any] = {MIME: prepared, "text/plain": f"<chart: {display_text(alt)}>"}
    if os.environ.get("PYASSAY_DRAW") == "0":
        return bundle, {}
    import vl_convert

    # Drawn without the title, which would cost a wide margin when it is longer than the chart is wide.
    untitled = {key: value for key, value in prepared.items() if key != "title"}
    svg = vl_convert.vegalite_to_svg(untitled, vl_version=VEGA_LITE_VERSION, allowed_base_urls=[])
    metadata: dict[str, Any] = {"pyassay": {"caption": caption, "alt": alt, "box": [0, 0, *_size(svg)]}}
    drawing = _headed(slim(svg, title=caption or alt, description=alt), caption)
    return {"image/svg+xml": drawing, **bundle}, metadata


def _headed(svg: str, heading: str) -> str:
    """Return a drawing with a heading above it, for readers of the notebook."""
    if not heading:
        return svg
    width, height = _size(svg)
    lines = textwrap.wrap(heading, max(int(width / (_HEADING_PX * 0.52)), 20))
    room = len(lines) * (_HEADING_PX + 4) + 10
    words = "".join(
        f'<text x="4" y="{-room + (number + 1) * (_HEADING_PX + 4)}">{_text(line)}</text>'
        for number, line in enumerate(lines)
    )
    style = f'font-family="{_FONT}" font-size="{_HEADING_PX}" font-weight="600" fill="{INK}"'
    head = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    taller = f'width="{width:g}" height="{height + room:g}" viewBox="0 {-room} {width:g} {height + room:g}"'
    svg = svg.replace(head, taller, 1)
    return f'{svg.removesuffix("</svg>")}<g class="role-title" {style}>{words}</g></svg>'


def slim(svg: str, *, title: str = "", description: str = "", prefix: str = "c") -> str:
    """Return the same drawing in fewer bytes, with nothing in it but shapes and text.

    Tags and attributes that no chart needs (scripts, links, handlers, roles of marks) are dropped, numbers
    are rounded to a hundredth of a pixel, ids are numbered in the order in which they stand, and text that is
    not printable is made visible. The drawing as a whole gets a role, a title and a description.

    Raises
    ------
    ValueError
        If it is no SVG.
    """
    try:
        if "<!DOCTYPE" in svg or "<!ENTITY" in svg:
            raise ValueError("an SVG with a document type")
        root = ET.fromstring(svg)  # noqa: S314 - no document type, so no entities; drawn by ourselves
    except ET.ParseError as error:
        raise ValueError(f"no SVG: {error}") from error
    if root.tag != f"{_SVG}svg":
        raise ValueError(f"no SVG: {root.tag}")
    for child in list(root):
        if child.tag in {f"{_SVG}title", f"{_SVG}desc"}:
            root.remove(child)
    names: dict[str, str] = {}
    for element in root.iter():
        if "id" in element.attrib:
            names.setdefault(element.attrib["id"], f"{prefix}{len(names) + 1}")
    body = "".join(_serialized(child, names, {}) for child in root)
    width, height = _size(svg)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="{root.get("viewBox", f"0 0 {width:g} {height:g}")}" role="img"'
    )
    label = ""
    if title or description:
        ids = [f"{prefix}-title", *([f"{prefix}-desc"] if description and description != title else [])]
        head += f' aria-labelledby="{" ".join(ids)}"'
        label = f'<title id="{ids[0]}">{_text(title or description)}</title>'
        label += f'<desc id="{ids[1]}">{_text(description)}</desc>' if len(ids) > 1 else ""
    return f'{head} fill="none">{label}{body}</svg>'


def _serialized(element: ET.Element, names: Mapping[str, str], inherited: Mapping[str, str]) -> str:
    tag = str(element.tag).removeprefix(_SVG)
    if tag not in _TAGS or _empty(element, tag):
        return ""
    attributes = {
        key: value for key, value in _attributes(element, tag, names) if inherited.get(key) != value
    }
    passed = {**inherited, **{key: value for key, value in attributes.items() if key in _INHERITED}}
    if tag == "g":
        attributes |= _common(element, passed)
        passed |= {key: value for key, value in attributes.items() if key in _INHERITED}
    inner = "".join(_serialized(child, names, passed) for child in element)
    if tag == "g" and not (inner and attributes):
        return inner
    if tag == "text" and not {"x", "y"} & set(attributes):
        attributes = _placed(attributes)
    if tag == "path" and (rounded := _rectangle(attributes)):
        tag, attributes = "rect", rounded
    words = _text(element.text or "") if tag in {"text", "tspan"} else ""
    tail = _text(element.tail or "") if tag == "tspan" else ""
    listed = "".join(f' {key}="{_quoted(value)}"' for key, value in attributes.items())
    content = words + inner
    return (f"<{tag}{listed}>{content}</{tag}>" if content else f"<{tag}{listed}/>") + tail


def _placed(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return a text's attributes with its place as x and y instead of a transformation."""
    moved = _TRANSLATE.fullmatch(attributes.get("transform", ""))
    if moved is None:
        return dict(attributes)
    rest = {key: value for key, value in attributes.items() if key != "transform"}
    return {"x": moved[1], "y": moved[2]} | rest


def _rectangle(attributes: Mapping[str, str]) -> dict[str, str] | None:
    """Return a path as a rectangle with round corners, if it is one: a third of the bytes."""
    found = _ROUNDED.fullmatch(attributes.get("d", ""))
    if found is None:
        return None
    left, top, right, radius_end, bottom = (
        float(found[n]) for n in ("left", "top", "right", "end", "bottom")
    )
    radius = radius_end - right
    x, width = left - radius, radius_end - left + radius
    numbers = {"x": x, "y": top, "width": width, "height": bottom - top, "rx": radius}
    if radius <= 0 or not math.isclose(float(found["corner"]) - top, radius, abs_tol=0.02):
        return None
    texts = {key: f"{value:.2f}".rstrip("0").rstrip(".") for key, value in numbers.items()}
    return texts | {key: value for key, value in attributes.items() if key != "d"}


def _attributes(element: ET.Element, tag: str, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the attributes that change what is drawn."""
    for name, raw in element.attrib.items():
        key = "href" if name.endswith("}href") else name
        if key not in _ATTRIBUTES or _NEEDLESS.get(key) == raw or raw == "translate(0,0)":
            continue
        value = _REFERENCE.sub(lambda match: f"url(#{names.get(match[1], 'none')})", raw)
        if key == "href":
            if tag == "image" and value.startswith("data:image/png;base64,"):
                yield key, value
        elif key == "id":
            yield key, names[value]
        elif key == "class":
            # The one class that a page looks for.
            if "role-title" in value.split():
                yield key, "role-title"
        else:
            yield key, value if key == "font-family" else _NUMBER.sub(_rounded, value)


def _empty(element: ET.Element, tag: str) -> bool:
    """Return whether an element draws nothing: hidden, a path without extent, or one without any paint."""
    if element.get("display") == "none" or element.get("opacity") == "0":
        return True
    if tag != "path":
        return False
    if element.get("d", "") in {"", "M0,0h0v0h0Z"}:
        return True
    unpainted = element.get("fill") in {None, "none", "transparent"} and element.get("stroke") in {
        None,
        "none",
    }
    return "background" in element.get("class", "").split() and unpainted


def _common(group: ET.Element, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return what all marks of a group say alike, so that the group may say it once."""
    if len(group) < 2 or any(str(child.tag).removeprefix(_SVG) == "g" for child in group):
        return {}
    first = group[0].attrib
    return {
        key: _NUMBER.sub(_rounded, first[key]) if key != "font-family" else first[key]
        for key in _INHERITED
        if key in first
        and not first[key].startswith("url(")
        and inherited.get(key) != first[key]
        and all(child.attrib.get(key) == first[key] for child in group)
    }


def _rounded(match: re.Match[str]) -> str:
    text = f"{float(match[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _prepared(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a specification with safe text, and with numbered data sets of the columns that it uses."""
    prepared: dict[str, Any] = json.loads(json.dumps(copy.deepcopy(dict(spec)), default=str))
    names: dict[str, str] = {
        name: f"data-{number}" for number, name in enumerate(prepared.get("datasets", {}), 1)
    }

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("data"), dict) and node["data"].get("name") in names:
                node["data"]["name"] = names[node["data"]["name"]]
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    datasets = prepared.pop("datasets", {})
    walk(prepared)
    if datasets:
        # A column that the specification never names draws nothing.
        named = json.dumps(prepared)
        prepared["datasets"] = {
            names[name]: [
                {key: _safe(value) for key, value in row.items() if json.dumps(key)[1:-1] in named}
                for row in rows
            ]
            for name, rows in datasets.items()
        }
    for key in ("title", "description"):
        if key in prepared:
            prepared[key] = _safe(prepared[key])
    return prepared


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return display_text(value)
    if isinstance(value, list):
        return [_safe(item) for item in value]
    if isinstance(value, dict):
        return {key: _safe(item) for key, item in value.items()}
    return value


def _title(spec: Mapping[str, Any]) -> str:
    title = spec.get("title", "")
    if isinstance(title, Mapping):
        title = title.get("text", "")
    return " ".join(title) if isinstance(title, list) else str(title)


def _size(svg: str) -> tuple[float, float]:
    head = svg[: svg.index(">")]
    found = dict(re.findall(r'\b(width|height)="([\d.]+)', head))
    return round(float(found.get("width", 0)), 2), round(float(found.get("height", 0)), 2)


def _text(text: str) -> str:
    shown = display_text(text).replace("&", "&amp;")
    return shown.replace("<", "&lt;").replace(">", "&gt;")


def _quoted(text: str) -> str:
    return _text(text).replace('"', "&quot;")


def _format_frames() -> None:
    """Show DataFrames through :func:`pyassay.tables.table`, where IPython displays things."""
    import builtins

    shell = getattr(builtins, "get_ipython", lambda: None)()
    if shell is None:
        return
    import pandas as pd

    for mime, part in (("text/html", "html"), ("text/plain", "text")):
        formatter = shell.display_formatter.formatters[mime]
        write = _frame_html if part == "html" else _frame_text
        formatter.for_type(pd.DataFrame, write)
        formatter.for_type(pd.Series, write)
        # A Styler does not escape what it shows.
        formatter.for_type_by_name("pandas.io.formats.style", "Styler", write)


def _shown(value: Any) -> Shown:
    import pandas as pd

    from pyassay.tables import table

    if isinstance(value, pd.Series):
        frame: pd.DataFrame = value.to_frame()
    else:
        frame = value if isinstance(value, pd.DataFrame) else value.data
    index = frame.index
    plain = isinstance(index, pd.RangeIndex) or (
        index.nlevels == 1 and index.name is None and index.dtype.kind in "iu"
    )
    return table(frame if plain else frame.reset_index(), limit=20)


def _frame_html(value: Any) -> str:
    return _shown(value).html


def _frame_text(value: Any, printer: Any = None, cycle: bool = False) -> str | None:
    text = _shown(value).text
    if printer is None:
        return text
    printer.text(text)
    return None
