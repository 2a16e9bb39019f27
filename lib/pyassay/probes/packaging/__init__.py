"""Packaging: one application packed in every form, tried everywhere."""
