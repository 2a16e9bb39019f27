"""Let nothing into a page but harmless markup.

What a notebook displays or says in Markdown may hold names that a subject chose. It is read, and written anew
from a list of what is allowed: whatever is not on the list cannot come out, however the input was mangled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser

from pyassay.subjects.display import display_text

__all__ = ["Heading", "Outline", "harmless", "visible"]

_TAGS = frozenset({
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl", "dt", "em",
    "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "pre", "s",
    "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead",
    "time", "tr", "ul",
})  # fmt: skip
_VOID = frozenset({"br", "hr", "img"})
_DROPPED = frozenset({
    "script", "style", "svg", "math", "iframe", "object", "template", "noscript", "textarea", "title", "head",
    "select", "noembed", "noframes", "xmp", "plaintext",
})  # fmt: skip
_HEADINGS = frozenset({"h2", "h3", "h4", "h5", "h6"})
_MAX_HEADING = 160
# HTML lets these end without an end tag, and a table has thousands of them.
_IMPLIED = frozenset({"td", "th", "tr"})
# Attribute and what it may be.
_PLAIN = {
    "class": re.compile(r"[A-Za-z][\w-]*(?: [A-Za-z][\w-]*)*"),
    "scope": re.compile(r"col|row"),
    "colspan": re.compile(r"\d{1,3}"),
    "rowspan": re.compile(r"\d{1,3}"),
    "tabindex": re.compile(r"0"),
    "role": re.compile(r"region|note"),
    "aria-hidden": re.compile(r"true"),
    "aria-label": re.compile(r".{0,400}", re.DOTALL),
    "title": re.compile(r".{0,400}", re.DOTALL),
    "alt": re.compile(r".{0,400}", re.DOTALL),
    "open": re.compile(r"(?:open)?"),
    "lang": re.compile(r"[A-Za-z-]{1,20}"),
    "dir": re.compile(r"ltr|rtl|auto"),
    "datetime": re.compile(r"[\d:T.+Z-]{1,32}"),
    "id": re.compile(r"(?:verdict|pa)-[a-z0-9.-]{1,120}"),
}
_LINK = re.compile(r"(?:https?://|mailto:|#)[^\s\x00-\x20]*|[A-Za-z0-9_-][\w./-]*(?:#[\w.-]*)?")
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif);base64,[A-Za-z0-9+/=\s]+")
_UNQUOTED = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL = re.compile(r"[^\n\t]+")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the page: level 2 or 3, the id to link to, and its text."""

    level: int
    anchor: str
    text: str


@dataclass(slots=True)
class Outline:
    """What the fragments of one page share: the title, the headings, the ids that are taken."""

    title: str = ""
    headings: list[Heading] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def unique(self, wanted: str) -> str:
        """Return an id that no element of the page has yet, and take it."""
        number, anchor = 1, wanted
        while anchor in self.taken:
            number += 1
            anchor = f"{wanted}-{number}"
        self.taken.add(anchor)
        return anchor


def visible(text: str) -> str:
    """Return text with everything made visible that is not printable; tabs and newlines stay."""
    return _CONTROL.sub(lambda match: display_text(match[0]), text.replace("\u00a0", " "))


def harmless(html: str, outline: Outline) -> str:
    """Return valid markup with only what is allowed; headings get ids and links to themselves."""
    parser = _Rewriter(outline)
    parser.feed(html)
    parser.close()
    return parser.result()


class _Rewriter(HTMLParser):
    def __init__(self, outline: Outline) -> None:
        super().__init__(convert_charrefs=True)
        self._outline = outline
        self._out: list[str] = []
        self._open: list[str] = []
        self._dropping: list[str] = []
        # Where the heading that is open began in the output, and its words so far.
        self._heading: tuple[int, list[str]] | None = None

    def result(self) -> str:
        while self._open:
            self._close(self._open[-1])
        return "".join(self._out)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if self._dropping:
            if tag == self._dropping[-1]:
                self._dropping.append(tag)
            return
        if tag in _DROPPED or (tag == "a" and "anchor-link" in given.get("class", "").split()):
            self._dropping.append(tag)
            return
        if tag == "h1":
            tag = "h2" if self._outline.title else "h1"
        elif tag not in _TAGS:
            return
        if tag in _HEADINGS | {"h1"}:
            if self._heading is not None:
                return
            self._heading = (len(self._out), [])
        elif tag == "img" and not _IMAGE.fullmatch(given.get("src", "")):
            self.handle_data(given.get("alt", ""))
            return
        self._out.append(f"<{tag}{self._attributes(tag, given)}>")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # In HTML a slash at the end of a tag says nothing.
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._dropping:
            if tag == self._dropping[-1]:
                self._dropping.pop()
            return
        if tag == "h1" and "h1" not in self._open:
            tag = "h2"
        if tag in self._open:
            while self._open[-1] != tag:
                self._close(self._open[-1])
            self._close(tag)

    def handle_data(self, data: str) -> None:
        if self._dropping:
            return
        text = visible(data)
        if self._heading is not None:
            self._heading[1].append(text)
        self._out.append(escape(text, quote=False))

    def _close(self, tag: str) -> None:
        self._open.pop()
        if self._heading is not None and tag in _HEADINGS | {"h1"}:
            self._finish_heading(tag)
        elif tag not in _IMPLIED:
            self._out.append(f"</{tag}>")

    def _finish_heading(self, tag: str) -> None:
        assert self._heading is not None  # noqa: S101 - for the type checker; the caller has looked
        start, words = self._heading
        self._heading = None
        text = " ".join("".join(words).split())
        inner = "".join(self._out[start + 1 :])
        del self._out[start:]
        if len(text) > _MAX_HEADING:
            text = f"{text[: _MAX_HEADING - 1]}…"
        if tag == "h1":
            self._outline.title = text
            return
        if not text:
            self._out.append(inner)
            return
        slug = re.sub(r"[^\w]+", "-", text.lower()).strip("-")[:60] or "section"
        anchor = self._outline.unique(slug)
        if tag in {"h2", "h3"}:
            self._outline.headings.append(Heading(int(tag[1]), anchor, text))
        link = f'<a class="pa-anchor" href="#{escape(anchor)}" aria-label="Link to: {escape(text)}">#</a>'
        self._out.append(f'<{tag} id="{escape(anchor)}">{inner} {link}</{tag}>')

    def _attributes(self, tag: str, given: dict[str, str]) -> str:
        parts = []
        for name, value in given.items():
            shown = display_text(value) if name in {"aria-label", "title", "alt"} else value
            if name in _PLAIN and _PLAIN[name].fullmatch(shown):
                if name == "id":
                    shown = self._outline.unique(shown)
                parts.append(
                    f" {name}={shown}" if _UNQUOTED.fullmatch(shown) else f' {name}="{escape(shown)}"'
                )
            elif (tag == "a" and name == "href" and _LINK.fullmatch(value) and ".." not in value) or (
                tag == "img" and name == "src"
            ):
                parts.append(f' {name}="{escape(value)}"')
                if value.startswith("http"):
                    parts.append(' rel="noreferrer noopener"')
        return "".join(parts)
