"""The article on build backends: which for whom, and what of the dispute still holds."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import altair as alt
import pandas as pd

from pyassay import tables
from pyassay.articles import backends_figures as figures
from pyassay.articles.question import QuestionArticle, first_few, said, strong
from pyassay.verdicts import backends as rules
from pyassay.verdicts.backends_claims import claims as judged_claims
from pyassay.verdicts.backends_outputs import disagreements, equalities
from pyassay.verdicts.backends_speed import speeds
from pyassay.verdicts.model import Verdict

__all__ = ["Article", "BackendsArticle"]

Chart = alt.LayerChart | alt.FacetChart | tables.Shown

_OWN = "own-"
_SHOWN = 140


class _Labels(dict[str, str]):
    """Labels of subjects; one that has none is called by its id."""

    def __missing__(self, subject: str) -> str:
        return subject


class BackendsArticle(QuestionArticle):
    """Everything that the notebook ``build_backends`` shows, from one evidence set and one policy."""

    question = "backends"
    references_used = ("pep11_tiers", "backend_claims")

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """One verdict per backend."""
        return rules.judge(self.evidence.tables, self.policy, self.on)

    @cached_property
    def by_reader(self) -> pd.DataFrame:
        """Every backend for every reader: see :func:`pyassay.verdicts.backends.by_reader`."""
        return rules.by_reader(self.evidence.tables, self.policy)

    @cached_property
    def claimed(self) -> pd.DataFrame:
        """The claims of the dispute: see :func:`pyassay.verdicts.backends_claims.claims`."""
        return judged_claims(self.evidence.tables)

    @cached_property
    def timed(self) -> pd.DataFrame:
        """Every build against its reference: see :func:`pyassay.verdicts.backends_speed.speeds`."""
        return speeds(self.evidence.tables, "wall_s")

    @cached_property
    def _names(self) -> dict[str, str]:
        return _Labels({str(subject): str(label) for subject, label in self._labels.items()})

    def _backends(self) -> pd.DataFrame:
        """Return the rows of the backends that are no reader's own, measured or not."""
        frame = self.evidence.table("backends")
        return frame[~frame["subject_id"].str.startswith(_OWN)]

    def answer(self) -> tables.Shown:
        """Say in a few sentences what was found."""
        if not len(self._backends()):
            return strong(["No build backend was measured."])
        sentences = []
        for reader, words in rules.READERS.items():
            own = self.by_reader[self.by_reader["reader"] == reader]
            good = [self._names[one] for one in own.loc[own["level"] == "good", "subject_id"]]
            bad = [self._names[one] for one in own.loc[own["level"] == "bad", "subject_id"]]
            if good:
                sentences.append(f"For the {words} nothing speaks against {first_few(good, 4)}.")
            if bad:
                sentences.append(f"For the {words} something is wrong with {first_few(bad)}.")
        counts = self.claimed["still_true"].value_counts()
        told = ", ".join(f"{count} {word}" for word, count in counts.items())
        sentences.append(f"Of {len(self.claimed)} claims of the dispute: {told}.")
        return strong(sentences)

    def readers_chart(self) -> Chart:
        """Draw the level of every backend for every reader."""
        return figures.readers(self.by_reader, self._names)

    def readers(self) -> tables.Shown:
        """Show for every backend and reader what decides."""
        frame = self.by_reader.assign(reader=self.by_reader["reader"].map(rules.READERS))
        return tables.table(
            self._named(frame),
            caption="What decides, for each reader.",
            badges=["level"],
            limit=9,
        )

    def claims(self) -> tables.Shown:
        """Show every claim of the dispute beside what was measured."""
        frame = self.claimed[["side", "said", "measured", "still_true"]]
        return tables.table(
            frame.rename(columns={"said": "it is said", "still_true": "still true?"}),
            caption="What was said in the dispute on uv-build and flit-core, and what was measured.",
        )

    def closures_chart(self) -> Chart:
        """Draw what has to be installed for each backend."""
        return figures.closures(
            self.evidence.table("backend_closures"), self.evidence.table("backend_crates"), self._names
        )

    def closures(self) -> tables.Shown:
        """Show every package of every closure."""
        rows = self.evidence.table("backend_closures")
        frame = rows[
            [
                "subject_id",
                "scope",
                "distribution",
                "version",
                "size_bytes",
                "python_lines",
                "native",
                "vendored",
            ]
        ].assign(size_bytes=rows["size_bytes"].astype("Float64") / 1e3)
        return tables.table(
            self._named(frame.rename(columns={"size_bytes": "size", "distribution": "package"})),
            caption="Every package that has to be installed: as declared, and as the hooks ask for on a bare "
            "machine.",
            units={"size": "kB"},
            limit=12,
        )

    def crates(self) -> tables.Shown:
        """Show how many Rust crates are in it."""
        rows = self.evidence.table("backend_crates")
        if not len(rows):
            return said("None of these backends has a part in Rust.")
        frame = rows[
            [
                "subject_id",
                "distribution",
                "listed_in",
                "crates",
                "third_party",
                "rust_lines",
                "needs",
                "reason",
            ]
        ]
        return tables.table(
            self._named(frame),
            caption="Rust crates: all that the Cargo.lock of the sdist lists, and those that the bill of "
            "materials of the wheel says are in the binary.",
        )

    def platforms_chart(self) -> Chart:
        """Draw on which platforms each backend has a ready wheel."""
        return figures.platforms(self.evidence.table("backend_platforms"), self._names)

    def compiling(self) -> tables.Shown:
        """Show what has to be compiled where there is no ready wheel."""
        rows = self.evidence.table("backend_platforms")
        rows = rows[rows["ready"].fillna(value=True).eq(False)]
        if not len(rows):
            return said("There is a ready wheel for every platform.")
        found = []
        for subject, group in rows.groupby("subject_id", sort=False):
            for need in dict.fromkeys(one for listed in group["to_compile"] for one in listed):
                where = group[group["to_compile"].map(lambda listed, need=need: need in listed)]
                found.append(
                    {
                        "subject_id": subject,
                        "what compiling takes": need,
                        "platforms": len(where),
                        "of these in PEP 11": int((where["tier"] != "none").sum()),
                    }
                )
        return tables.table(
            self._named(pd.DataFrame(found)),
            caption="What has to be compiled where there is no ready wheel, as the sdists say.",
        )

    def backends_chart(self) -> Chart:
        """Draw the time of the hooks alone."""
        return figures.times(
            self.timed[self.timed["comparison"] == "backends"],
            self._names,
            with_frontend=False,
            nothing="Hooks were not timed often enough to compare them.",
        )

    def frontends_chart(self) -> Chart:
        """Draw the time of a build by frontend."""
        return figures.times(
            self.timed[self.timed["comparison"] == "frontends"],
            self._names,
            with_frontend=True,
            nothing="Frontends were not timed often enough to compare them.",
        )

    def extensions_chart(self) -> Chart:
        """Draw the time of the hooks on a project with a compiled module."""
        return figures.times(
            self.timed[self.timed["comparison"] == "extensions"],
            self._names,
            with_frontend=False,
            nothing="Extensions were not timed often enough to compare them.",
        )

    def times(self) -> tables.Shown:
        """Show every build that was timed, or why not."""
        rows = self.timed
        cpu = speeds(self.evidence.tables, "cpu_s").set_index("command_id")["median_s"]
        frame = rows[
            [
                "subject_id",
                "comparison",
                "frontend",
                "cache",
                "artifact",
                "median_s",
                "low_s",
                "high_s",
                "blocks",
            ]
        ].assign(cpu=rows["command_id"].map(cpu[~cpu.index.duplicated()]), why=rows["reason"])
        frame = frame.rename(
            columns={"median_s": "wall", "low_s": "from", "high_s": "to", "why": "why not compared"}
        )
        return tables.table(
            self._named(frame),
            caption="Every build that was timed: median of wall time with its 95 % interval, and CPU time.",
            units=dict.fromkeys(("wall", "from", "to", "cpu"), "s"),
            formats=dict.fromkeys(("wall", "from", "to", "cpu"), ".2f"),
            limit=8,
        )

    def equality_chart(self) -> Chart:
        """Draw how much alike the wheels of the pure project are."""
        return figures.equality(equalities(self.evidence.tables), self._names)

    def differences(self) -> tables.Shown:
        """Show in what the wheels of the pure project differ."""
        rows = disagreements(self.evidence.tables)
        if not len(rows):
            return said("No two wheels of the pure project differ, or there are no two.")
        frame = pd.DataFrame(
            {
                "what": rows["what"],
                "as written": [str(value)[:_SHOWN] or "(not there)" for value in rows["value"]],
                "by": [first_few((self._names[one] for one in listed), 6) for listed in rows["subjects"]],
            }
        )
        return tables.table(
            frame,
            caption="In what the wheels of the pure project differ, metadata normalised.",
            code=["what", "as written"],
            limit=16,
        )

    def outputs(self) -> tables.Shown:
        """Show every artifact that was made, or why not."""
        rows = self.evidence.table("backend_outputs")
        columns = ["project", "artifact", "status", "files", "size_bytes", "metadata_version"]
        columns += ["licence_files", "lacks", "adds", "has_tests", "reason"]
        return tables.table(
            self._named(rows[["subject_id", *columns]].rename(columns={"size_bytes": "size"})),
            caption="What each backend made of each project: the same files, no configuration of its own.",
            units={"size": "bytes"},
            limit=10,
        )

    def repeats(self) -> tables.Shown:
        """Show which artifacts are the same bytes again."""
        rows = self.evidence.table("backend_repeats")
        if not len(rows):
            return said("Nothing was built twice.")
        found = []
        for (subject, project, artifact), group in rows.groupby(
            ["subject_id", "project", "artifact"], sort=False
        ):
            with_epoch = group[group["epoch_set"].eq(True)]
            without = group[group["epoch_set"].eq(False)]
            wrong = with_epoch[with_epoch["same"].eq(False).fillna(value=False)]
            found.append(
                {
                    "subject_id": subject,
                    "project": project,
                    "artifact": artifact,
                    "with SOURCE_DATE_EPOCH": _counted(with_epoch),
                    "without": _counted(without),
                    "what changes it": ", ".join(wrong["change"]),
                    "first difference": first_few(wrong["first_difference"], 1)[:_SHOWN],
                }
            )
        return tables.table(
            self._named(pd.DataFrame(found)),
            caption="How many of the repeated builds gave the same bytes: again, in another folder, with "
            "other dates, under another umask, all of these.",
            code=["first difference"],
            limit=20,
        )

    def features_chart(self) -> Chart:
        """Draw what was tried with the pure project."""
        return figures.features(self.evidence.table("backend_features"), self._names, "pure")

    def features(self) -> tables.Shown:
        """Show everything that was tried, with what was seen."""
        rows = self.evidence.table("backend_features")
        return tables.table(
            self._named(rows[["subject_id", "project", "question", "outcome", "seen"]]),
            caption="Everything that was tried, with what was seen.",
            code=["seen"],
            limit=0,
        )

    def own_project(self) -> tables.Shown:
        """Show the reader's own project, if there is one: its backend, and the others on copies."""
        context = self.evidence.table("backend_context").set_index("fact")["value"]
        if "your own project" not in context:
            return said("No project of your own was given: --project PATH builds a copy of it.")
        name = str(context["your own project"])
        rows = self.evidence.table("backend_outputs")
        rows = rows[rows["project"] == name]
        if not len(rows):
            return said(f"Your own project: {name}.")
        fair = str(context.get("fair to others", "not known"))
        frame = rows[
            ["subject_id", "artifact", "status", "files", "size_bytes", "metadata_version", "reason"]
        ]
        return tables.table(
            self._named(frame.rename(columns={"size_bytes": "size"})),
            caption=f"Your project {name}: with its own backend, and with the others, where only "
            f"[build-system] was exchanged. Is that fair? {fair}.",
            units={"size": "bytes"},
        )

    def not_measured(self) -> tables.Shown:
        """Show what could not be measured, and why."""
        found = []
        for table, what in (
            ("backends", "the backend"),
            ("backend_outputs", "artifact"),
            ("backend_features", "feature"),
            ("backend_repeats", "change"),
            ("backend_closures", "distribution"),
        ):
            frame = self.evidence.table(table)
            reasons = (
                frame["seen"].where(frame["outcome"] == "not measured", "")
                if table.endswith("features")
                else frame["reason"]
            )
            for row in frame.assign(_why=reasons)[reasons != ""].to_dict("records"):
                found.append(
                    {"subject_id": row["subject_id"], "what": row.get(what, what), "why": row["_why"]}
                )
        samples = self.evidence.table("backend_build_samples")
        failed = samples[samples["failure"] != ""].drop_duplicates(["command_id", "failure"])
        found += [
            {"subject_id": row["subject_id"], "what": f"time by {row['frontend']}", "why": row["failure"]}
            for row in failed.to_dict("records")
        ]
        if not found:
            return said("Everything was measured.")
        return tables.table(
            self._named(pd.DataFrame(found)), caption="What could not be measured, and why.", limit=12
        )

    def context(self) -> tables.Shown:
        """Show the Python, the frontends and the compilers of this run."""
        return tables.table(
            self.evidence.table("backend_context"), caption="What the builds were made with.", limit=20
        )

    def result(self) -> dict[str, Any]:
        """Return the verdicts and key numbers for machines: the last output of the notebook."""
        closures = self.evidence.table("backend_closures")
        closures = closures[closures["scope"] != "editable"]
        crates = self.evidence.table("backend_crates")
        locks = crates[crates["listed_in"] == "Cargo.lock"].groupby("subject_id")["third_party"].sum()
        platforms = self.evidence.table("backend_platforms")
        ready = platforms[platforms["ready"].fillna(value=False)].groupby("subject_id").size()
        packages = closures.groupby("subject_id").size()
        size = closures.groupby("subject_id")["size_bytes"].sum()
        result = self._result(
            packages={str(key): int(value) for key, value in packages.items()},
            size_bytes={str(key): int(value) for key, value in size.items()},
            crates={str(key): int(value) for key, value in locks.items()},
            platforms_ready={str(key): int(value) for key, value in ready.items()},
        )
        result["claims"] = {
            str(row["claim"]): {"still_true": row["still_true"], "measured": row["measured"]}
            for row in self.claimed.to_dict("records")
        }
        return result


Article = BackendsArticle


def _counted(rows: pd.DataFrame) -> str:
    known = rows[rows["same"].notna()]
    if not len(known):
        return "not measured"
    return f"{int(known['same'].sum())} of {len(known)}"
