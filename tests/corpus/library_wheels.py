"""Wheels that carry libraries, and which: read from them by hand, with `strings`, `nm` and a disassembler."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

_PLATFORMS = {
    "x86_64": [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 26, 24, 17, 12, 5)]
    + ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"],
    "aarch64": [f"manylinux_2_{minor}_aarch64" for minor in (28, 27, 26, 17)] + ["manylinux2014_aarch64"],
}


class Inside(NamedTuple):
    """A library in a file of a wheel; without a version: it is there, and its version is nowhere."""

    wheel: str
    member: str
    library: str
    version: str
    linkage: str = "vendored shared"


STATIC = "static"
INSIDE: tuple[Inside, ...] = (
    Inside("apsw==3.54.1.0", "apsw/__init__.cpython-312-x86_64-linux-gnu.so", "sqlite", "3.54.1", STATIC),
    Inside("apsw==3.54.1.0", "apsw/sqlite_extra_binaries/compress.so", "zlib", "1.3.2", STATIC),
    Inside("awscrt==0.38.1", "_awscrt.abi3.so", "aws_lc", "5.12.0", STATIC),
    Inside(
        "confluent-kafka==2.16.1", "confluent_kafka.libs/librdkafka-0cb94173.so.1", "openssl", "3.5.8", STATIC
    ),
    Inside(
        "confluent-kafka==2.16.1", "confluent_kafka.libs/librdkafka-0cb94173.so.1", "zlib", "1.3.2", STATIC
    ),
    Inside(
        "confluent-kafka==2.16.1", "confluent_kafka.libs/librdkafka-0cb94173.so.1", "zstd", "1.5.7", STATIC
    ),
    Inside(
        "cryptography==3.4.8", "cryptography/hazmat/bindings/_openssl.abi3.so", "openssl", "1.1.1l", STATIC
    ),
    Inside(
        "cryptography==38.0.4", "cryptography/hazmat/bindings/_openssl.abi3.so", "openssl", "3.0.7", STATIC
    ),
    Inside(
        "cryptography==39.0.0", "cryptography/hazmat/bindings/_openssl.abi3.so", "openssl", "3.0.7", STATIC
    ),
    Inside("cryptography==41.0.7", "cryptography/hazmat/bindings/_rust.abi3.so", "openssl", "3.1.4", STATIC),
    Inside("cryptography==42.0.8", "cryptography/hazmat/bindings/_rust.abi3.so", "openssl", "3.2.2", STATIC),
    Inside("cryptography==43.0.1", "cryptography/hazmat/bindings/_rust.abi3.so", "openssl", "3.3.2", STATIC),
    Inside("cryptography==44.0.1", "cryptography/hazmat/bindings/_rust.abi3.so", "openssl", "3.4.1", STATIC),
    Inside("cryptography==45.0.7", "cryptography/hazmat/bindings/_rust.abi3.so", "openssl", "3.5.2", STATIC),
    Inside("cryptography==46.0.5", "cryptography/hazmat/bindings/_rust.abi3.so", "openssl", "3.5.5", STATIC),
    Inside("cryptography==50.0.2", "cryptography/hazmat/bindings/_rust.abi3.so", "openssl", "4.0.3", STATIC),
    Inside("curl-cffi==0.17.0", "curl_cffi/_wrapper.abi3.so", "boringssl", "", STATIC),
    Inside("curl-cffi==0.17.0", "curl_cffi/_wrapper.abi3.so", "curl", "8.23.0", STATIC),
    Inside("curl-cffi==0.17.0", "curl_cffi/_wrapper.abi3.so", "zlib", "1.3.1", STATIC),
    Inside("duckdb==2.0.0", "_duckdb.abi3.so", "zstd", "", STATIC),
    Inside("grpcio==1.85.1", "grpc/_cython/cygrpc.cpython-312-x86_64-linux-gnu.so", "boringssl", "", STATIC),
    Inside(
        "grpcio==1.85.1", "grpc/_cython/cygrpc.cpython-312-x86_64-linux-gnu.so", "zlib", "1.3.1.1", STATIC
    ),
    Inside("lxml==6.1.3", "lxml/etree.cpython-312-x86_64-linux-gnu.so", "zlib", "1.3.2", STATIC),
    Inside("lxml==6.1.3", "lxml/objectify.cpython-312-x86_64-linux-gnu.so", "zlib", "1.3.2", STATIC),
    Inside("pillow==13.0.0", "pillow.libs/libfreetype-57f805ba.so.6.20.6", "bzip2", "1.0.8", STATIC),
    Inside("pillow==13.0.0", "pillow.libs/liblzma-de26b416.so.5.8.4", "xz", "5.8.4"),
    Inside("pillow==13.0.0", "pillow.libs/libzstd-40ad5e7e.so.1.5.7", "zstd", "1.5.7"),
    Inside("psycopg2-binary==2.9.13", "psycopg2_binary.libs/libcrypto-fb8d5b21.so.3", "openssl", "3.5.8"),
    Inside("psycopg2-binary==2.9.13", "psycopg2_binary.libs/libssl-8bd944e8.so.3", "openssl", "3.5.8"),
    Inside("psycopg2-binary==2.9.13", "psycopg2_binary.libs/libkrb5-fcafa220.so.3.3", "krb5", "1.15.1"),
    Inside("psycopg2-binary==2.9.13", "psycopg2_binary.libs/libpq-a17e3caa.so.5.17", "libpq", "17.11"),
    Inside("psycopg2-binary==2.9.9", "psycopg2_binary.libs/libssl-3e69114b.so.1.1", "openssl", "1.1.1w"),
    Inside("psycopg2-binary==2.9.9", "psycopg2_binary.libs/libcrypto-0628e7d4.so.1.1", "openssl", "1.1.1w"),
    Inside("psycopg2-binary==2.9.9", "psycopg2_binary.libs/libkrb5-fcafa220.so.3.3", "krb5", "1.15.1"),
    Inside("psycopg-binary==3.3.9", "psycopg_binary.libs/libcrypto-3a0647ea.so.3", "openssl", "3.5.9"),
    Inside("psycopg-binary==3.3.9", "psycopg_binary.libs/libkrb5-f18b4d11.so.3.3", "krb5", "1.22.2"),
    Inside("psycopg-binary==3.3.9", "psycopg_binary.libs/libpq-e9b5c9ac.so.5.18", "libpq", "18.6"),
    Inside("pycurl==7.49.0", "pycurl.libs/libcrypto-fa202293.so.3", "openssl", "3.6.5"),
    Inside("pycurl==7.49.0", "pycurl.libs/libcurl-330bcbb6.so.4.8.0", "curl", "8.23.0"),
    Inside("pycurl==7.49.0", "pycurl.libs/libkrb5-d2bd9c2b.so.3.3", "krb5", "1.22.2"),
    Inside("pymssql==2.4.6", "pymssql.libs/libcrypto-64b40125.so.1.1.1k", "openssl", "1.1.1k"),
    Inside("pymssql==2.4.6", "pymssql.libs/libssl-7f59e8e2.so.1.1.1k", "openssl", "1.1.1k"),
    Inside("pymssql==2.4.6", "pymssql.libs/libkrb5-d4b313c5.so.3.3", "krb5", "1.18.2"),
    Inside(
        "pysqlite3-binary==0.5.4.post2",
        "pysqlite3/_sqlite3.cpython-312-x86_64-linux-gnu.so",
        "sqlite",
        "3.51.1",
        STATIC,
    ),
    Inside(
        "pysqlite3-binary==0.5.4.post2",
        "pysqlite3_binary.libs/libsqlite3-e9f4411a.so.0.8.6",
        "sqlite",
        "3.7.17",
    ),
    Inside(
        "sqlcipher3-binary==0.6.0",
        "sqlcipher3/_sqlite3.cpython-312-x86_64-linux-gnu.so",
        "sqlite",
        "3.51.1",
        STATIC,
    ),
    Inside("sqlcipher3-binary==0.6.0", "sqlcipher3_binary.libs/libcrypto-0dcfa43e.so.3", "openssl", "3.5.4"),
    Inside("uv==0.13.8", "uv-0.13.8.data/scripts/uv", "aws_lc", "", STATIC),
    Inside("zlib-ng==1.1.0", "zlib_ng/zlib_ng.cpython-312-x86_64-linux-gnu.so", "zlib_ng", "2.3.3", STATIC),
)
# Nothing that has a signature is in them.
EMPTY = ("aiohttp==3.14.5", "pyzmq==27.3.0", "rpds-py==2026.9.1")


def fetch(requirements: Iterable[str], folder: Path, machine: str = "x86_64") -> dict[str, Path]:
    """Fetch pinned wheels for CPython 3.12; skips the test where no registry answers."""
    found: dict[str, Path] = {}
    left = list(dict.fromkeys(requirements))
    while left:
        # pip takes one version of a project at a time.
        turn = {requirement.partition("==")[0]: requirement for requirement in left}
        left = [requirement for requirement in left if requirement not in turn.values()]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--disable-pip-version-check", "--python-version=3.12", "--dest", os.fspath(folder)]
        command += [f"--platform={name}" for name in _PLATFORMS[machine]]
        done = subprocess.run(
            [*command, *turn.values()], capture_output=True, text=True, timeout=240, check=False
        )
        if done.returncode:
            pytest.skip(f"no wheels to be had from a registry: {done.stderr.strip().splitlines()[-1][:200]}")
        for requirement in turn.values():
            project, _, version = requirement.partition("==")
            (found[requirement],) = folder.glob(f"{project.replace('-', '_')}-{version}-*.whl")
    return found
