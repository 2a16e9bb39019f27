"""The same notebook for the same content: nothing in it that two equal runs may differ in."""

from __future__ import annotations

import copy
import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING

from pyassay.theme import MIME

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["canonical"]

_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
_CELL_FILE = re.compile(r"[^\s\"']*/ipykernel_\d+/\d+\.py")


def canonical(nb: NotebookNode) -> NotebookNode:
    """Return a copy of an executed notebook without times, random ids, addresses and the state of widgets.

    Cells are named by their content, chunks of one stream are joined (their number depends on timing), and
    papermill's record of the run is dropped.
    """
    nb = copy.deepcopy(nb)
    nb.metadata.pop("papermill", None)
    nb.metadata.pop("widgets", None)
    language = nb.metadata.get("language_info", {})
    nb.metadata["language_info"] = {"name": language.get("name", "python")}
    seen: Counter[str] = Counter()
    for cell in nb.cells:
        for key in ("papermill", "execution", "ExecuteTime", "collapsed", "scrolled"):
            cell.metadata.pop(key, None)
        digest = hashlib.sha256(f"{cell.cell_type}\0{cell.source}".encode()).hexdigest()[:8]
        seen[digest] += 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        if cell.cell_type == "code":
            cell["outputs"] = _joined(cell.outputs)
    nb.nbformat, nb.nbformat_minor = 4, 5
    return nb


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    result: list[NotebookNode] = []
    for output in outputs:
        kind = output.output_type
        if kind == "stream":
            if result and result[-1].output_type == "stream" and result[-1].name == output.name:
                result[-1]["text"] = _unaddressed(result[-1].text + output.text)
                continue
            output["text"] = _unaddressed(output.text)
        elif kind == "error":
            output["traceback"] = [_unaddressed(line) for line in output.traceback]
            output["evalue"] = _unaddressed(output.evalue)
        else:
            output["metadata"] = {key: value for key, value in output.metadata.items() if key == "pyassay"}
            for mime, content in output.data.items():
                if isinstance(content, str) and mime != MIME:
                    output.data[mime] = _unaddressed(content)
        result.append(output)
    return result


def _unaddressed(text: str) -> str:
    return _CELL_FILE.sub("cell.py", _ADDRESS.sub("at 0x…", text))
