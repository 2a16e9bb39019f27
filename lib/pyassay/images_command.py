"""The commands ``pyassay images build`` and ``pyassay images list``.

Nothing heavy is imported here: each command imports what it needs when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pyassay.terminal import json_document, progress_bar, table, tell, write

if TYPE_CHECKING:
    from pyassay.places.base_images import BaseImage
    from pyassay.places.container import Image

__all__ = ["app"]

_NOT_DONE = 3
_SHOWN_ID = 12

app = typer.Typer(
    name="images",
    help="List or build the images to try things in.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command()
def build(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="debian:bookworm: distribution and suite; debian:bookworm+python3: with packages.",
        ),
    ],
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build it even if it is there.")] = False,
    keyring: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What the mirror must be signed by, instead of apt's own keys.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Build base images from the mirror of this host's apt configuration (by mmdebstrap or debootstrap).

    Exits with 3 when one of them could not be had; the others are built all the same.
    """
    from pyassay.places.base_images import BaseImageError
    from pyassay.places.base_images import build as build_images
    from pyassay.places.container import Engine, EngineError, EngineGoneError

    found: list[BaseImage] = []
    failed: list[str] = []
    wanted = list(dict.fromkeys(names))
    try:
        with Engine.connect() as engine, progress_bar("Building images") as bar:
            for number, name in enumerate(wanted):

                def step(done: int, total: int, label: str, number: int = number) -> None:
                    bar(number + done, len(wanted), label)

                try:
                    found += build_images((name,), engine, rebuild=rebuild, keyring=keyring, progress=step)
                except EngineGoneError:
                    raise
                except (BaseImageError, EngineError) as error:
                    failed.append(str(error))
    except EngineError as error:
        failed.append(str(error))
    if as_json:
        write(json_document(images=found, not_built=failed))
    else:
        write(table(("IMAGE", "ID", "PACKAGES", "BUILT"), map(_built_cells, found)) if found else "")
    for line in failed:
        tell(f"pyassay: {line}")
    if failed:
        raise typer.Exit(_NOT_DONE)


@app.command("list")
def list_images(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the images of the Docker engine."""
    from pyassay.places.container import Engine, EngineError

    def cells(image: Image) -> tuple[str, ...]:
        return (
            ", ".join(image.tags) or "(no name)",
            _short(image.id),
            f"{image.os}/{image.architecture}",
            f"{image.size_bytes / 1e6:,.0f} MB",
            f"{image.created:%Y-%m-%d}",
            "pyassay" if "pyassay.base" in dict(image.labels) else "",
        )

    try:
        with Engine.connect() as engine:
            images = engine.images()
    except EngineError as error:
        tell(f"pyassay: {error}")
        raise typer.Exit(_NOT_DONE) from error
    if as_json:
        write(json_document(images=[_plain(image) for image in images]))
    else:
        write(table(("IMAGE", "ID", "PLATFORM", "SIZE", "CREATED", "BUILT BY"), map(cells, images)))


def _built_cells(image: BaseImage) -> tuple[str, ...]:
    how = f"in {image.duration_s:.0f} s by {image.tool}" if image.is_new else "was there"
    return (image.name, _short(image.id), str(len(image.packages)), how)


def _plain(image: Image) -> dict[str, object]:
    from dataclasses import asdict

    return {**asdict(image), "labels": dict(image.labels)}


def _short(identifier: str) -> str:
    return identifier.removeprefix("sha256:")[:_SHOWN_ID]
