"""Rules on installers: which claims hold, where the time goes, what it costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from corpus.installer_tables import NEW, OLD, PIP, SECONDS, Bench, put_to_the_test
from pyassay.probes.installers import catalogue
from pyassay.reference import load
from pyassay.verdicts.installers import COSTS, costs, judge
from pyassay.verdicts.installers_claims import answers, claims, newest
from pyassay.verdicts.installers_speed import (
    SPEED_CLAIMS,
    between,
    digits,
    imports,
    judged_set,
    parts,
    speeds,
)
from pyassay.verdicts.model import Level, Verdict
from pyassay.verdicts.policy import InstallersPolicy, Policy, PolicyError

ON = date(2026, 11, 21)


def judged(bench: Bench, policy: Policy | None = None) -> dict[str, Verdict]:
    return {one.subject_id: one for one in judge(bench.tables(), policy or Policy.load(), ON)}


def held(bench: Bench) -> dict[str, str]:
    found = claims(bench.tables())
    return dict(zip(found["claim"], found["still_true"], strict=True))


def test_a_claim_holds_partly_or_not() -> None:
    found = held(put_to_the_test())
    assert found["confusion_extra_internal"] == "yes"
    # Neither of them answers as is claimed; only one of them does not.
    assert found["confusion_extra_public"] == "no"
    assert found["prerelease_transitive"] == "partly"


def test_the_newest_of_a_family_decides_and_a_change_is_told() -> None:
    rows = claims(put_to_the_test().tables()).set_index("claim")
    assert rows.loc["file_tampered", "still_true"] == "yes"
    assert bool(rows.loc["file_tampered", "changed"]) is True
    assert bool(rows.loc["file_cut", "changed"]) is False
    assert newest(["uv-0.9.30", "uv-0.13.8", "uv-0.13.10", "pip-26.3"], "uv") == "uv-0.13.10"
    assert newest(["pip-26.3"], "uv") == ""


def test_what_was_not_tried_is_not_true_and_not_false() -> None:
    bench = Bench().installer(NEW).answer("netrc", NEW, "not measured", reason="no index")
    rows = claims(bench.tables()).set_index("claim")
    assert rows.loc["netrc", "still_true"] == "not measured"
    assert rows.loc["netrc", "why"] == "no index"
    assert set(rows["still_true"]) == {"not measured"}


def test_an_answer_of_another_catalogue_is_shown_as_it_stands() -> None:
    bench = Bench().installer(NEW).answer("netrc", NEW, "sometimes").answer("unheard_of", NEW, "yes")
    rows = answers(bench.tables())
    assert list(rows["means"]) == ["sometimes"]
    assert rows["as_claimed"].tolist() == [False]


def test_the_lead_is_split_into_compiling_and_the_rest() -> None:
    found = {(one["cache"], one["what"]): one["times"] for one in parts(put_to_the_test().tables())}
    cold, warm = found["cold", "in all"], found["warm", "in all"]
    assert cold.centre == pytest.approx(71.7 / 2.4, rel=0.05)
    assert cold.low < cold.centre < cold.high
    assert cold.blocks == 5
    assert found["cold", "compiling"].centre * found["cold", "the rest"].centre == pytest.approx(
        cold.centre, rel=1e-6
    )
    assert found["warm", "compiling on both sides"].centre == pytest.approx(63.1 / 20.8, rel=0.05)
    assert warm.centre > cold.centre


def test_speed_claims_rest_on_whole_intervals() -> None:
    found = held(put_to_the_test())
    assert found["speed_cold"] == found["speed_warm"] == "yes"
    # Links make it faster, and copying would leave most of the lead.
    assert found["speed_link_mode"] == "partly"
    assert found["speed_latency"] == "not measured"
    slow = {**SECONDS, f"{PIP}, compiled": (9.0, 4.0)}
    assert {held(Bench().timed(slow))[one] for one in ("speed_cold", "speed_warm")} == {"no"}


def test_few_blocks_support_no_statement() -> None:
    bench = put_to_the_test()
    bench.rows["installer_samples"] = [row for row in bench.rows["installer_samples"] if row["block"] < 3]
    assert {held(bench)[one] for one in SPEED_CLAIMS if one != "first_import_pays"} == {"not measured"}
    assert "faster" not in judged(bench)[NEW].headline


def test_the_longest_set_with_enough_blocks_is_judged_by() -> None:
    bench = put_to_the_test().timed({key: (a / 9, b / 9) for key, (a, b) in SECONDS.items()}, name="small")
    assert judged_set(bench.tables(), "cold") == "web"
    bench.rows["installer_samples"] = [
        row for row in bench.rows["installer_samples"] if row["set"] == "small" or row["block"] < 3
    ]
    assert judged_set(bench.tables(), "cold") == "small"
    assert judged_set(Bench().tables(), "cold") == ""


def test_failed_installations_count_for_nothing() -> None:
    bench = put_to_the_test()
    for row in bench.rows["installer_samples"]:
        if row["command_id"] == f"{PIP}, compiled" and row["block"] > 1:
            row["failure"] = "exit status 1"
    samples = bench.tables()["installer_samples"]
    cold = samples[samples["cache"] == "cold"]
    assert between(cold, f"{PIP}, compiled", f"{NEW}, not compiled") is None
    assert between(cold, f"{PIP}, not compiled", f"{NEW}, not compiled") is not None


def test_every_way_is_compared_with_the_newest_uv() -> None:
    rows = speeds(put_to_the_test().tables())
    assert len(rows) == 2 * len(SECONDS)
    assert rows.loc[rows["is_reference"], "command_id"].unique().tolist() == [f"{NEW}, not compiled"]


def test_numbers_have_no_exponent() -> None:
    assert [digits(one) for one in (139.2, 99.6, 2.138, 0.0457, 1234.0)] == [
        "140",
        "100",
        "2.1",
        "0.046",
        "1,200",
    ]
    assert digits(1390.4, 3) == "1,390"


def test_the_first_start_pays() -> None:
    bench = put_to_the_test()
    rows = imports(bench.tables()).set_index("state")
    assert rows.loc["first start, compiles and writes", "ratio"] == pytest.approx(3.1 / 0.9, rel=0.05)
    found = claims(bench.tables()).set_index("claim")
    assert found.loc["first_import_pays", "still_true"] == "yes"
    assert "every start 2.6" in found.loc["first_import_pays", "why"]
    assert len(imports(Bench().tables())) == 0


def test_verdicts_name_speed_and_price() -> None:
    found = judged(put_to_the_test())
    assert found[NEW].level is Level.CAUTION
    assert (
        "faster than pip, 30 times with a cold cache and 110 times with a warm cache" in found[NEW].headline
    )
    assert "does not compile" in found[NEW].headline
    assert "integration cost" in found[NEW].headline
    assert found[OLD].level is Level.BAD
    assert "a wheel that is not what the page says" in found[OLD].headline
    assert found[PIP].level is Level.BAD
    reasons = [reason for reason in found[PIP].reasons if reason.level is Level.BAD]
    assert {reason.where["claim"] for reason in reasons} == {"race_versions", "race_same"}


def test_who_took_no_part_is_unknown() -> None:
    bench = put_to_the_test().installer("uv-0.99")
    bench.add("skipped", subject_id="uv-0.99", question="installers", reason="the registry does not answer")
    verdict = judged(bench)["uv-0.99"]
    assert verdict.level is Level.UNKNOWN
    assert "the registry does not answer" in verdict.headline


def test_a_policy_needs_and_ignores() -> None:
    bench, policy = put_to_the_test(), Policy.load()
    wants = replace(
        policy, installers=InstallersPolicy(("confusion_extra_public=internal",), ("file_tampered",))
    )
    assert judged(bench, wants)[NEW].level is Level.BAD
    rows = costs(bench.tables(), wants)
    assert "file_tampered" not in set(rows["claim"])
    allows = replace(policy, installers=InstallersPolicy(("no_environment=global",)))
    found = costs(bench.tables(), allows).set_index(["claim", "subject_id"])["level"]
    assert found["no_environment", NEW] == "bad"
    assert ("no_environment", PIP) not in found.index


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[installers]\nneeds = ["netrc=usd"]\n', "did you mean netrc=used"),
        ('[installers]\nignore = ["netcr"]\n', "did you mean netrc"),
        ("[installers]\nneed = []\n", "did you mean needs"),
    ],
)
def test_a_policy_that_nobody_can_read_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(PolicyError, match=says):
        Policy.load(tmp_path / "own.toml")


def test_every_cost_is_an_answer_of_the_catalogue() -> None:
    known = catalogue()
    assert all(set(levels) <= set(known[claim].answers) for claim, levels in COSTS.items())
    assert {key for key, claim in known.items() if not claim.answers} == set(SPEED_CLAIMS)


def test_the_field_report_names_claims_of_the_catalogue() -> None:
    named = {key for cell in load("installer_claims").frame["claims"] for key in cell.split()}
    assert named <= set(catalogue())
    assert len(load("installer_claims").frame.query("part == 'caveat'")) == 5
