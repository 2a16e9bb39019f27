from __future__ import annotations

from pyassay.verdicts.model import Level, Reason, Verdict, to_frame


def test_the_worst_level_decides_and_unknown_is_worse_than_caution() -> None:
    assert Level.worst([]) is Level.GOOD
    assert Level.worst([Level.CAUTION, Level.GOOD]) is Level.CAUTION
    assert Level.worst([Level.CAUTION, Level.UNKNOWN]) is Level.UNKNOWN
    assert Level.worst([Level.UNKNOWN, Level.BAD]) is Level.BAD


def test_verdicts_become_rows() -> None:
    reason = Reason(Level.BAD, "why", "needs", {"family": "GLIBC"})
    frame = to_frame([Verdict("a", "portability", Level.BAD, "no", (reason,))])
    assert frame.to_dict("records") == [
        {
            "subject_id": "a",
            "question": "portability",
            "level": "bad",
            "headline": "no",
            "reasons": [{"level": "bad", "text": "why", "table": "needs", "where": {"family": "GLIBC"}}],
        }
    ]
    assert list(to_frame([]).columns) == list(frame.columns)
