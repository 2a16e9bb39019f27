"""The parts that packagers must bring along; each is really used, not only imported."""

from importlib import resources

# As of the full patient, whose parts may be lacking.
missing = {}
try:
    import click
except ImportError as error:
    missing["click"] = error


def check_click():
    """Parse by click."""
    if click.IntRange(1, 9).convert("7", None, None) != 7:
        raise AssertionError("click converts wrongly")


def check_data():
    """Read the file that lies beside the modules."""
    if "resource" not in resources.files("patient").joinpath("greeting.txt").read_text("utf-8"):
        raise AssertionError("greeting.txt holds something else")


CHECKS = {"click": check_click, "data": check_data}


def surroundings():
    """Return what the parts say of themselves, and how it is asked."""
    return {}
