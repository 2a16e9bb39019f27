"""What packagers are tried on: each command proves one thing about the artifact that carries it."""

import json
import os
import platform
import signal
import sys
import time
from importlib import metadata, resources
from pathlib import Path

import click

from patient.parts import CHECKS, missing, surroundings

_VARIABLES = ("LD_", "PYTHON", "PEX", "_MEI", "_PYI", "APP", "SSL_", "ARGV0", "OWD", "NUITKA", "SHIV", "SCIE")


@click.group()
def commands():
    """Prove that this artifact works."""


def main():
    """Start it, also as a child of multiprocessing where there is no interpreter to be started."""
    if getattr(sys, "frozen", False):
        import multiprocessing

        multiprocessing.freeze_support()
    commands(prog_name="patient")


def _line(error):
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _asked(question):
    try:
        return question()
    except Exception as error:  # noqa: BLE001
        return "!" + _line(error)[:300]


def _openssl():
    import ssl

    return ssl.OPENSSL_VERSION


def _greeting():
    return resources.files("patient").joinpath("greeting.txt").read_text("utf-8").strip()


def _seen():
    """Return what the program sees of itself; what cannot be seen is a text that starts with ``!``."""
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "file": _asked(lambda: __file__),
        "file_exists": _asked(lambda: Path(__file__).exists()),
        "resource": _asked(_greeting),
        "version": _asked(lambda: metadata.version("patient")),
        "sys_path": sys.path,
        "openssl": _asked(_openssl),
    }


@commands.command()
def run():
    """Use every part; say as JSON which of them works. Exit status 1 if one does not."""
    works, fails = [], {}
    for name, check in CHECKS.items():
        try:
            if name in missing:
                raise missing[name]
            check()
        except Exception as error:  # noqa: BLE001
            fails[name] = _line(error)
        else:
            works.append(name)
    click.echo(json.dumps({"works": works, "fails": fails, **_seen()}))
    for line in fails.values():
        click.echo(line, err=True)
    sys.exit(1 if fails else 0)


def _subprocess():
    import subprocess

    # A frozen program is its own sys.executable, and would take this for its own arguments.
    done = subprocess.run(
        [sys.executable, "-c", "print(6 * 7)"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
    )
    if done.returncode != 0:
        raise OSError(f"exit status {done.returncode}: {done.stderr.decode(errors='replace')[-200:]}")
    return done.stdout.decode(errors="replace").strip()[:60]


def _certificates():
    import ssl

    return ssl.get_default_verify_paths()._asdict()


def _libraries():
    with Path("/proc/self/maps").open(errors="surrogateescape") as stream:
        return sorted({line.split(None, 5)[-1].strip() for line in stream if ".so" in line})


@commands.command()
def facts():
    """Print as JSON all that the program sees of itself and its surroundings."""
    found = _seen()
    found.update(
        {
            "argv0": sys.argv[0],
            "prefix": sys.prefix,
            "base_prefix": sys.base_prefix,
            "frozen": str(getattr(sys, "frozen", "")),
            "unpacked_to": getattr(sys, "_MEIPASS", ""),
            "compiled": str(globals().get("__compiled__", "")),
            "entry_points": _asked(lambda: len(list(metadata.distribution("patient").entry_points))),
            "isolated": sys.flags.isolated,
            "no_user_site": sys.flags.no_user_site,
            "certificates": _asked(_certificates),
            "loader": _asked(lambda: type(__spec__.loader).__name__),
            "working_folder": _asked(os.getcwd),
            "process": _asked(lambda: str(Path("/proc/self/exe").readlink())),
            "parent": _asked(lambda: str(Path(f"/proc/{os.getppid()}/exe").readlink())),
            "variables": {
                name: os.environ[name] for name in sorted(os.environ) if name.startswith(_VARIABLES)
            },
            "libraries": _asked(_libraries),
            "subprocess": _asked(_subprocess),
        }
    )
    found.update({name: _asked(question) for name, question in surroundings().items()})
    click.echo(json.dumps(found, indent=1))


@commands.command("exit")
@click.argument("code", type=int)
def exit_(code):
    """End with this exit status."""
    sys.exit(code)


@commands.command()
def wait():
    """Say ``ready`` and the process's number, then wait; SIGTERM is answered by exit status 7."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))
    click.echo(f"ready {os.getpid()}")
    sys.stdout.flush()
    time.sleep(30)


@commands.command()
def spawn():
    """Let a fresh process of multiprocessing find 42."""
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        click.echo(pool.apply_async(abs, (-42,)).get(20))


@commands.command()
@click.argument("words", nargs=-1)
def args(words):
    """Print as JSON the arguments, standard input and encodings as they arrive."""
    read = None if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    found = {"args": words, "stdin": read, "enc": sys.stdout.encoding, "fsenc": sys.getfilesystemencoding()}
    click.echo(json.dumps(found))


if __name__ == "__main__":
    main()
