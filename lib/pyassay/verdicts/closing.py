"""What would close open advisories: whom to ask, and which command brings the fix."""

from __future__ import annotations

from pyassay.verdicts.advisories import component_name

__all__ = ["what_closes"]


def what_closes(
    *,
    component: str,
    wanted: str,
    without_fix: int,
    package: str,
    installed: str,
    candidate: str,
    builder: str,
    installer: str,
    in_packages: bool,
) -> str:
    """Return one sentence.

    Parameters
    ----------
    component : str
        ``openssl``.
    wanted : str
        The release that fixes all that can be fixed; empty: none does.
    without_fix : int
        How many of the open ones no release of the branch fixes.
    package, installed, candidate : str
        The package that owns the file, its version, and the newest in apt's lists; empty: none, not known.
    builder, installer : str
        Keys of who built the interpreter, and who put it there.
    in_packages : bool
        It belongs to an installed package, not to the interpreter.
    """
    name = f"{component_name(component)} {wanted}".strip()
    verb = "has" if without_fix == 1 else "have"
    rest = f"; {without_fix} {verb} no public fix on this branch" if without_fix else ""
    if package:
        if candidate and candidate != installed:
            return f"apt upgrade {package}: {candidate} is in apt's lists, {installed} is installed{rest}"
        own = f"{package} {installed}"
        if candidate:
            return f"apt's lists know no newer package than {own}{rest}"
        return f"whether there is a newer package than {own} is not known{rest}"
    if not wanted:
        upstream = component_name(component)
        return f"no release of this branch fixes them: only another branch of {upstream} does"
    if in_packages:
        return f"a release of that package built with {name} or newer{rest}"
    return f"{_by(builder, installer, component, name)}{rest}"


def _by(builder: str, installer: str, component: str, name: str) -> str:
    if builder == "python-build-standalone" and installer not in ("", "uv"):
        return f"a build with {name} or newer, from whoever bundles it ({installer})"
    if builder in ("pyenv", "source"):
        return _COMPILED.get(component, "{name} or newer, and Python compiled against it").format(name=name)
    key = "uv" if installer == "uv" else builder
    return _BUILT.get(key, "a build with {name} or newer").format(name=name)


_COMPILED = {
    "cpython": "compile {name} or newer (pyenv install) and make its environments anew",
    "expat": "compile a newer CPython, which brings {name} or newer along",
}
_BUILT = {
    "uv": "a build with {name} or newer: uv self update, then uv python upgrade",
    "python-build-standalone": "a build of python-build-standalone with {name} or newer",
    "docker-official": "docker pull an image with {name} or newer",
}
