"""Charts: drawn without network or script, the same bytes every time, nothing in them but shapes and text."""

from __future__ import annotations

import json
import re
import struct
import zlib
from typing import Any
from xml.etree import ElementTree as ET

import altair as alt
import pandas as pd
import pytest
from pyassay import theme

NASTY = '<script>alert(1)</script>\n\x1b[31m\u202e"'


def _chart(names: list[str] | None = None) -> dict[str, Any]:
    frame = pd.DataFrame({"name": names or ["a", "b", "c"], "n": [1.5, 2.25, 1 / 3]})
    chart = alt.Chart(frame, title=f"A finding {NASTY}", description="Bars").mark_bar(
        cornerRadius=3, clip=True
    )
    with alt.theme.enable("default"):
        spec: dict[str, Any] = chart.encode(x="n", y="name", tooltip="name").to_dict()
    return spec | {"config": theme.config()}


def test_the_renderer_draws_the_schema_that_altair_writes() -> None:
    assert alt.SCHEMA_VERSION.removeprefix("v").startswith(f"{theme.VEGA_LITE_VERSION}.")


def test_a_chart_is_svg_and_specification_and_text() -> None:
    bundle, metadata = theme.render(_chart())
    about = metadata["pyassay"]
    assert about["alt"] == "Bars"
    assert about["caption"].startswith("A finding <script>")
    assert bundle["text/plain"] == "<chart: Bars>"
    assert list(bundle[theme.MIME]["datasets"]) == ["data-1"]
    root = ET.fromstring(bundle["image/svg+xml"])
    assert root.get("role") == "img"
    assert (root[0].tag.endswith("title"), root[1].text) == (True, "Bars")


def test_equal_charts_give_equal_bytes_wherever_they_stand() -> None:
    first = theme.render(_chart())
    theme.render(_chart(["x", "y", "z"]))
    assert theme.render(_chart()) == first


def test_nothing_active_comes_through() -> None:
    svg = theme.render(_chart([NASTY, "b", "c"]))[0]["image/svg+xml"]
    for tag in re.findall(r"<([a-zA-Z]+)", svg):
        assert tag in {"svg", "g", "path", "rect", "line", "text", "title", "desc", "defs", "clipPath"}
    assert "href" not in svg
    assert "aria-roledescription" not in svg
    assert svg.isprintable()
    evil = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'width="9" height="9" onload="a()"><script>a()</script>'
        '<a xlink:href="javascript:a()"><text onclick="a()">t</text></a>'
        '<image xlink:href="https://example.org/x.png"/><use href="#x"/><foreignObject><b/></foreignObject>'
        '<rect style="fill:url(https://example.org)" fill="red" width="1.23456" height="1"/></svg>'
    )
    assert theme.slim(evil).endswith('fill="none"><image/><rect fill="red" width="1.23" height="1"/></svg>')


@pytest.mark.parametrize("text", ["", "<svg", "<p>x</p>", '<!DOCTYPE svg [<!ENTITY a "b">]><svg/>', "x" * 99])
def test_what_is_no_svg_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="SVG"):
        theme.slim(text)


def test_the_slim_drawing_looks_the_same() -> None:
    """Drawn by an SVG renderer of its own, slim and original agree in every pixel but for rounding."""
    import vl_convert

    spec = {key: value for key, value in theme._prepared(_chart()).items() if key != "title"}
    original = vl_convert.vegalite_to_svg(spec, vl_version=theme.VEGA_LITE_VERSION)
    slim = theme.slim(original)
    assert len(slim) < 0.6 * len(original)
    before, now = (_pixels(vl_convert.svg_to_png(svg, scale=2)) for svg in (original, slim))
    assert len(before) == len(now) > 10_000
    differences = [abs(a - b) for a, b in zip(before, now, strict=True)]
    assert max(differences) < 48
    assert sum(difference > 8 for difference in differences) < len(before) / 2000


def _pixels(png: bytes) -> bytearray:
    """Return the samples of a PNG with eight bits for each of four channels."""
    assert png.startswith(b"\x89PNG")
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    assert (depth, colour) == (8, 6)
    packed, at = b"", 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        packed += png[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    raw, stride = zlib.decompress(packed), width * 4
    above, result = bytearray(stride), bytearray()
    for row in range(height):
        start = row * (stride + 1)
        method, line = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        for i in range(stride):
            left, up = line[i - 4] if i >= 4 else 0, above[i]
            corner = above[i - 4] if i >= 4 else 0
            line[i] = (line[i] + _predicted(method, left, up, corner)) & 255
        result += line
        above = line
    return result


def _predicted(method: int, left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    nearest = min((abs(guess - value), order, value) for order, value in enumerate((left, up, corner)))[2]
    return (0, left, up, (left + up) // 2, nearest)[method]


def test_frames_show_themselves_escaped_in_a_kernel() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        with shell.builtin_trap:
            theme.enable()
        frame = pd.DataFrame({"a": ["<b>x</b>"]})
        for value in (frame, frame["a"], frame.style):
            data, _ = shell.display_formatter.format(value)
            assert "&lt;b&gt;x" in data["text/html"]
            assert "<b>" not in data["text/html"]
            assert data["text/plain"].splitlines()[0] == "a"
        json.dumps(theme.config())
    finally:
        InteractiveShell.clear_instance()


def test_no_network_is_asked_for_data() -> None:
    spec = {"data": {"url": "http://127.0.0.1:9/x.csv"}, "mark": "bar", "encoding": {"x": {"field": "a"}}}
    with pytest.raises(ValueError, match=r"access denied|not allowed|External data"):
        theme.render(spec)
