"""The article on portability: whether these Pythons run where they are shipped."""

from __future__ import annotations

from functools import cached_property
from html import escape
from typing import Any

import altair as alt
import pandas as pd

from pyassay import tables
from pyassay.articles import portability_figures as figures
from pyassay.articles import portability_shipped as shipped
from pyassay.articles.question import QuestionArticle, first_few
from pyassay.reference import distributions
from pyassay.verdicts import portability as rules
from pyassay.verdicts.model import Verdict

__all__ = ["Article", "PortabilityArticle"]

_REMEDIES = {
    "re-versioned": "rebuild on an older system: the same function exists there in an older version",
    "renamed": "rebuild on an older system: its headers use the older name",
    "new function": "the source must do without it there, or look it up at run time",
    "marker": "link without the feature: -Wl,-z,nopack-relative-relocs",
    "unknown": "the libc of the probing machine does not know this version",
}
_FAMILIES_SHOWN = ("GLIBC", "GLIBCXX", "CXXABI", "GCC", "ZLIB")


class PortabilityArticle(QuestionArticle):
    """Everything that the notebook ``portability`` shows, from one evidence set and one policy.

    Parameters
    ----------
    evidence : Evidence
        With the tables of :data:`pyassay.probes.portability.TABLES`.
    policy : Policy
        What the reader requires.
    """

    question = "portability"
    references_used = ("distributions", "glibc_releases")

    @cached_property
    def matrix(self) -> pd.DataFrame:
        """Prediction per subject and distribution: see :func:`pyassay.verdicts.portability.matrix`."""
        return rules.matrix(self.evidence.tables, distributions(), self.on)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """One verdict per subject."""
        return rules.judge(self.evidence.tables, self.policy, self.on)

    @cached_property
    def _alike(self) -> dict[str, tuple[str, ...]]:
        """The subjects that share a fate, by the newest of them: equal floor, equal prediction everywhere."""
        floors = self.evidence.table("floors")
        own = floors[(floors["scope"] == "own") & (floors["family"] == "GLIBC")]
        floor = dict(zip(own["subject_id"], zip(own["hard"], own["soft"], strict=True), strict=True))
        fates = self.matrix.groupby("subject_id", sort=False)["prediction"].agg(tuple)
        groups: dict[Any, list[str]] = {}
        for subject in self._labels.index:
            if subject in self._anywhere:
                continue
            groups.setdefault((floor.get(subject), fates.get(subject)), []).append(str(subject))
        return {members[-1]: tuple(members) for members in groups.values()}

    @cached_property
    def _anywhere(self) -> dict[str, str]:
        """Subjects to which no release makes a difference, and why: they are in no chart."""
        files = set(self.evidence.table("files")["subject_id"])
        subjects = self.evidence.table("subjects")
        found: dict[str, str] = {}
        for row in subjects[subjects["error"] == ""].to_dict("records"):
            if row["kind"] == "image":
                found[str(row["subject_id"])] = "brings its own C library along"
            elif row["kind"] == "artifact" and row["subject_id"] not in files:
                found[str(row["subject_id"])] = "holds no native code"
        return found

    @cached_property
    def _names(self) -> dict[str, str]:
        """What to call each group of subjects, by the newest of them."""
        return {
            newest: self._labels[newest] + (f" and {len(members) - 1} alike" if len(members) > 1 else "")
            for newest, members in self._alike.items()
        }

    @cached_property
    def _libraries(self) -> dict[str, str]:
        """The C library that each subject is made for; of one that brings its own, or needs none, nothing."""
        files = self.evidence.table("files")
        own = files[(files["scope"] != "site") & (files["libc"] != "")]
        first = own.drop_duplicates("subject_id")
        return dict(zip(first["subject_id"], first["libc"], strict=True))

    def _labelled(self, frame: pd.DataFrame, *, alike: bool = False) -> pd.DataFrame:
        """Return a frame with the subject's label in front, in the order of the table of subjects.

        With ``alike``, only the newest of the subjects that share a fate, under the name of their group.
        """
        names = self._names if alike else dict(zip(self._labels.index, self._labels, strict=True))
        order = {subject: place for place, subject in enumerate(names)}
        chosen = frame[frame["subject_id"].isin(order)]
        ranked = chosen.assign(_place=chosen["subject_id"].map(order)).sort_values("_place", kind="stable")
        ranked.insert(0, self._noun, ranked["subject_id"].map(names))
        return ranked.drop(columns=["_place", "subject_id"])

    def _drawn(self, frame: pd.DataFrame) -> pd.DataFrame:
        return self._labelled(frame, alike=True).rename(columns={self._noun: "Python"})

    def answer(self) -> tables.Shown:
        """Say in a few sentences what the verdicts come to."""
        found = {str(row["subject_id"]): row for row in rules.summary(self.matrix).to_dict("records")}
        libraries = self._libraries
        sentences: list[str] = []
        for newest, members in sorted(
            self._alike.items(), key=lambda item: -int(found[item[0]]["supported_runs"])
        ):
            row, name = found[newest], self._names[newest]
            many = len(members) > 1
            runs, total = int(row["supported_runs"]), int(row["supported_total"])
            if not runs and int(row["unknown"]):
                sentences.append(f"Of {name} it is not known where {'they run' if many else 'it runs'}.")
                continue
            share = f"all {total}" if runs == total else f"{runs} of the {total}"
            verb = "run" if many else "runs"
            back = f", back to {row['oldest']} ({row['oldest_date'][:4]})" if row["oldest"] else ""
            made = f" {libraries[newest]}" if libraries.get(newest) else ""
            sentences.append(f"{name} {verb} on {share}{made} releases in regular support{back}.")
        sentences += [f"{self._labels[subject]} {why}." for subject, why in self._anywhere.items()]
        if len(self.evidence.table("trials")):
            sentences.append(shipped.agreement_sentence(self.evidence))
        text = (
            " ".join(tables.shown_text(sentence) for sentence in sentences) or "There is no Python to judge."
        )
        return tables.Shown(f"<p><strong>{escape(text)}</strong></p>", text)

    def alike(self) -> tables.Shown:
        """Show which Pythons share a fate, and so a row in the charts below."""
        rows = [
            {
                "in the charts": self._names[newest],
                "Pythons": len(members),
                "which": ", ".join(self._labels[member] for member in members),
            }
            for newest, members in self._alike.items()
        ]
        return tables.table(
            pd.DataFrame(rows, columns=["in the charts", "Pythons", "which"]),
            caption="Pythons with the same floor and the same prediction for every release share a row.",
        )

    def artifacts(self) -> tables.Shown:
        """Show what is shipped: format, size, exact platform tag."""
        return shipped.artifacts(self.evidence)

    def wheels(self) -> tables.Shown:
        """Show of every wheel what its tags claim, and what its files make."""
        return shipped.wheels(self.evidence)

    def put_to_test(self) -> tables.Shown:
        """Show what happened where the subjects were tried, beside what was foretold."""
        return shipped.put_to_test(
            self.evidence, self.matrix, dict(zip(self._labels.index, self._labels, strict=True))
        )

    def floors(self) -> tables.Shown:
        """Show the newest version of every library family that each Python requires."""
        floors = self.evidence.table("floors")
        own = floors[(floors["scope"] == "own") & floors["family"].isin(_FAMILIES_SHOWN)]
        wide = own.pivot_table(
            index="subject_id", columns="family", values="hard", aggfunc="first", fill_value=""
        )
        columns = [family for family in _FAMILIES_SHOWN if family in wide.columns]
        tags = self.evidence.table("tags")
        exact = tags[tags["scope"] == "own"].drop_duplicates("subject_id").set_index("subject_id")["tag"]
        site = floors[(floors["scope"] == "site") & (floors["family"] == "GLIBC")].set_index("subject_id")[
            "hard"
        ]
        frame = wide.reindex(self._labels.index)[columns].fillna("").reset_index()
        frame["platform tag"] = [exact.get(subject, "") for subject in frame["subject_id"]]
        frame["GLIBC of its packages"] = [site.get(subject, "") for subject in frame["subject_id"]]
        return tables.table(
            self._labelled(frame),
            caption=f"The newest symbol version of each family that each {self._noun} itself requires, "
            "and the exact platform tag (PEP 600) that this makes.",
        )

    def floor_chart(self) -> alt.LayerChart | alt.FacetChart:
        """Draw each Python's glibc floor on the date of that glibc."""
        floors = self.evidence.table("floors")
        own = floors[(floors["scope"] == "own") & (floors["family"] == "GLIBC")]
        return figures.floors(self._drawn(own))

    def why(self) -> tables.Shown:
        """Show which symbols of which files hold each floor up, and what kind of symbol each is."""
        floors = self.evidence.table("floors")
        own = floors[(floors["scope"] == "own") & (floors["hard"] != "")]
        symbols = self.evidence.table("symbols")
        at = symbols[(symbols["scope"] != "site") & symbols["family"].isin(_FAMILIES_SHOWN)]
        at = at.merge(own[["subject_id", "family", "hard"]], on=["subject_id", "family"])
        at = at[at["version"] == at["hard"]]
        rows = [
            {
                "requires": f"{family}_{version}",
                "symbol": symbol,
                "what it is": kind,
                "before that": previous,
                "Pythons": group["subject_id"].nunique(),
                "which": first_few(self._labels[subject] for subject in group["subject_id"]),
                "in": first_few(file.rpartition("/")[2] for file in group["file"]),
            }
            for (family, version, symbol, kind, previous), group in at.groupby(
                ["family", "version", "symbol", "kind", "previous"], sort=False
            )
        ]
        columns = ["requires", "symbol", "what it is", "before that", "Pythons", "which", "in"]
        return tables.table(
            pd.DataFrame(rows, columns=columns),
            caption="The symbols that force each floor: without them the floor would be lower.",
            code=["symbol", "before that"],
            sort="-Pythons",
            limit=20,
        )

    def lowering(self) -> tables.Shown:
        """Show, step by step, what would have to go for each glibc floor to fall."""
        steps = rules.what_would_lower(self.evidence.tables)
        steps = steps[steps["family"] == "GLIBC"]
        frame = pd.DataFrame(
            {
                "subject_id": steps["subject_id"],
                "from": steps["version"],
                "to": steps["next_version"].replace("", "older"),
                "symbols": steps["symbols"],
                "kinds": steps["kinds"],
                "where": steps["names"],
                "how": steps["kinds"].map(_remedy),
            }
        )
        return tables.table(
            self._labelled(frame, alike=True),
            caption="What would lower the glibc floor: each row is a step, and all of its symbols must go.",
            limit=12,
        )

    def family_chart(self) -> alt.LayerChart | alt.FacetChart:
        """Draw the oldest release of every distribution on which each Python runs."""
        oldest = rules.oldest_by_family(self.matrix).rename(columns={"label": "release"})
        return figures.families(self._drawn(oldest), rows=list(self._names.values()))

    def year_chart(self) -> alt.LayerChart | alt.FacetChart:
        """Draw on how many of the glibc distributions released in each year each Python runs."""
        on_glibc = self.matrix[self.matrix["libc"] == "glibc"]
        predictions = self._drawn(on_glibc.rename(columns={"label": "release"}))
        return figures.years(predictions, until=self.on.year, rows=list(self._names.values()))

    def refusals(self) -> tables.Shown:
        """Show which supported glibc releases refuse which Python, and why."""
        alive = self.matrix["supported"].fillna(value=False).astype(bool) & (self.matrix["libc"] == "glibc")
        rows = self.matrix[alive & self.matrix["prediction"].isin(["refused", "partial"])]
        unknown = set(self.matrix.loc[alive & (self.matrix["prediction"] == "unknown"), "subject_id"])
        not_known = [name for newest, name in self._names.items() if newest in unknown]
        grouped = [
            {
                "subject_id": subject_id,
                "prediction": prediction,
                "because": reason,
                "glibc releases": len(group),
                "on": ", ".join(group["label"]),
            }
            for (subject_id, prediction, reason), group in rows.groupby(
                ["subject_id", "prediction", "reason"], sort=False
            )
        ]
        return tables.table(
            self._labelled(
                pd.DataFrame(
                    grouped, columns=["subject_id", "prediction", "because", "glibc releases", "on"]
                ),
                alike=True,
            ),
            caption=f"The glibc releases in regular support that refuse a {self._noun}, or load it only in "
            "part, and why."
            + (f" Not listed is where it is not known: {first_few(not_known)}." if not_known else ""),
            limit=15,
        )

    def releases(self) -> tables.Shown:
        """Show every prediction: releases by subjects."""
        signs = {"runs": "✓", "partial": "partly", "refused": "✕", "unknown": "?"}
        named = self.matrix[self.matrix["subject_id"].isin(list(self._names))]
        named = named.assign(sign=named["prediction"].map(signs), Python=named["subject_id"].map(self._names))
        wide = named.pivot(index=["distro", "version"], columns="Python", values="sign")
        wide = wide[list(self._names.values())]
        about = named.drop_duplicates(["distro", "version"]).set_index(["distro", "version"])
        about = about[["label", "libc", "libc_version", "release_date", "end_of_support"]]
        frame = about.join(wide).sort_values(
            ["release_date", "label"], ascending=[False, True], kind="stable"
        )
        frame = frame.rename(
            columns={"label": "release", "release_date": "released", "end_of_support": "support until"}
        )
        frame.insert(1, "C library", frame.pop("libc") + " " + frame.pop("libc_version"))
        return tables.table(
            frame.reset_index(drop=True),
            caption="Predictions: ✓ runs, ✕ refused, partly: starts, but some standard modules do not load, "
            "? not known.",
            limit=10,
        )

    def libraries(self) -> tables.Shown:
        """Show which libraries must be there besides those that every system has."""
        libraries = self.evidence.table("libraries")
        outside = libraries[
            (libraries["scope"] != "site")
            & ~libraries["inside"].astype(bool)
            & ~libraries["allowed"].astype(bool)
        ]
        rows = [
            {
                "library": soname,
                "Pythons": group["subject_id"].nunique(),
                "which": first_few(self._labels[subject] for subject in group["subject_id"]),
                "needed by": first_few(
                    "the interpreter itself"
                    if scope == "runtime"
                    else file.rpartition("/")[2].partition(".")[0]
                    for scope, file in zip(group["scope"], group["file"], strict=True)
                ),
                "on this machine": "found" if (group["resolved"] != "").all() else "missing",
            }
            for soname, group in outside.groupby("soname")
        ]
        columns = ["library", "Pythons", "which", "needed by", "on this machine"]
        return tables.table(
            pd.DataFrame(rows, columns=columns),
            caption="Libraries from outside the tree that auditwheel's policies do not take for granted: "
            "they must be installed wherever the Python goes.",
            code=["library"],
            sort=["-Pythons", "library"],
            limit=12,
        )

    def result(self) -> dict[str, Any]:
        """Return the verdicts and key numbers for machines: the last output of the notebook."""
        floors = self.evidence.table("floors")
        glibc = floors[(floors["scope"] == "own") & (floors["family"] == "GLIBC")]
        hard = dict(zip(glibc["subject_id"], glibc["hard"], strict=True))
        runs = self.matrix[self.matrix["prediction"] == "runs"].groupby("subject_id").size()
        return {
            "question": "portability",
            "policy": self.policy.name,
            "on": self.on.isoformat(),
            "subjects": {
                verdict.subject_id: {
                    "level": str(verdict.level),
                    "headline": verdict.headline,
                    "glibc_floor": hard.get(verdict.subject_id, ""),
                    "releases_that_run": int(runs.get(verdict.subject_id, 0)),
                }
                for verdict in self.verdicts
            },
        }


Article = PortabilityArticle


def _remedy(kinds: str) -> str:
    """Return what lowers a step: the hardest of the kinds of its symbols decides."""
    for kind in ("new function", "unknown", "marker", "renamed", "re-versioned"):
        if kind in kinds:
            return _REMEDIES[kind]
    return ""
