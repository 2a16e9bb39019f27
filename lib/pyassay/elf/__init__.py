"""Placeholder; the owner of this package writes its docstring."""
