"""Checks the import rules of docs/architecture.md with import-linter, as the extension is really imported: as one package.

    .venv/engine/bin/python tools/check_imports.py [FOLDER]

The contracts stand in pyproject.toml and speak of `shiage.engine`, `shiage.operators`, ... The repository's folder may have any
name, so what is shipped is linked into a temporary package `shiage`. FOLDER (default: the repository) is what is checked.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("__init__.py", "engine", "operators", "panels")


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        package = Path(temporary, "shiage")
        package.mkdir()
        for part in PARTS:
            (package / part).symlink_to(folder / part)
        command = [Path(sys.executable).with_name("lint-imports"), "--config", ROOT / "pyproject.toml", "--no-cache", "--no-logo"]
        return subprocess.run(command, cwd=temporary, env={**os.environ, "PYTHONPATH": temporary}).returncode


if __name__ == "__main__":
    sys.exit(main())
