"""`python -m lab COMMAND`, from a clone of the repository."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
