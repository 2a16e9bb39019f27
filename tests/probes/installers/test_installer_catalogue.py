"""The catalogue of claims, and faulty ones."""

from __future__ import annotations

import pytest
from pyassay.probes.installers import GROUPS, TABLES
from pyassay.probes.installers.catalogue import CatalogueError, _claim, catalogue

GOOD = {
    "title": "t",
    "statement": "s",
    "group": "indexes",
    "source": "here",
    "answers": {"yes": "it is", "no": "it is not"},
    "claimed": {"uv": "yes"},
}


def test_every_claim_names_a_group_and_a_table_that_exist() -> None:
    claims = catalogue().values()
    assert len(claims) > 30
    assert {claim.group for claim in claims} <= set(GROUPS)
    assert {claim.table for claim in claims} <= {table.name for table in TABLES}


def test_statements_are_sentences_and_every_answer_is_explained() -> None:
    for claim in catalogue().values():
        assert claim.statement.endswith("."), claim.key
        assert all(claim.answers.values()), claim.key
        assert set(claim.claimed.values()) <= set(claim.answers) or not claim.answers, claim.key


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"claimed": {"uv": "maybe"}}, "maybe is none of its answers"),
        ({"colour": "red"}, "unknown key colour"),
        ({"source": None}, "source is missing"),
        ({"table": "installer_races"}, "either answers or the table"),
        ({"answers": {}}, "either answers or the table"),
    ],
)
def test_a_faulty_claim_is_named(change: dict[str, object], message: str) -> None:
    section = {key: value for key, value in (GOOD | change).items() if value is not None}
    with pytest.raises(CatalogueError, match=message):
        _claim("some_claim", section, "claims.toml: some_claim")


def test_a_name_has_small_letters() -> None:
    with pytest.raises(CatalogueError, match="not a name"):
        _claim("Some-Claim", GOOD, "claims.toml: Some-Claim")
