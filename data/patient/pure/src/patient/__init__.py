"""What packagers are tried on."""

__version__ = "1.0"
