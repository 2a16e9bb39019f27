"""The article on compatibility: what to know before this build goes into production."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import altair as alt
import pandas as pd

from pyassay import charts, tables
from pyassay.articles.question import QuestionArticle, first_few, groups, said, strong
from pyassay.probes.compatibility import MEASURED, NOT_APPLICABLE, NOT_MEASURED
from pyassay.probes.quirks import CONSEQUENCES, catalogue
from pyassay.verdicts import compatibility as rules
from pyassay.verdicts.expectations import FIXED, UNEXPECTED, UNLISTED
from pyassay.verdicts.model import Level, Verdict

__all__ = ["Article", "CompatibilityArticle"]

_WORSE = (Level.CAUTION, Level.BAD)


class CompatibilityArticle(QuestionArticle):
    """Everything that the notebook ``compatibility`` shows, from one evidence set and one policy."""

    question = "compatibility"
    references_used = ("quirk_expectations", "builders")

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """One verdict per interpreter."""
        return rules.judge(self.evidence.tables, self.policy, self.on)

    @cached_property
    def readings(self) -> pd.DataFrame:
        """Every answer as the policy reads it: see :func:`pyassay.verdicts.compatibility.readings`."""
        return rules.readings(self.evidence.tables, self.policy, self.on)

    @cached_property
    def _worse(self) -> pd.DataFrame:
        return self.readings[self.readings["level"].isin(_WORSE)]

    def answer(self) -> tables.Shown:
        """Say in a few sentences what was found."""
        read = self.readings
        if not len(read):
            return strong(["There is no Python to judge."])
        asked, pythons = read["quirk"].nunique(), read["subject_id"].nunique()
        measured = int((read["outcome"] == MEASURED).sum())
        same = asked - self._worse["quirk"].nunique()
        sentences = [
            f"{asked} questions were put to {_counted(pythons, 'Python')}, {measured} answers came back.",
            f"To {same} of the questions every Python that answered did as a plain build would.",
        ]
        worst = self._worse.groupby("subject_id", sort=False).size().sort_values(ascending=False)
        silent = read[read["outcome"] == NOT_MEASURED].groupby("subject_id").size()
        answered = read[read["outcome"] == MEASURED].groupby("subject_id").size()
        clean = [
            name
            for name in self._labels.index
            if name not in worst.index and answered.get(name, 0) > silent.get(name, 0)
        ]
        if clean:
            sentences.append(f"Nothing was found in {first_few(self._labels[name] for name in clean)}.")
        if len(worst):
            most, count = str(worst.index[0]), _counted(int(worst.iloc[0]), "quirk")
            sentences.append(f"Most was found in {self._labels[most]}: {count}.")
        fixed = self._worse[self._worse["state"] == FIXED]
        if len(fixed):
            whom = first_few(self._labels[name] for name in fixed["subject_id"])
            sentences.append(f"{_counted(len(fixed), 'quirk')} of {whom} would go with a newer build.")
        return strong(sentences)

    def matrix_chart(self) -> alt.LayerChart | alt.FacetChart:
        """Draw every question whose answers are not all as of a plain build, by interpreter."""
        quirks = catalogue()
        shown = [name for name in quirks if name in set(self._worse["quirk"])]
        cells = self.readings[self.readings["quirk"].isin(shown)]
        frame = pd.DataFrame(
            {
                "label": [self._labels[subject] for subject in cells["subject_id"]],
                "quirk": [name.replace("_", " ") for name in cells["quirk"]],
                "group": [CONSEQUENCES[consequence] for consequence in cells["consequence"]],
                "level": [level or "does not apply" for level in cells["level"]],
            }
        )
        worst = self._worse.groupby("quirk")["subject_id"].nunique()
        finding = "Every Python answers every question as a plain build would"
        if len(worst):
            everywhere = int((worst == self.readings["subject_id"].nunique()).sum())
            finding = f"{len(worst)} of {self.readings['quirk'].nunique()} questions tell these Pythons apart"
            finding += f"; {everywhere} of the answers hold for all" if everywhere else ""
        return charts.quirk_matrix(
            frame,
            columns=[label for name, label in self._labels.items() if name in set(cells["subject_id"])],
            rows=[name.replace("_", " ") for name in shown],
            finding=finding,
        )

    def consequence(self, name: str) -> tables.Shown:
        """Show what was found that is a nuisance for one purpose.

        Parameters
        ----------
        name : str
            One of :data:`pyassay.probes.quirks.CONSEQUENCES`.

        Raises
        ------
        KeyError
            If there is no such consequence; the message lists those there are.
        """
        if name not in CONSEQUENCES:
            raise KeyError(f"{name}: no such consequence; there are: {', '.join(CONSEQUENCES)}")
        asked = self.readings[self.readings["consequence"] == name]
        found = asked[asked["level"].isin(_WORSE)]
        title = CONSEQUENCES[name]
        if not len(found):
            answered = asked[asked["outcome"] == MEASURED]["quirk"].nunique()
            return said(
                f"{title}: nothing was found, in {_counted(answered, 'question')} that were answered."
            )
        quirks = catalogue()
        items = [
            tables.Finding(
                Level(level),
                quirks[quirk].question,
                (
                    ("answer", means, False),
                    ("in", first_few((self._labels[subject] for subject in group["subject_id"]), 6), False),
                    ("seen", str(next(iter(group["observed"]))), True),
                    ("matters", quirks[quirk].why, False),
                    (
                        "expected",
                        first_few(state for state in group["state"] if state not in ("", UNLISTED)),
                        False,
                    ),
                    ("what to do", _remedy(group, quirks[quirk].workaround), False),
                ),
            )
            for (quirk, level, means), group in groups(found, "quirk", "level", "means")
        ]
        items.sort(key=lambda item: -item.level.severity)
        return tables.findings(items, caption=f"{title}: {_counted(len(items), 'finding')}")

    def unexpected(self) -> tables.Shown:
        """Show what is not as it is known of builds of the same kind, and what newer builds have mended."""
        found = self._worse[self._worse["state"].isin([UNEXPECTED, FIXED])]
        if not len(found):
            return said(
                "No build differs from what is known of its kind, and no quirk is known to be mended since."
            )
        frame = found[["subject_id", "quirk", "means", "state", "note", "reference"]]
        return tables.table(
            self._named(frame.rename(columns={"means": "what happens", "state": "that is", "note": "known"})),
            caption="What is not as expected of this kind of build, or is mended in newer ones.",
            code=["quirk"],
            limit=15,
        )

    def answers(self) -> tables.Shown:
        """Show every answer: questions by interpreters."""
        read = self.readings
        named = read.assign(
            Python=read["subject_id"].map(self._labels),
            shown=read["answer"].where(read["outcome"] == MEASURED, read["outcome"].map(_SIGNS)),
        )
        named = named.drop_duplicates(["quirk", "Python"])
        wide = named.pivot(index="quirk", columns="Python", values="shown").fillna("")
        wide = wide[[label for label in self._labels if label in wide.columns]]
        order = [name for name in catalogue() if name in wide.index]
        frame = wide.loc[order].reset_index()
        frame.insert(1, "question", [catalogue()[name].question for name in frame["quirk"]])
        return tables.table(
            frame,
            caption="Every answer. n/a: does not apply; ?: not measured.",
            code=["quirk"],
            limit=0,
        )

    def reproduce(self) -> tables.Shown:
        """Show a command for each quirk that was found: with one Python of those that have it."""
        rows = [
            {
                "quirk": quirk,
                "Python": self._labels[group["subject_id"].iloc[0]],
                "command": group["command"].iloc[0],
            }
            for (quirk,), group in groups(self._worse, "quirk")
        ]
        return tables.table(
            pd.DataFrame(rows, columns=["quirk", "Python", "command"]),
            caption="A command for a shell that shows each finding, with one of the Pythons that have it.",
            code=["quirk", "command"],
            limit=10,
        )

    def not_measured(self) -> tables.Shown:
        """Show what could not be measured, and why."""
        unseen = self.readings[self.readings["outcome"] == NOT_MEASURED]
        if not len(unseen):
            return said(
                "Every question that applies was answered." if len(self.readings) else "None was asked."
            )
        rows = [
            {
                "quirk": quirk,
                "Pythons": group["subject_id"].nunique(),
                "which": first_few(self._labels[subject] for subject in group["subject_id"]),
                "why": reason,
            }
            for (quirk, reason), group in unseen.groupby(["quirk", "reason"], sort=False)
        ]
        return tables.table(
            pd.DataFrame(rows), caption="What was not measured, and why.", code=["quirk"], limit=12
        )

    def own_tests(self) -> tables.Shown:
        """Show what a part of CPython's own test suite came to."""
        found = self.evidence.table("regrtest")
        if not len(found):
            return said("CPython's own tests were not run: --own-tests runs a part of them.")
        unable = found[found["module"] == ""]
        ran = found[found["module"] != ""]
        wrong = ran[ran["outcome"].isin(["failed", "timed out"])]
        counts = ran["outcome"].value_counts()
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        shown = pd.concat([wrong, unable])[["subject_id", "module", "outcome", "failures", "message"]]
        if not len(shown):
            return said(f"Of {len(ran)} modules of CPython's own tests none failed ({told}).")
        return tables.table(
            self._named(shown),
            caption=f"CPython's own tests: {told or 'none could be run'}. What failed, or could not be run.",
            code=["module"],
            limit=12,
        )

    def result(self) -> dict[str, Any]:
        """Return the verdicts and key numbers for machines: the last output of the notebook."""
        read = self.readings

        def counted(rows: pd.DataFrame) -> dict[str, int]:
            sizes = rows.groupby("subject_id").size()
            return {str(name): int(sizes.get(name, 0)) for name in self._labels.index}

        return self._result(
            measured=counted(read[read["outcome"] == MEASURED]),
            not_measured=counted(read[read["outcome"] == NOT_MEASURED]),
            quirks=counted(self._worse),
        )


_SIGNS = {NOT_APPLICABLE: "n/a", NOT_MEASURED: "?"}

Article = CompatibilityArticle


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _remedy(group: pd.DataFrame, workaround: str) -> str:
    notes = [
        note for state, note in zip(group["state"], group["note"], strict=True) if state == FIXED and note
    ]
    return "; ".join([*dict.fromkeys(notes), *([workaround] if workaround else [])])
