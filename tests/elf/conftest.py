"""The small files that gcc and ld build once per session."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus.elf_makers import FOREIGN, make_corpus, write_foreign


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files made by the real compiler and linker, by name."""
    return make_corpus(tmp_path_factory.mktemp("elf_corpus"))


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of other machines, classes and byte orders, written byte by byte."""
    folder = tmp_path_factory.mktemp("elf_foreign")
    made = {machine: folder / machine for machine in FOREIGN}
    for machine, path in made.items():
        path.write_bytes(write_foreign(machine))
    return made
