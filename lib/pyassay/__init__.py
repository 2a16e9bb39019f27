"""Measured evidence for the Python you ship."""

from __future__ import annotations

__version__ = "0.1.0"
