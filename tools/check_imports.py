"""Checks the import rules of docs/architecture.md with import-linter. The extension is imported as one package, as in Blender.

    .venv/engine/bin/python tools/check_imports.py [FOLDER]

The contracts are in pyproject.toml and name `shiage.engine`, `shiage.operators`, ... The repository's folder may have any name, so the
shipped parts are linked into a temporary package `shiage`, with `lab` beside it. FOLDER (default: the repository) is checked. In addition
to the contracts there must be no import circles, not even for types.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import grimp
import networkx

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("__init__.py", "engine", "operators", "panels")


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        package = Path(temporary, "shiage")
        package.mkdir()
        for part in PARTS:
            (package / part).symlink_to(folder / part)
        roots = ["shiage"]
        if (folder / "lab").is_dir():
            Path(temporary, "lab").symlink_to(folder / "lab")
            roots.append("lab")
        command = [Path(sys.executable).with_name("lint-imports"), "--config", ROOT / "pyproject.toml", "--no-cache", "--no-logo"]
        failed = subprocess.run(command, cwd=temporary, env={**os.environ, "PYTHONPATH": temporary}).returncode
        sys.path.insert(0, temporary)
        circles = find_circles(roots)
    print(f"Import circles: {len(circles)}")
    for circle in circles:
        print("  " + " <-> ".join(circle))
    return failed or bool(circles)


def find_circles(roots: list[str]) -> list[list[str]]:
    """Groups of modules of these packages that import each other, directly or indirectly, including imports for types only."""
    graph = grimp.build_graph(*roots, cache_dir=None)
    edges = ((one, other) for one in graph.modules for other in graph.find_modules_directly_imported_by(one))
    imports = networkx.DiGraph((one, other) for one, other in edges if other != "shiage")  # imported for its name only
    return sorted(sorted(group) for group in networkx.strongly_connected_components(imports) if len(group) > 1)


if __name__ == "__main__":
    sys.exit(main())
