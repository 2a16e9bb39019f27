"""TLS: what each Python does, found by connections inside one process, against servers made for it."""

from __future__ import annotations

import re
import shutil
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from corpus.asked_quirks import names_of
from pyassay.places.host import run
from pyassay.probes.quirks import catalogue
from pyassay.subjects import Interpreter

Ask = Callable[..., Any]
BuiltBy = Callable[[str], Interpreter]

QUIRKS = [quirk.id for quirk in catalogue().values() if quirk.consequence == "tls"]


def _version(one: Interpreter) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", one.version)[:2])


@pytest.mark.parametrize("quirk", QUIRKS)
def test_every_script_gives_an_answer_of_the_catalogue(
    typical: Interpreter, quirk: str, ask_catalogued: Ask
) -> None:
    seen = ask_catalogued(quirk, typical.executable)
    if _version(typical) >= (3, 8) and quirk not in ("default_ca", "openssl_paths"):
        assert seen.outcome == "measured", seen.reason


def test_the_system_s_python_follows_the_system(built_by: BuiltBy, ask_catalogued: Ask) -> None:
    debian = built_by("debian")

    def answer(quirk: str) -> str:
        return ask_catalogued(quirk, debian.executable).answer

    assert answer("openssl_linkage") == "system"
    assert answer("ca_lookup") == "both"
    assert answer("bad_certificates") == "refused"
    assert answer("crypto_policy") == "honoured"
    assert answer("cipher_defaults") == "openssl"


def test_a_standalone_build_carries_an_openssl_without_its_folders(
    built_by: BuiltBy, ask_catalogued: Ask
) -> None:
    standalone = built_by("python-build-standalone")
    linkage = ask_catalogued("openssl_linkage", standalone.executable)
    assert linkage.answer == "static"
    assert linkage.details["files"] == []
    # The loader's answer and the bytes agree: the module is looked for where the build machine had it.
    legacy = ask_catalogued("legacy_provider", standalone.executable)
    paths = ask_catalogued("openssl_paths", standalone.executable)
    assert legacy.answer == "fails"
    assert not Path(legacy.details["modules_folder"]).exists()
    assert "MODULESDIR" in paths.details["missing"]
    assert ask_catalogued("crypto_policy", standalone.executable).answer == "ignored"
    assert ask_catalogued("ca_lookup", standalone.executable).answer == "both"


def test_a_plain_build_keeps_its_own_list_of_ciphers(built_by: BuiltBy, ask_catalogued: Ask) -> None:
    plain = built_by("pyenv")
    if _version(plain) < (3, 10):
        pytest.skip("CPython's own minimum came with 3.10")
    assert ask_catalogued("cipher_defaults", plain.executable).answer == "cpython"
    assert ask_catalogued("crypto_policy", plain.executable).answer == "ignored"


def test_certificates_are_counted_where_they_lie(built_by: BuiltBy, ask: Ask) -> None:
    seen = ask("default_ca", built_by("debian").executable)
    if seen.outcome != "measured":
        pytest.skip(seen.reason)
    file, folder = Path(seen.details["file"]), Path(seen.details["folder"])
    in_file = file.read_bytes().count(b"BEGIN CERTIFICATE") if file.is_file() else 0
    hashed = [path for path in folder.glob("*.[0-9]") if path.exists()] if folder.is_dir() else []
    assert seen.details["certificates_in_file"] == in_file
    assert seen.details["names_in_folder"] == len(hashed)
    assert (
        seen.answer
        == {(True, True): "both", (True, False): "file", (False, True): "directory"}[
            bool(in_file), bool(hashed)
        ]
    )


def test_settings_from_outside_do_not_mislead(built_by: BuiltBy, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    there = {"SSL_CERT_FILE": str(tmp_path / "empty.pem"), "SSL_CERT_DIR": str(tmp_path)}
    executable = built_by("debian").executable
    assert ask("default_ca", executable, environment=there) == ask("default_ca", executable)
    assert ask("ca_lookup", executable, environment=there).answer == "both"


def test_the_certificates_outlive_us_all(tmp_path: Path) -> None:
    given = names_of("bad_certificates")
    for name, valid_until in (("AUTHORITY", 2110), ("SERVER", 2110), ("EXPIRED", None)):
        path = tmp_path / f"{name}.pem"
        path.write_text(given[name])
        decoded = ssl._ssl._test_decode_cert(str(path))
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(decoded["notAfter"]), UTC)
        assert (ends.year > valid_until) if valid_until else (ends < datetime(2021, 1, 1, tzinfo=UTC))


def test_the_hashed_name_is_that_of_the_authority(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    given = names_of("ca_lookup")
    authority = tmp_path / "authority.pem"
    authority.write_text(given["AUTHORITY"])
    ended = run(["openssl", "x509", "-noout", "-hash", "-in", authority], timeout_s=10)
    hashed = ended.stdout.decode().strip()
    assert re.fullmatch("[0-9a-f]{8}", hashed)
    assert given["HASHED_NAME"] == f"{hashed}.0"
