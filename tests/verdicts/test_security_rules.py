"""Rules on security: what is open, what a package has fixed, what is not known, and what would close it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from corpus.performance_tables import row
from pyassay.evidence import SKIPPED, SUBJECTS
from pyassay.probes import libraries
from pyassay.probes.package_changelogs import ABSENT, PACKAGE_CHANGELOGS
from pyassay.probes.security import TABLES
from pyassay.verdicts import security as rules
from pyassay.verdicts.closing import what_closes
from pyassay.verdicts.model import Level
from pyassay.verdicts.policy import Policy, PolicyError, SecurityPolicy

ON = date(2026, 11, 21)
LIBRARIES = libraries.BUNDLED_LIBRARIES


def tables(
    *carried: Mapping[str, Any], changelog: list[dict[str, str]] | None = None, **subject: Any
) -> dict[str, pd.DataFrame]:
    about = {"subject_id": "it", "label": "it", "kind": "interpreter", "builder": "pyenv", **subject}
    found = {schema.name: schema.frame([]) for schema in (*TABLES, SKIPPED)}
    found["subjects"] = SUBJECTS.frame([row(SUBJECTS, **about)])
    found[LIBRARIES.name] = LIBRARIES.frame(
        row(
            LIBRARIES,
            **{"subject_id": "it", "linkage": "static", "file": "bin/python3", "agrees": None, **one},
        )
        for one in carried
    )
    found[PACKAGE_CHANGELOGS.name] = PACKAGE_CHANGELOGS.frame(
        row(PACKAGE_CHANGELOGS, **{"subject_id": "it", "distribution": "debian", "release": "12", **one})
        for one in changelog or []
    )
    return found


def packaged(component: str, version: str, package: str, package_version: str) -> dict[str, str]:
    return {
        "library": component,
        "version": version,
        "linkage": "system",
        "package": package,
        "package_version": package_version,
        "package_source": component,
        "package_manager": "dpkg",
    }


def told(package: str, version: str, *fixed: str) -> list[dict[str, str]]:
    about = {"installed": package, "installed_version": version, "package": package}
    rows = [
        {**about, "version": version, "advisory": advisory, "reading": "fixed", "line": f"Fix {advisory}"}
        for advisory in fixed
    ]
    return [*rows, {**about, "version": version, "reading": "complete"}]


def verdict(found: dict[str, pd.DataFrame], **policy: Any) -> Any:
    wanted = replace(Policy.load(), security=SecurityPolicy(**policy))
    (one,) = rules.judge(found, wanted, ON)
    return one


def component(found: dict[str, pd.DataFrame], **policy: Any) -> Any:
    wanted = replace(Policy.load(), security=SecurityPolicy(**policy))
    return rules.components(found, ON, wanted).iloc[0]


def test_a_bundled_library_is_judged_by_its_version() -> None:
    found = tables({"library": "openssl", "version": "3.0.16"})
    one = component(found)
    assert one["overall"] == "open"
    assert one["open"] == one["by_version"] > 0
    assert one["high"] > 0
    judged = verdict(found)
    assert judged.level is Level.BAD
    assert f"OpenSSL 3.0.16 ({one['open']})" in judged.headline


def test_what_its_package_fixed_is_not_open() -> None:
    library = packaged("expat", "2.5.0", "libexpat1", "2.5.0-1+deb12u9")
    plain = component(tables({"library": "expat", "version": "2.5.0"}))
    fixes = ["CVE-2023-52425", "CVE-2024-45490", "CVE-2024-45491", "CVE-2024-45492"]
    patched = component(tables(library, changelog=told("libexpat1", "2.5.0-1+deb12u9", *fixes)))
    assert patched["by_version"] == plain["open"]
    assert patched["backported"] == len(fixes)
    assert patched["open"] == plain["open"] - len(fixes)


def test_a_package_without_a_changelog_is_not_known() -> None:
    library = packaged("expat", "2.5.0", "libexpat1", "2.5.0-1")
    absent = [{"installed": "libexpat1", "installed_version": "2.5.0-1", "reading": ABSENT}]
    one = component(tables(library, changelog=absent))
    assert one["overall"] == "unknown"
    assert one["open"] == 0
    assert verdict(tables(library, changelog=absent)).level is Level.UNKNOWN


def test_two_packages_of_one_source_count_once() -> None:
    both = [
        packaged("cpython", "3.11.2", name, "3.11.2-6+deb12u6")
        for name in ("python3.11-minimal", "libpython3.11")
    ]
    found = tables(*both, changelog=told("python3.11-minimal", "3.11.2-6+deb12u6"), version="3.11.2")
    assert len(rules.components(found, ON, Policy.load())) == 1


def test_an_accepted_advisory_does_not_count() -> None:
    found = tables({"library": "xz", "version": "5.4.1"})
    before = component(found)
    opened = rules.advisories(found, ON, Policy.load())
    accepted = tuple(opened.loc[opened["status"] == "open", "advisory"])
    assert before["open"] == len(accepted) > 0
    after = component(found, accept=accepted)
    assert after["open"] == 0
    assert any("accepted" in note for note in after["notes"])


def test_the_severity_that_is_bad_is_the_policys() -> None:
    found = tables({"library": "openssl", "version": "3.5.7"})
    high = component(found)["high"]
    assert high
    assert verdict(found, bad_severity="critical").level is Level.CAUTION
    assert verdict(found, bad_severity="high").level is Level.BAD


def test_an_ended_branch_is_bad_unless_its_distribution_maintains_it() -> None:
    plain = verdict(tables(version="3.8.18", implementation="cpython"))
    assert plain.level is Level.BAD
    assert "its branch 3.8 has ended" in plain.headline
    assert verdict(tables(version="3.8.18", implementation="cpython"), ended_branch=Level.CAUTION).level in (
        Level.CAUTION,
        Level.UNKNOWN,
    )
    library = packaged("cpython", "3.9.2", "python3.9-minimal", "3.9.2-1+deb11u3")
    found = tables(
        library,
        changelog=told("python3.9-minimal", "3.9.2-1+deb11u3"),
        version="3.9.2",
        implementation="cpython",
        builder="debian",
    )
    texts = [reason.text for reason in verdict(found).reasons if reason.level is Level.GOOD]
    assert any("its distribution does" in text for text in texts)


def test_what_packages_carry_is_a_caution_of_the_environment() -> None:
    found = tables(
        {"library": "openssl", "version": "3.0.16", "scope": "site", "file": "site/cryptography.so"}
    )
    judged = verdict(found)
    assert judged.level is Level.CAUTION
    assert any("in its packages" in reason.text for reason in judged.reasons)


def test_a_library_without_advisories_in_the_tables_is_not_judged() -> None:
    found = tables({"library": "sqlite", "version": "3.40.1"})
    assert rules.components(found, ON, Policy.load()).empty
    assert "none of the components" in verdict(found).headline


def test_a_handshake_that_fails_is_a_reason() -> None:
    from pyassay.probes.security import TLS_CHECKS

    found = tables()
    check = {"subject_id": "it", "quirk": "bad_certificates", "outcome": "measured", "answer": "accepted"}
    found["tls_checks"] = TLS_CHECKS.frame([row(TLS_CHECKS, **check)])
    assert verdict(found).level is Level.BAD


def test_past_the_shelf_life_nothing_is_clean() -> None:
    found = tables({"library": "openssl", "version": "3.5.99"})
    wanted = Policy.load()
    assert set(rules.components(found, date(2030, 1, 1), wanted)["overall"]) == {"unknown"}


CLOSING: dict[str, Any] = {
    "component": "openssl",
    "wanted": "3.0.22",
    "without_fix": 0,
    "package": "",
    "installed": "",
    "candidate": "",
    "builder": "pyenv",
    "installer": "",
    "in_packages": False,
}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Python compiled against it"),
        ({"component": "expat"}, "compile a newer CPython"),
        ({"builder": "python-build-standalone", "installer": "uv"}, "uv python upgrade"),
        ({"builder": "python-build-standalone", "installer": "google-cloud-sdk"}, "whoever bundles it"),
        ({"package": "libssl3", "installed": "1", "candidate": "2"}, "apt upgrade libssl3"),
        ({"package": "libssl3", "installed": "1", "candidate": "1"}, "no newer package"),
        ({"package": "libssl3", "installed": "1"}, "is not known"),
        ({"wanted": ""}, "no release of this branch"),
        ({"in_packages": True}, "a release of that package"),
        ({"without_fix": 2}, "2 have no public fix"),
    ],
)
def test_what_closes_them(given: dict[str, Any], words: str) -> None:
    assert words in what_closes(**{**CLOSING, **given})


def test_the_policy_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[security]\nbad_severity = "terrible"\n')
    with pytest.raises(PolicyError, match="bad_severity"):
        Policy.load(file)
    file.write_text('[security]\naccept = ["CVE-2024-0397"]\nended_branch = "caution"\n')
    assert Policy.load(file).security == SecurityPolicy("high", Level.CAUTION, ("CVE-2024-0397",))
