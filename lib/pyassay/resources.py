"""Where the notebooks and the data lie: beside the checkout, or inside the installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def share(*parts: str) -> Path:
    """Return the path of a shipped file, such as ``share("notebooks", "portability.ipynb")``.

    A wheel carries ``notebooks/`` and ``data/`` under ``pyassay/share``; a checkout has them at its top.

    Raises
    ------
    FileNotFoundError
        If neither place has it; the message names the file.
    """
    for root in (_PACKAGE / "share", _PACKAGE.parents[1]):
        candidate = root.joinpath(*parts)
        if candidate.exists():
            return candidate
    raise FileNotFoundError(f"{'/'.join(parts)}: not part of this pyassay installation")
