"""What the article on portability shows of artifacts, and of what was put to the test."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

import pandas as pd

from pyassay import tables
from pyassay.articles.question import said
from pyassay.evidence import Evidence
from pyassay.probes.observations import records
from pyassay.verdicts.claims import claims
from pyassay.verdicts.portability import trials_summary
from pyassay.verdicts.trials import agreement

__all__ = ["agreement_sentence", "artifacts", "put_to_test", "said", "wheels"]

_ABOUT = re.compile(r"^(?:\w*Error: )?(?:/\S+: )*|\s*\(required by [^)]*\)")
_WORDS = {
    "runs": "runs",
    "partial": "runs in part",
    "refused": "refused",
    "unknown": "not known",
    "": "no such release",
}


def agreement_sentence(evidence: Evidence) -> str:
    """Say how many predictions held where they were put to the test."""
    counted = agreement(records(evidence.table("trials")))
    if not counted.tried:
        return "Nothing could be put to the test."
    share = "All" if counted.agree == counted.tried else f"{counted.agree:,} of"
    return f"{share} {counted.tried:,} predictions held where they were put to the test."


def artifacts(evidence: Evidence) -> tables.Shown:
    """Show what is shipped: format, size, exact platform tag and nearest policy."""
    subjects = evidence.table("subjects")
    shipped = subjects[subjects["kind"].isin(["artifact", "image"])]
    if not len(shipped):
        return said("No artifact is among the subjects: these are Pythons only.")
    tags = evidence.table("tags").drop_duplicates("subject_id").set_index("subject_id")
    files = evidence.table("files").groupby("subject_id").size()
    frame = pd.DataFrame(
        {
            "artifact": shipped["label"],
            "what it is": shipped["format"],
            "size": shipped["size_bytes"],
            "ELF files": [int(files.get(subject, 0)) for subject in shipped["subject_id"]],
            "platform tag": [_cell(tags, subject, "tag") for subject in shipped["subject_id"]],
            "nearest policy": [_cell(tags, subject, "policy") for subject in shipped["subject_id"]],
        }
    )
    return tables.table(
        frame,
        caption="What is shipped, and the exact platform tag that all of its ELF files together make.",
        units={"size": "bytes"},
        formats={"size": ",d"},
        limit=20,
    )


def _cell(frame: pd.DataFrame, subject: object, column: str) -> str:
    return str(frame.at[subject, column]) if subject in frame.index else ""


def wheels(evidence: Evidence) -> tables.Shown:
    """Show of every wheel what its tags claim and what its files make."""
    found = evidence.table("wheels")
    if not len(found):
        return said("There is no wheel among the subjects, so no claim to hold against the files.")
    subjects = evidence.table("subjects")
    labels = dict(zip(subjects["subject_id"], subjects["label"], strict=True))
    names = ("wheels", "files", "needs", "symbols", "libraries", "python_symbols")
    rows = {name: records(evidence.table(name)) for name in names}
    broken: dict[tuple[str, str], list[str]] = {}
    prefixes = [(str(row["subject_id"]), str(row["wheel"]), str(row["prefix"])) for row in rows["wheels"]]
    for finding in claims(rows):
        for subject, wheel, prefix in prefixes:
            if subject == finding.subject_id and (finding.file == wheel or finding.file.startswith(prefix)):
                broken.setdefault((subject, wheel), []).append(
                    f"{finding.file.rpartition('/')[2]}: {finding.found}"
                )
    frame = pd.DataFrame(
        [
            {
                "wheel": labels.get(row["subject_id"], row["wheel"]) if not row["prefix"] else row["wheel"],
                "claims": ", ".join(row["claimed"]),
                "its files make": row["tag"]
                or ("no ELF file" if not row["elf_files"] else "several machines"),
                "kept": "no" if broken.get((row["subject_id"], row["wheel"])) else "yes",
                "because": "; ".join(broken.get((row["subject_id"], row["wheel"]), [])[:2]),
            }
            for row in rows["wheels"]
        ]
    )
    return tables.table(
        frame,
        caption="What the tags of each wheel claim, and the exact tag of its files.",
        sort=["kept", "wheel"],
        limit=30,
    )


def _outcome(observed: str, modules: int, refused: int) -> str:
    if observed == "partial":
        return f"runs, {refused} of {modules} modules refuse"
    return f"runs, all {modules} modules" if observed == "runs" and modules else _WORDS[observed]


def _refusals(trials: pd.DataFrame) -> pd.DataFrame:
    """Return what refused, each thing and message once, with the places."""
    refused = trials[trials["outcome"].isin(["refused", "fails"])]
    rows = [
        {
            "what": file,
            "it said": message,
            "in": ", ".join(dict.fromkeys(group["place"])),
            "subjects": group["subject_id"].nunique(),
        }
        for (file, message), group in refused.assign(
            file=[
                "the program" if what == "start" else file.rpartition("/")[2].partition(".")[0]
                for what, file in zip(refused["what"], refused["file"], strict=True)
            ],
            message=refused["message"].map(_said),
        ).groupby(["file", "message"], sort=False)
    ]
    return pd.DataFrame(rows, columns=["what", "it said", "in", "subjects"])


def _said(message: str) -> str:
    """Return a loader's first complaint, without the path of the file that it is about."""
    first = message.partition("; ")[0]
    return _ABOUT.sub("", first)


def put_to_test(evidence: Evidence, matrix: pd.DataFrame, labels: Mapping[str, str]) -> tables.Shown:
    """Show what happened in the places where the subjects were tried, beside what was foretold."""
    trials = evidence.table("trials")
    if not len(trials):
        return said(
            "Nothing was put to the test in this run: every statement above is read from the files. "
            "pyassay report --run tries each Python and artifact in the images at hand."
        )
    counted = agreement(records(evidence.table("trials")))
    summary = trials_summary(trials, matrix)
    tried = summary[summary["observed"] != "not tried"]
    untried = summary[summary["observed"] == "not tried"]
    cells = tried.assign(
        subject=[labels[subject] for subject in tried["subject_id"]],
        cell=[
            _outcome(observed, count, refused)
            for observed, count, refused in zip(
                tried["observed"], tried["modules"], tried["refused"], strict=True
            )
        ],
    )
    places = list(dict.fromkeys(cells["place"]))
    frame = (
        cells.pivot(index="subject", columns="place", values="cell")
        .reindex(list(dict.fromkeys(cells["subject"])))[places]
        .fillna("not tried")
        .reset_index()
    )
    wrong = "".join(f"<li>{escape(tables.shown_text(line))}</li>" for line in counted.disagreements[:20])
    headline = agreement_sentence(evidence)
    shown = tables.table(
        frame,
        caption="What was observed: each program was started and each standard module loaded in every place. "
        "A bare image lacks libraries that a Python needs besides, so some modules refuse there.",
        limit=20,
    )
    refusals = tables.table(
        _refusals(trials),
        caption="Every refusal: what refused, where, and what it said. All were foretold, or stand above.",
        code=["what", "it said"],
        limit=5,
    )
    parts = [tables.Shown(f"<p><strong>{escape(headline)}</strong></p>", headline), shown, refusals]
    if wrong:
        listed = "\n".join(counted.disagreements[:20])
        parts.append(tables.Shown(f"<p>Not as foretold:</p><ul>{wrong}</ul>", f"Not as foretold:\n{listed}"))
    if len(untried):
        parts.append(
            tables.table(
                pd.DataFrame(
                    [
                        {
                            "subject": labels[str(subject)],
                            "not tried in": ", ".join(group["place"]),
                            "because": why,
                        }
                        for (subject, why), group in untried.groupby(["subject_id", "why"], sort=False)
                    ]
                ),
                caption="What was not tried, and why.",
                limit=5,
            )
        )
    return tables.Shown("".join(part.html for part in parts), "\n".join(part.text for part in parts))
