"""``python -m pyassay``: the same as the command ``pyassay``."""

from pyassay.cli import main

if __name__ == "__main__":
    main()
