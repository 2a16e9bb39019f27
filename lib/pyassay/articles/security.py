"""The article on security: whether to worry, about what, and what would end the worry."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import altair as alt
import pandas as pd

from pyassay import charts, tables
from pyassay.articles import security_supply as supply_lines
from pyassay.articles.question import QuestionArticle, first_few, groups, said, strong
from pyassay.reference.security import NAMES
from pyassay.verdicts import security as rules
from pyassay.verdicts.advisories import COMPONENTS, component_name
from pyassay.verdicts.model import Level, Verdict
from pyassay.verdicts.staleness import image_ages, uv_lag

__all__ = ["Article", "SecurityArticle"]

_SHOWN = 90
_HARDENED = {
    "pie": "position independent",
    "relro": "full RELRO",
    "nx": "stack not executable",
    "canary": "canaries",
    "fortified": "fortified calls",
    "ibt": "CET",
}


class SecurityArticle(QuestionArticle):
    """Everything that the notebook ``security`` shows, from one evidence set and one policy."""

    question = "security"
    references_used = NAMES

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """One verdict per subject."""
        return rules.judge(self.evidence.tables, self.policy, self.on)

    @cached_property
    def components(self) -> pd.DataFrame:
        """Every component that is judged: see :func:`pyassay.verdicts.security.components`."""
        return rules.components(self.evidence.tables, self.on, self.policy)

    @cached_property
    def advisories(self) -> pd.DataFrame:
        """Every advisory that is not simply fixed: see :func:`pyassay.verdicts.security.advisories`."""
        return rules.advisories(self.evidence.tables, self.on, self.policy)

    def answer(self) -> tables.Shown:
        """Say in a few sentences whether to worry."""
        own = self.components[self.components["scope"] == rules.OWN]
        opened = self.advisories[
            (self.advisories["status"] == "open") & (self.advisories["scope"] == rules.OWN)
        ]
        sentences = []
        bad = [verdict for verdict in self.verdicts if verdict.level is Level.BAD]
        good = [verdict for verdict in self.verdicts if verdict.level is Level.GOOD]
        if bad:
            names = first_few(self._labels[verdict.subject_id] for verdict in bad)
            sentences.append(f"{len(bad)} of {len(self.verdicts)} need attention: {names}.")
        if good:
            names = first_few(self._labels[verdict.subject_id] for verdict in good)
            sentences.append(f"Nothing is open in {names}.")
        severe = opened[opened["severity"].isin(["high", "critical"])]
        if len(severe):
            parts = [
                f"{advisory} ({component_name(component)}, in {group['subject_id'].nunique()})"
                for (advisory, component), group in groups(severe, "advisory", "component")
            ]
            sentences.append(f"Open and high: {first_few(parts, 4)}.")
        pythons = self.evidence.table("subjects")
        inside = set(pythons.loc[pythons["kind"] != "image", "subject_id"])
        packaged = own[own["subject_id"].isin(inside) & (own["package"] != "")]
        ported = int((packaged["by_version"] - packaged["open"]).clip(lower=0).sum())
        if ported:
            sentences.append(
                f"{ported} times the version alone would have called open what the distribution has fixed."
            )
        unknown = own[own["overall"] == "unknown"]
        if len(unknown):
            names = first_few(self._labels[subject] for subject in unknown["subject_id"])
            sentences.append(f"Not everything is known of {names}.")
        return strong(sentences or ["Nothing was found that is judged here."])

    def components_chart(self) -> alt.LayerChart | alt.FacetChart:
        """Draw components by subject: how many advisories are open, and how bad the worst is."""
        own = self.components[self.components["scope"] == rules.OWN]
        rows = []
        for (subject, component), group in groups(own, "subject_id", "component"):
            worst = group.sort_values(["high", "open"], ascending=False).iloc[0]
            level = "good"
            if worst["open"]:
                level = "bad" if worst["high"] else "caution"
            elif (group["overall"] == "unknown").any():
                level = "unknown"
            text = str(int(group["open"].max())) if worst["open"] else {"good": "0", "unknown": "?"}[level]
            rows.append(
                {
                    "label": self._labels[subject],
                    "component": component_name(component),
                    "text": text,
                    "level": level,
                }
            )
        frame = pd.DataFrame(rows, columns=["label", "component", "text", "level"])
        counts = own.groupby("component")["open"].sum().sort_values(ascending=False)
        finding = "Nothing is open"
        if len(counts) and counts.iloc[0]:
            finding = f"Most of what is open is in {component_name(str(counts.index[0]))}"
        return charts.open_advisories(
            frame,
            rows=[label for label in self._labels if label in set(frame["label"])],
            columns=[name for name in map(component_name, COMPONENTS) if name in set(frame["component"])],
            finding=finding,
        )

    def components_table(self) -> tables.Shown:
        """Show every judged component: version, linkage, what is open, what would close it."""
        found = self.components
        told = found["limits"].map(lambda limits: limits[0] if limits else "")
        found = found.assign(
            way=found["linkage"].where(
                found["package"] == "", found["package"] + " " + found["package_version"]
            ),
            closing=found["closes"].where(found["open"] > 0, told),
        )
        rows = [
            {
                "component": f"{component_name(component)} {version}",
                "comes as": f"{way}, in packages" if scope == rules.SITE else way,
                "in": first_few(self._labels[subject] for subject in group["subject_id"]),
                "open": int(group["open"].iloc[0]),
                "of these": group["severities"].iloc[0],
                "what closes them": closing,
                "ported back": int(group["backported"].iloc[0]),
                "by version alone": int(group["by_version"].iloc[0]),
            }
            for (component, version, scope, way, closing), group in groups(
                found, "component", "version", "scope", "way", "closing"
            )
        ]
        rows.sort(
            key=lambda row: (
                [component_name(name) for name in COMPONENTS].index(row["component"].split()[0]),
                -row["open"],
            )
        )
        return tables.table(
            pd.DataFrame(rows),
            caption="Every component that advisories are known of, and what would close the open ones; "
            "how many its package has ported back, and how many the version alone would call open.",
            limit=20,
        )

    def advisories_table(self) -> tables.Shown:
        """Show every advisory that is open, backported or not known."""
        rows = [
            {
                "advisory": advisory,
                "component": f"{component_name(component)} {first_few(sorted(set(group['version'])), 2)}",
                "status": status,
                "severity": group["severity"].iloc[0],
                "published": group["published"].iloc[0],
                "in": first_few((self._labels[subject] for subject in group["subject_id"]), 1),
                "why": (group["changelog_line"].iloc[0] or group["reason"].iloc[0])[:_SHOWN],
            }
            for (advisory, component, status), group in groups(
                self.advisories, "advisory", "component", "status"
            )
        ]
        ranks = {"critical": 0, "high": 1, "medium": 2, "moderate": 2, "low": 3}
        states = {"open": 0, "unknown": 1, "backported": 2}
        rows.sort(key=lambda row: (states[row["status"]], ranks.get(row["severity"], 4), row["advisory"]))
        if not rows:
            return said("No advisory is open, ported back or not known.")
        return tables.table(
            pd.DataFrame(rows),
            caption="Every advisory that is open, ported back by a package, or not known.",
            code=["advisory"],
            limit=12,
        )

    def patch_levels(self) -> tables.Shown:
        """Show where each CPython stands on its branch."""
        rows = [
            {
                "subject_id": subject,
                "CPython": level.version,
                "branch": level.phase,
                "until": level.end_of_life,
                "newest": f"{level.newest} ({level.newest_date})" if level.newest else "",
                "releases behind": level.behind,
                "for": level.behind_days,
            }
            for subject, level in rules.patch_levels(self.evidence.tables, self.on).items()
        ]
        columns = ["subject_id", "CPython", "branch", "until", "newest", "releases behind", "for"]
        frame = pd.DataFrame(rows, columns=columns).astype({"releases behind": "Int64", "for": "Int64"})
        return tables.table(
            self._named(frame),
            caption="Where each CPython stands on its branch. What a distribution fixes does not show here.",
            units={"for": "days"},
        )

    def packages(self) -> tables.Shown:
        """Show what a service knows of the installed packages, where it was asked."""
        found = self.evidence.table("package_advisories")
        installed = self.evidence.table("installed_packages")
        opened = found[found["status"] == "open"]
        if not len(found) or (found["status"] == "not asked").all():
            return said(
                f"{len(installed)} installed packages were seen. No service was asked for their advisories: "
                "nothing goes to a network unless --online says so."
            )
        counts = ", ".join(f"{count} {status}" for status, count in found["status"].value_counts().items())
        shown = opened[["subject_id", "distribution", "version", "advisory", "fixed_in"]]
        return tables.table(
            self._named(shown),
            caption=f"Advisories of {len(installed)} installed packages, as the index told ({counts}).",
            limit=12,
        )

    def libraries(self) -> tables.Shown:
        """Show every library that was identified, and how."""
        found = self.evidence.table("bundled_libraries")
        found = found[found["library"] != ""]
        rows = [
            {
                "library": library,
                "version": version or "not known",
                "known by": method,
                "sure": confidence,
                "comes as": package or linkage,
                "in": first_few((self._labels[subject] for subject in group["subject_id"]), 2),
                "file": group["file"].iloc[0],
                "what was found": group["evidence"].iloc[0][:_SHOWN],
            }
            for (library, version, method, confidence, linkage, package), group in groups(
                found, "library", "version", "method", "confidence", "linkage", "package"
            )
        ]
        rows.sort(key=lambda row: (row["library"], row["version"]))
        if not rows:
            return said("No library was identified.")
        return tables.table(
            pd.DataFrame(rows),
            caption=f"The {len(rows)} libraries that were identified: by bytes, by symbols, at run time.",
            code=["file", "what was found"],
            limit=0,
        )

    def disagreements(self) -> tables.Shown:
        """Show where bytes and the running interpreter say different things, and what has no version."""
        found = self.evidence.table("bundled_libraries")
        differs = found[found["agrees"].fillna(value=True).eq(False)]
        nameless = found[(found["library"] != "") & (found["version"] == "")]
        both = found["agrees"].notna().sum()
        if not len(differs) and not len(nameless):
            return said(
                f"Bytes and the running interpreters agree on all {both} versions that both can tell."
            )
        frame = pd.concat([differs, nameless])
        frame = frame[["subject_id", "library", "static_version", "runtime_version", "file", "evidence"]]
        return tables.table(
            self._named(frame),
            caption=f"Where bytes and run time disagree ({len(differs)} of {both}); what tells no version.",
            code=["file"],
            limit=10,
        )

    def cpython_supply(self) -> alt.LayerChart | alt.FacetChart:
        """Draw how long releases of CPython took to python-build-standalone and uv."""
        return supply_lines.cpython()

    def openssl_supply(self) -> alt.LayerChart | alt.FacetChart:
        """Draw how long the fix of each OpenSSL advisory took to python-build-standalone and to Debian."""
        return supply_lines.openssl()

    def expat_supply(self) -> alt.LayerChart | alt.FacetChart:
        """Draw how long the fix of each expat advisory took to python-build-standalone and to Debian."""
        return supply_lines.expat()

    def supply_summary(self) -> tables.Shown:
        """Show medians, 95th percentiles and outliers of each line of supply."""
        return supply_lines.summarised()

    def stale_environments(self) -> tables.Shown:
        """Show the virtual environments of this machine that have gone stale, and what mends each."""
        return _stale(self.evidence.table("environments"))

    def uv(self) -> tables.Shown:
        """Show which releases each uv of this machine does not know yet."""
        lag = uv_lag(self.evidence.tables, self.on)
        if not len(lag):
            return said("No uv was seen that tells which Pythons it can install.")
        behind = lag[lag["behind"].fillna(0) > 0]
        versions = first_few(lag["version"])
        if not len(behind):
            return said(f"uv {versions} knows the newest release of every branch that still gets fixes.")
        return tables.table(
            behind.rename(columns={"version": "uv"}),
            caption="What each uv can install, against what is released: uv self update brings the rest.",
            code=["path"],
        )

    def images(self) -> tables.Shown:
        """Show how old images are, and how long ago anything in them was upgraded."""
        ages = image_ages(self.evidence.tables, self.on)
        if not len(ages):
            return said("No image is among the subjects.")
        return tables.table(
            ages.rename(
                columns={
                    "age_days": "age",
                    "packages_day": "packages changed",
                    "packages_age_days": "packages unchanged for",
                }
            ),
            caption="How old each image is, and since when no package in it has changed.",
            units={"age": "days", "packages unchanged for": "days"},
        )

    def candidates(self) -> tables.Shown:
        """Show packages for which apt's lists know a newer version."""
        found = self.evidence.table("package_candidates")
        newer = found[(found["candidate"] != "") & (found["candidate"] != found["installed"])]
        if not len(newer):
            return said(
                f"Of {len(found)} packages none has a newer version in apt's lists."
                if len(found)
                else "No package of a distribution is among these."
            )
        return tables.table(
            self._named(newer[["subject_id", "package", "installed", "candidate"]]),
            caption="Packages for which apt's lists on disk know a newer version.",
            limit=12,
        )

    def hardening(self) -> tables.Shown:
        """Show in how many files of each subject each protection is found."""
        found = self.evidence.table("hardening")
        found = found[(found["reason"] == "") & (found["scope"] != "site")]
        if not len(found):
            return said("No ELF file was read.")
        rows = []
        for (subject,), group in groups(found, "subject_id"):
            counts = {
                "pie": int(group["pie"].isin(["PIE", "DSO"]).sum()),
                "relro": int((group["relro"] == "full").sum()),
                "nx": int(group["nx"].fillna(value=False).sum()),
                "canary": int(group["canary"].fillna(value=False).sum()),
                "fortified": int((group["fortified"].fillna(0) > 0).sum()),
                "ibt": int(group["ibt"].fillna(value=False).sum()),
            }
            rows.append(
                {"subject_id": subject, "files": len(group)}
                | {words: f"{counts[name]}" for name, words in _HARDENED.items()}
            )
        return tables.table(
            self._named(pd.DataFrame(rows)),
            caption="In how many ELF files of each subject (packages left out) each protection is found.",
        )

    def tls(self) -> tables.Shown:
        """Show what handshakes with a server in the same process came to."""
        checks = self.evidence.table("tls_checks")
        if not len(checks):
            return said("No handshake was tried: there is no interpreter that could be run.")
        shown = checks["answer"].where(checks["outcome"] == "measured", "not measured: " + checks["reason"])
        wide = (
            checks.assign(shown=shown).pivot(index="subject_id", columns="quirk", values="shown").fillna("")
        )
        return tables.table(
            self._named(wide.reset_index()), caption="Handshakes with a server in the same process."
        )

    def provenance_of_bytes(self) -> tables.Shown:
        """Show what is claimed of files (packages, RECORD, SBOMs) and does not hold."""
        found = self.evidence.table("byte_provenance")
        if not len(found):
            return said("Nothing is claimed of these files.")
        told = "; ".join(
            f"{claim}: {len(group)} {state}" for (claim, state), group in groups(found, "claim", "state")
        )
        wrong = found[~found["state"].isin(["holds", "not checked"])]
        if not len(wrong):
            return said(f"Every claim that was checked holds ({told}).")
        return tables.table(
            self._named(wrong[["subject_id", "claim", "file", "claimed", "found", "state", "reason"]]),
            caption=f"Claims about files that do not hold ({told}).",
            code=["file"],
            limit=10,
        )

    def result(self) -> dict[str, Any]:
        """Return the verdicts and key numbers for machines: the last output of the notebook."""
        own = self.components[self.components["scope"] == rules.OWN]
        opened = own.groupby("subject_id")["open"].sum()
        high = own.groupby("subject_id")["high"].sum()
        return self._result(
            open={str(name): int(opened.get(name, 0)) for name in self._labels.index},
            high={str(name): int(high.get(name, 0)) for name in self._labels.index},
        )


Article = SecurityArticle


def _stale(environments: pd.DataFrame) -> tables.Shown:
    environments = environments[environments["kind"] != ""]
    stale = environments[environments["state"] != "current"]
    if not len(stale):
        return said(f"None of {len(environments)} virtual environments that were seen is stale.")
    return tables.table(
        stale[["path", "kind", "state", "mends", "evidence"]],
        caption=f"{len(stale)} of {len(environments)} virtual environments are stale, and what mends each.",
        code=["path", "mends"],
        limit=12,
    )
