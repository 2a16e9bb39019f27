"""What a notebook may be told: declared in a sidecar, checked before a kernel starts.

``notebooks/portability.toml`` stands beside ``notebooks/portability.ipynb``::

    [policy]
    type = "str"
    default = "default"
    description = "What to judge by."

A value that a user types is text, and its declared type decides what it becomes: ``python=3.10`` stays
``"3.10"``.
"""

from __future__ import annotations

import ast
import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["TYPES", "Parameter", "ParameterError", "Parameters", "assignments"]

TYPES: Final = ("str", "int", "float", "bool", "path", "list[str]", "date")
"""What a parameter may be. A ``path`` and a ``date`` (ISO 8601) are text in the notebook."""

_KEYS = ("type", "default", "choices", "minimum", "maximum", "description")
_ANNOTATIONS: Mapping[str, str] = {"path": "str", "date": "str"}
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
_MAX_BYTES = 1 << 20


class ParameterError(ValueError):
    """A parameter, or the declaration of one, is wrong: one line that names it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter.

    Attributes
    ----------
    name : str
        A Python identifier.
    type : str
        One of :data:`TYPES`.
    default : object
        What holds when nothing is said; always of the type.
    choices : tuple
        The only values allowed (for a list: of each item); empty: any.
    minimum, maximum : int, float, date text or None
        Bounds, both allowed.
    description : str
        One sentence for the help.
    """

    name: str
    type: str
    default: Any
    choices: tuple[Any, ...] = ()
    minimum: Any = None
    maximum: Any = None
    description: str = ""

    def parse(self, text: str) -> Any:
        """Return what a user typed as a value of the declared type.

        Raises
        ------
        ParameterError
            If it is none, not among the choices, or out of bounds.
        """
        try:
            value = self._converted(text)
        except ValueError:
            raise ParameterError(f"{self.name}={_brief(text)}: {self._expected()}") from None
        return self.check(value)

    def check(self, value: Any) -> Any:
        """Return a value as the notebook gets it.

        Raises
        ------
        ParameterError
            As :meth:`parse`.
        """
        if isinstance(value, (os.PathLike, date)) and self.type in {"path", "date"}:
            value = os.fspath(value) if isinstance(value, os.PathLike) else value.isoformat()
        if self.type == "list[str]" and isinstance(value, tuple):
            value = list(value)
        if not self._is_of_type(value):
            raise ParameterError(f"{self.name}={_brief(value)}: {self._expected()}")
        if self.choices and any(
            item not in self.choices for item in (value if isinstance(value, list) else [value])
        ):
            raise ParameterError(
                f"{self.name}={_brief(value)}: not one of {', '.join(map(str, self.choices))}"
            )
        low, high = (
            self.minimum is not None and value < self.minimum,
            self.maximum is not None and value > self.maximum,
        )
        if low or high:
            bound = f"less than {self.minimum}" if low else f"more than {self.maximum}"
            raise ParameterError(f"{self.name}={_brief(value)}: {bound}")
        return value

    def _converted(self, text: str) -> Any:
        if self.type == "int":
            return int(text)
        if self.type == "float":
            return float(text)
        if self.type == "bool":
            word = text.strip().lower()
            if word not in _TRUE | _FALSE:
                raise ValueError(text)
            return word in _TRUE
        if self.type == "list[str]":
            return [item.strip() for item in text.split(",") if item.strip()]
        return text

    def _is_of_type(self, value: Any) -> bool:
        if self.type == "float":
            return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if isinstance(value, bool) or self.type == "bool":
            return isinstance(value, bool) and self.type == "bool"
        if isinstance(value, list):
            return self.type == "list[str]" and all(isinstance(item, str) for item in value)
        if isinstance(value, str):
            return self.type in {"str", "path", "date"} and "\0" not in value and self._is_date(value)
        return self.type == "int" and isinstance(value, int)

    def _is_date(self, text: str) -> bool:
        """Return whether text is a date, if it has to be one; empty stands for none."""
        if self.type == "date" and text:
            try:
                date.fromisoformat(text)
            except ValueError:
                return False
        return True

    def _expected(self) -> str:
        return f"must be {_ARTICLES[self.type]}"


_ARTICLES: Mapping[str, str] = {
    "str": "text",
    "path": "a path",
    "date": "a date such as 2026-11-21",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list[str]": "a list, separated by commas",
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """The declared parameters of one notebook, by name."""

    notebook: str
    declared: Mapping[str, Parameter]

    @staticmethod
    def load(notebook: Path) -> Parameters:
        """Read the sidecar of a notebook; a notebook without one takes no parameters.

        Raises
        ------
        ParameterError
            If the sidecar is damaged: one line that names the file, the parameter and the key.
        """
        path = notebook.with_suffix(".toml")
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            return Parameters(notebook.stem, {})
        except OSError as error:
            raise ParameterError(f"{path}: {error.strerror or error}") from error
        if len(content) > _MAX_BYTES:
            raise ParameterError(f"{path}: larger than {_MAX_BYTES} bytes")
        try:
            raw = tomllib.loads(content.decode("utf-8"))
        except ValueError as error:
            raise ParameterError(f"{path}: not TOML: {' '.join(str(error).split())}") from error
        return Parameters(notebook.stem, {name: _declared(path, name, entry) for name, entry in raw.items()})

    def parse(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return typed values for what a user typed; what was not given stays out.

        Raises
        ------
        ParameterError
            At the first unknown name (the nearest one is named) or wrong value.
        """
        return {name: self._named(name).parse(text) for name, text in given.items()}

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return values that a program gave, checked like those of :meth:`parse`."""
        return {name: self._named(name).check(value) for name, value in given.items()}

    def defaults(self) -> dict[str, Any]:
        """Return what holds when nothing is said."""
        return {name: parameter.default for name, parameter in self.declared.items()}

    def help(self) -> str:
        """Return one line for each parameter."""
        lines = []
        for parameter in self.declared.values():
            limits = [f"one of {', '.join(map(str, parameter.choices))}"] if parameter.choices else []
            limits += [f"at least {parameter.minimum}"] if parameter.minimum is not None else []
            limits += [f"at most {parameter.maximum}"] if parameter.maximum is not None else []
            notes = "; ".join([parameter.type, *limits, f"default {parameter.default!r}"])
            lines.append(f"{parameter.name}: {parameter.description or 'no description'} ({notes})")
        return "\n".join(lines)

    def disagreements(self, notebook: NotebookNode) -> list[str]:
        """Return one line for each difference between a notebook's parameters cell and the sidecar."""
        cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        if not cells and not self.declared:
            return []
        if len(cells) != 1:
            return [f"{self.notebook}: {len(cells)} cells have the tag parameters; there must be one"]
        try:
            found = _assigned(cells[0].source)
        except (SyntaxError, ValueError) as error:
            return [f"{self.notebook}: the parameters cell holds more than names and literals: {error}"]
        lines = [
            f"{name}: declared, but not in the parameters cell" for name in self.declared if name not in found
        ]
        for name, (annotation, value) in found.items():
            parameter = self.declared.get(name)
            if parameter is None:
                lines.append(f"{name}: in the parameters cell, but not declared")
                continue
            wanted = _ANNOTATIONS.get(parameter.type, parameter.type)
            if annotation not in {wanted, wanted.partition("[")[0]}:
                lines.append(f"{name}: annotated {annotation or 'nothing'}, declared {wanted}")
            if type(value) is not type(parameter.default) or value != parameter.default:
                lines.append(f"{name}: {value!r} in the parameters cell, {parameter.default!r} declared")
        return [f"{self.notebook}: {line}" for line in lines]

    def _named(self, name: str) -> Parameter:
        if name in self.declared:
            return self.declared[name]
        near = get_close_matches(name, self.declared, n=1, cutoff=0.5)
        listed = ", ".join(self.declared) or "none"
        hint = f"did you mean {near[0]}?" if near else f"there are: {listed}"
        raise ParameterError(f"{_brief(name)}: no parameter of {self.notebook}; {hint}")


def assignments(words: Iterable[str]) -> dict[str, str]:
    """Return ``name=value`` words as a mapping of text to text.

    Raises
    ------
    ParameterError
        If a word has no ``=`` or no name, or a name comes twice.
    """
    values: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise ParameterError(f"{_brief(word)}: must be NAME=VALUE")
        if name in values:
            raise ParameterError(f"{name}: given twice")
        values[name] = value
    return values


def _declared(path: Path, name: str, entry: Any) -> Parameter:
    where = f"{path}: {_brief(name)}"
    if not name.isidentifier() or not isinstance(entry, dict):
        raise ParameterError(f"{where}: must be a section [name]")
    unknown = [key for key in entry if key not in _KEYS]
    if unknown:
        raise ParameterError(f"{where}: {unknown[0]}: no such key; there are: {', '.join(_KEYS)}")
    if entry.get("type") not in TYPES:
        raise ParameterError(f"{where}: type must be one of {', '.join(TYPES)}")
    if "default" not in entry:
        raise ParameterError(f"{where}: has no default")
    kind = entry["type"]
    bare = Parameter(name, kind, None)
    try:
        minimum, maximum = (
            bare.check(entry[key]) if key in entry else None for key in ("minimum", "maximum")
        )
        item = Parameter(name, "str", None) if kind == "list[str]" else bare
        choices = tuple(item.check(choice) for choice in entry.get("choices", ()))
        parameter = Parameter(name, kind, None, choices, minimum, maximum, str(entry.get("description", "")))
        default = parameter.check(entry["default"])
    except (ParameterError, TypeError) as error:
        raise ParameterError(f"{where}: {error}") from error
    if kind == "float":
        default = float(default)
    return Parameter(name, kind, default, choices, minimum, maximum, parameter.description)


def _assigned(source: str) -> dict[str, tuple[str, Any]]:
    """Return annotation and value of each name that a cell assigns; it may hold nothing else but comments."""
    found: dict[str, tuple[str, Any]] = {}
    for statement in ast.parse(source).body:
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and statement.value
        ):
            found[statement.target.id] = (
                ast.unparse(statement.annotation),
                ast.literal_eval(statement.value),
            )
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            found[statement.targets[0].id] = ("", ast.literal_eval(statement.value))
        else:
            raise ValueError(f"line {statement.lineno}")
    return found


def _brief(value: object) -> str:
    text = value if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
