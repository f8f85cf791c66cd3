"""The engine's command line: `python -m engine COMMAND`. Exit codes: 0 done, 2 bad input, 3 engine missing, 4 job failed, 130 cancelled."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # a person may have pointed to any Python, and is told so
    print("Shiage's engine needs Python 3.11 or newer", file=sys.stderr)
    sys.exit(3)

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
