from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyassay as pa
import pytest
from corpus.portability_tables import Evidence as Rows
from pyassay.articles.portability import PortabilityArticle
from pyassay.evidence import SCHEMA_VERSION, Evidence, EvidenceError, Manifest
from pyassay.gathering import gather
from pyassay.probes import UnknownQuestionError
from pyassay.subjects.model import Interpreter
from pyassay.tables import Shown
from pyassay.theme import MIME, render
from pyassay.verdicts.policy import Policy, PolicyError

SHOWN = (
    "verdict",
    "provenance",
    "floors",
    "why",
    "refusals",
    "releases",
    "libraries",
    "lowering",
    "not_observed",
    "references",
)
CHARTS = ("floor_chart", "year_chart", "family_chart")


@pytest.fixture(scope="module")
def real(running_interpreter: Interpreter) -> PortabilityArticle:
    return PortabilityArticle(gather("portability", [running_interpreter]), Policy.load())


def of(rows: Rows) -> PortabilityArticle:
    manifest = Manifest(SCHEMA_VERSION, "2026-11-21T12:00:00+00:00", ("portability",), {}, {})
    return PortabilityArticle(Evidence(manifest, rows.tables()), Policy.load())


@pytest.mark.parametrize("name", SHOWN)
def test_every_part_shows_something_of_a_real_interpreter(real: PortabilityArticle, name: str) -> None:
    shown = getattr(real, name)()
    assert isinstance(shown, Shown)
    assert shown.text
    if name not in ("refusals", "not_observed", "references"):
        assert "running" in shown.text


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_drawn_and_states_its_finding(real: PortabilityArticle, name: str) -> None:
    bundle, metadata = render(getattr(real, name)().to_dict())
    assert metadata["pyassay"]["caption"]
    assert "running" in str(bundle[MIME]["datasets"])
    assert "<path" in bundle["image/svg+xml"]


@pytest.mark.parametrize("name", SHOWN + CHARTS)
@pytest.mark.parametrize("subjects", [0, 1])
def test_no_part_fails_on_nothing(name: str, subjects: int) -> None:
    rows = Rows()
    for number in range(subjects):
        rows.subject(f"s{number}", error="it hung")
    getattr(of(rows), name)()


def test_charts_say_what_they_prove() -> None:
    rows = Rows().subject("old").subject("new")
    for subject, floor in (("old", "2.17"), ("new", "2.35")):
        rows.file("bin/python3", [f"GLIBC_{floor}"], subject_id=subject)
        rows.add("floors", subject_id=subject, scope="own", family="GLIBC", hard=floor)
    article = of(rows)
    captions = [render(getattr(article, name)().to_dict())[1]["pyassay"]["caption"] for name in CHARTS]
    assert captions[0] == "What these Pythons require lies between glibc 2.17 (2012) and glibc 2.35 (2022)"
    assert captions[1] == "old runs on every glibc release since 2014, new only on those since 2024"
    assert captions[2].startswith("old reaches furthest: ")


def test_the_result_is_for_machines(real: PortabilityArticle) -> None:
    result = real.result()
    (subject,) = result["subjects"].values()
    assert result["question"] == "portability"
    assert subject["level"] in {"good", "caution", "unknown", "bad"}
    assert subject["glibc_floor"].startswith("2.")
    assert subject["releases_that_run"] > 0


def test_names_from_a_subject_do_no_harm() -> None:
    nasty = "<script>alert(1)</script>\x1b[31m"
    rows = Rows().subject("x", label=nasty, provenance=nasty, executable=nasty)
    rows.file(nasty, ["GLIBC_2.17"], subject_id="x")
    rows.add("skipped", subject_id="x", question="portability", file=nasty, reason=nasty)
    article = of(rows)
    for name in SHOWN:
        shown = getattr(article, name)()
        assert "<script" not in shown.html
        assert "\x1b" not in shown.html + shown.text


def test_an_article_opens_from_a_recorded_set(real: PortabilityArticle, tmp_path: Path) -> None:
    folder = real.evidence.save(tmp_path / "set")
    again = pa.article("portability", evidence=folder)
    assert again.verdict() == real.verdict()
    assert again.result() == real.result()


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownQuestionError, match="astrology"):
        pa.article("astrology", evidence=tmp_path)
    with pytest.raises(EvidenceError, match="no evidence set"):
        pa.article("portability", evidence=tmp_path / "none")
    with pytest.raises(PolicyError, match="strict"):
        pa.article("portability", evidence=tmp_path, policy="strict")


def test_a_label_twice_is_still_two_subjects(running_interpreter: Interpreter) -> None:
    evidence = gather(
        "portability", [running_interpreter, replace(running_interpreter, id="b", label="other")]
    )
    article = PortabilityArticle(evidence, Policy.load())
    assert article.releases().text.count("\n") > 5
    assert len(article.verdicts) == 2


def test_what_is_not_known_is_not_among_the_refusals() -> None:
    rows = Rows().subject("new", kind="interpreter").subject("hung", kind="interpreter", error="it hung")
    rows.file("bin/python3", ["GLIBC_2.35"], subject_id="new")
    rows.file("bin/python3", ["GLIBC_2.2.5"], subject_id="hung")
    article = of(rows)
    assert set(article.matrix.loc[article.matrix["subject_id"] == "hung", "prediction"]) == {"unknown"}
    caption, *lines = article.refusals().text.splitlines()
    assert caption.startswith("The glibc releases in regular support that refuse")
    assert caption.endswith("Not listed is where it is not known: hung.")
    assert any("RHEL 9" in line for line in lines)
    assert not any("unknown" in line or "hung" in line or "Alpine" in line for line in lines)
    values = render(article.family_chart().to_dict())[0][MIME]["datasets"]
    cells = [cell for data in values.values() for cell in data if cell.get("label") == "hung"]
    assert {cell["oldest"] for cell in cells} == {"?"}
