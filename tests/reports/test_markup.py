"""Only what is allowed comes out, whatever goes in."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyassay.reports.markup import Outline, harmless, visible

EVIL = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//x></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    '<img src="https://example.org/x.png" alt="seen">',
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<math><mi//xlink:href='data:x,<script>alert(4)</script>'>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href=' java\nscript:alert(1)'>x</a>",
    "<a href='data:text/html,x'>x</a>",
    "<a href='//example.org'>x</a>",
    "<a href='../../etc/passwd'>x</a>",
    "<p style='background:url(//x)' onclick=alert(1) id=main>x</p>",
    "<iframe src=//x></iframe><object data=x></object><embed src=x>",
    "<form action=//x><input autofocus onfocus=alert(1)><button formaction=javascript:a()>x</button></form>",
    "<base href=//x><meta http-equiv=refresh content=0><link rel=stylesheet href=//x>",
    "<style>*{display:none}</style><template><script>a</script></template>",
    "<textarea></textarea><script>a</script>",
    "<title></title><img src=x onerror=a>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<p title='\"><script>a()</script>'>x</p>",
    "<noscript><p title='</noscript><img src=x onerror=a>'></noscript>",
    "</main></body><h1>x</h1>",
    "\x00<scr\x00ipt>a</scr\x00ipt>",
]

ALLOWED_SCHEMES = ("http://", "https://", "mailto:", "#")


class _Reader(HTMLParser):
    """Collects what a parser sees in the output."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def _check(html: str) -> None:
    result = harmless(html, Outline())
    reader = _Reader()
    reader.feed(result)
    for tag, attributes in reader.tags:
        assert tag not in {
            "script", "style", "svg", "iframe", "object", "embed", "form", "input", "base", "meta",
            "link", "button",
        }  # fmt: skip
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in {"style", "srcdoc", "srcset", "action", "formaction", "background", "name"}
            if name == "src":
                assert (value or "").startswith("data:image/")
            if name == "href":
                assert (value or "").startswith(ALLOWED_SCHEMES) or ":" not in (value or "").partition("#")[0]
                assert not (value or "").startswith(("/", ".."))
    assert "\x00" not in result
    assert "\u202e" not in result


@pytest.mark.parametrize("html", EVIL)
def test_known_attacks(html: str) -> None:
    _check(html)


PIECES = ["<p", ">", "<", "'", '"', "</", "<!--", "-->", "<h2>", "</h2>", "<td>", "&lt;"]
FRAGMENTS = st.lists(
    st.sampled_from(
        [*EVIL, "<p", ">", "<", "'", '"', "</", "<!--", "-->", "<h2>", "</h2>", "<td>", "&lt;", "&#60;"]
    )
    | st.text(max_size=8),
    max_size=12,
).map("".join)


@given(FRAGMENTS)
def test_mangled_attacks(html: str) -> None:
    _check(html)


@given(FRAGMENTS)
def test_twice_is_as_once(html: str) -> None:
    """What came out goes through unchanged, but for headings, which get their links again."""
    if "<h" not in html.lower():
        once = harmless(html, Outline())
        assert harmless(once, Outline()) == once


def test_what_is_allowed_comes_through() -> None:
    html = (
        '<div class="pa-table" role="region" tabindex="0" aria-label="A &lt;b&gt;"><table>'
        '<caption>c</caption><thead><tr><th scope="col" class=n>n</th></tr></thead>'
        "<tbody><tr><td class=n>1 &amp; 2</td></tr></tbody>"
        '</table></div><p><a href="https://example.org/?a=1&amp;b=2">x</a> <code>y</code></p>'
        '<ul><li id="verdict-portability-x">z</li></ul><details open><summary>s</summary></details>'
    )
    assert harmless(html, Outline()) == (
        '<div class=pa-table role=region tabindex=0 aria-label="A &lt;b&gt;"><table><caption>c</caption>'
        "<thead><tr><th scope=col class=n>n</thead><tbody><tr><td class=n>1 &amp; 2</tbody>"
        '</table></div><p><a href="https://example.org/?a=1&amp;b=2" rel="noreferrer noopener">x</a> '
        "<code>y</code></p>"
        '<ul><li id=verdict-portability-x>z</li></ul><details open=""><summary>s</summary></details>'
    )


def test_headings_make_the_outline() -> None:
    outline = Outline(taken={"main"})
    first = harmless("<h1>The <em>title</em></h1><h2>Main</h2><h3>A &amp; B</h3>", outline)
    second = harmless(
        "<h1>Another</h1><h2>Main <a class=anchor-link href=#x>¶</a></h2><h4>deep</h4>", outline
    )
    assert outline.title == "The title"
    assert [(h.level, h.anchor, h.text) for h in outline.headings] == [
        (2, "main-2", "Main"),
        (3, "a-b", "A & B"),
        (2, "another", "Another"),
        (2, "main-3", "Main"),
    ]
    assert "h1" not in first + second
    assert (
        '<h2 id="main-2">Main <a class="pa-anchor" href="#main-2" aria-label="Link to: Main">#</a></h2>'
        in first
    )
    assert "¶" not in second


def test_a_heading_without_words_is_none() -> None:
    outline = Outline()
    assert harmless("<h2><script>x</script></h2><h1> </h1><p>y</p>", outline) == "<p>y</p>"
    assert (outline.title, outline.headings) == ("", [])


def test_ids_are_never_given_twice() -> None:
    outline = Outline()
    html = "<p id=verdict-a>1</p>"
    assert harmless(html, outline) + harmless(html, outline) == "<p id=verdict-a>1</p><p id=verdict-a-2>1</p>"


def test_control_characters_become_visible() -> None:
    assert visible("a\tb\n\x1b[2J\u202e\x07") == "a\tb\n\\x1b[2J\\u202e\\x07"
