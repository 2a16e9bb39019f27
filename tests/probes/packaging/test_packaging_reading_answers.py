import json

import pytest
from corpus.hand_packed import candidate, project, script
from pyassay.places.host import Completed
from pyassay.probes.packaging.behaviour import CHECKS, judge_check
from pyassay.probes.packaging.catalogue import ROOMS, catalogue
from pyassay.probes.packaging.circumstances import _SCRIPTS
from pyassay.probes.packaging.scripts import answers
from pyassay.probes.packaging.telling import telling_line, worked, works


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            "Traceback:\n  File x\nImportError: libssl.so.3: cannot open shared object file: No\n\nbye",
            "ImportError: libssl.so.3: cannot open shared object file: No",
        ),
        (
            "./a: /lib/libc.so.6: version `GLIBC_2.34' not found (required by ./a)\n./a: again\n",
            "./a: /lib/libc.so.6: version `GLIBC_2.34' not found (required by ./a)",
        ),
        ("fuse: device not found, try 'modprobe fuse' first\n\nsee docs\n", "fuse: device not found, try"),
        ("/usr/bin/env: 'python3.12': No such file or directory\n", "python3.12"),
        ("one\ntwo\n", "two"),
        ("", "it said nothing"),
    ],
)
def test_the_line_that_names_a_library_tells_most(said, line):
    found = telling_line(said.encode())
    assert line in found
    assert "\n" not in found


def test_names_made_for_one_run_are_cut():
    said = b"[PYI-38:ERROR] cannot open shared object file: /tmp/pyassay-run-17/tmp/_MEI0001xYz/libfoo.so\n"
    assert telling_line(said) == "[PYI:ERROR] cannot open shared object file: tmp/_MEI*/libfoo.so"
    hostile = telling_line(b"Error: \x1b[31m\x00\x07" + b"x" * 5000)
    assert len(hostile) <= 300
    assert hostile.isprintable()


def test_a_part_that_is_named_among_the_failures_does_not_work():
    said = json.dumps({"works": ["pycurl"], "fails": {"psycopg2": "ImportError"}}).encode()
    assert works(said, ("psycopg2", "pycurl")) == ("pycurl",)
    assert not worked(said, ("psycopg2", "pycurl"))
    assert worked(said, ("pycurl",))
    assert not worked(b"", ("pycurl",))


def test_another_projects_words_count_as_text():
    assert worked(b"server up, cache up\n", ("server up", "cache up"))
    assert not worked(b"server up\n", ("server up", "cache up"))


def test_the_catalogue_is_complete():
    keys = [one.key for one in catalogue()]
    assert len(set(keys)) == len(keys)
    assert set(CHECKS) <= set(keys)
    for one in catalogue():
        assert one.room in ROOMS
        assert one.room in _SCRIPTS
        assert one.title
        assert one.why.endswith(".")
        assert one.only_for_the_patient == (one.key in CHECKS)


def test_foreign_modules_count_against_a_check_that_works(tmp_path):
    one = candidate(script(tmp_path, "#!/bin/sh\n"), of=project())
    good = b'{"works": ["part"]}'
    done = Completed(("x",), 0, good, b"", timed_out=False, truncated=False, duration_s=0.1)
    assert judge_check(done, one).outcome == "works"
    done = Completed(("x",), 0, good, b"PYASSAY-PLANTED json\n", False, False, 0.1)
    assert (judge_check(done, one).outcome, judge_check(done, one).seen) == (
        "fails",
        "imported the foreign json",
    )
    done = Completed(("x",), -9, b"", b"", True, False, 60.0)
    assert judge_check(done, one).seen.startswith("not done in time")


def test_what_scripts_print_is_read_line_by_line():
    assert answers(b"noise = 1\nstatus=7\nnames=a b \n\xff=\n") == {"status": "7", "names": "a b"}
