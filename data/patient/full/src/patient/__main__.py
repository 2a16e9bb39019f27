"""Started by ``python -m patient``, and by packagers that want a script."""

from patient.cli import main

if __name__ == "__main__":
    main()
