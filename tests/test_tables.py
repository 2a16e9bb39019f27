"""Tables and verdict boxes: harmless, aligned, deterministic."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from pyassay.tables import MAX_ROWS, badge, shown_text, table, verdict_anchor, verdict_box
from pyassay.verdicts.model import Level, Reason, Verdict

NASTY = "<script>alert(1)</script>\n\x1b[31m\u202e\"'&\x00"


def test_names_are_harmless_in_html_and_in_a_terminal() -> None:
    broken = pd.Series([f"{NASTY}\udcff"], dtype=object)
    frame = pd.DataFrame({NASTY: [NASTY], "list": [[NASTY]], "dict": [{NASTY: NASTY}], "broken": broken})
    shown = table(frame, caption=NASTY, units={NASTY: "<b>"}, code=[NASTY])
    verdicts = [Verdict(NASTY, NASTY, Level.BAD, NASTY, (Reason(Level.BAD, NASTY),))]
    for html, text in ((shown.html, shown.text), (verdict_box(verdicts).html, verdict_box(verdicts).text)):
        assert "<script" not in html
        assert "<b>" not in html
        for character in "\x1b\u202e\x00\udcff":
            assert character not in html + text
        assert "\\x1b[31m\\u202e" in text
        assert all(line.isprintable() for line in text.splitlines())


def test_numbers_align_and_are_written_for_readers() -> None:
    frame = pd.DataFrame(
        {
            "n": [1, 23456, -7],
            "year": [2012, 2024, 2026],
            "s": [0.00123, 12.5, float("nan")],
            "whole": [1.0, 2.0, None],
            "yes": [True, False, True],
            "day": [date(2026, 11, 21), None, date(2012, 1, 2)],
            "many": [["b", "a"], [], ["c"]],
        }
    )
    assert table(frame, units={"s": "s"}).text.splitlines() == [
        "     n  year    s (s)  whole  yes  day         many",
        "     1  2012   0.0012      1  yes  2026-11-21  b, a",
        "23,456  2024  12.5000      2  no   –",
        "    −7  2026        –      –  yes  2012-01-02  c",
    ]
    html = table(frame).html
    assert "<td class=n>23,456</td>" in html
    assert '<th scope="col" class=n>n</th>' in html
    assert '<th scope="col">many</th>' in html


def test_formats_units_and_order() -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "share": [0.25, 0.5]})
    shown = table(
        frame, formats={"share": ".0%", "name": str.upper}, units={"share": "of all"}, sort="-share"
    )
    assert shown.text.splitlines() == [
        "name  share (of all)",
        "B                50%",
        "A                25%",
    ]
    assert frame["name"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    "argument", [{"sort": "x"}, {"badges": ["x"]}, {"units": {"x": "s"}}, {"code": ["x"]}]
)
def test_a_column_that_is_not_there_is_named(argument: dict[str, object]) -> None:
    with pytest.raises(KeyError, match="x: no such column; there are: a"):
        table(pd.DataFrame({"a": [1]}), **argument)  # type: ignore[arg-type]


def test_long_tables_fold_and_say_what_is_left_out() -> None:
    frame = pd.DataFrame({"n": range(MAX_ROWS + 9)})
    shown = table(frame, limit=3)
    assert shown.html.count("<tr>") == 3 + MAX_ROWS + 2
    assert f"The first {MAX_ROWS} of {MAX_ROWS + 9} rows" in shown.html
    assert "9 more rows are in the data" in shown.html
    assert shown.text.splitlines()[-1] == f"... {MAX_ROWS + 6} more of {MAX_ROWS + 9} rows"
    assert len(shown.text.splitlines()) == 5
    whole = table(frame.head(3), limit=3)
    assert "<details" not in whole.html
    assert "no rows" in table(frame.head(0)).text


def test_a_level_is_a_sign_and_a_word() -> None:
    assert {badge(level).text for level in Level} == {"[good]", "[caution]", "[unknown]", "[bad]"}
    assert len({badge(level).html.partition('aria-hidden="true">')[2][0] for level in Level}) == 4
    shown = table(pd.DataFrame({"level": ["good", "odd"]}), badges=["level"])
    assert badge("good").html in shown.html
    assert "<td>odd</td>" in shown.html


def test_verdicts_come_best_first_with_their_reasons() -> None:
    verdicts = [
        Verdict("x", "portability", Level.BAD, "is refused", (Reason(Level.BAD, "why not"),)),
        Verdict("y", "portability", Level.GOOD, "runs"),
    ]
    shown = verdict_box(verdicts, {"x": "3.12.1"})
    assert shown.text.splitlines() == [
        "Verdict: 1 good · 1 bad",
        "[good] y: runs",
        "[bad] 3.12.1: is refused",
        "    [bad] why not",
    ]
    assert f'id="{verdict_anchor("portability", "x")}"' in shown.html
    assert "nothing was judged" in verdict_box([]).text
    assert repr(shown) == shown.text == shown._repr_mimebundle_()["text/plain"]


def test_endless_text_is_cut() -> None:
    assert len(shown_text("a" * 10_000)) <= 300
    assert shown_text("\u00a01") == "\u00a01"
