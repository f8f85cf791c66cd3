"""Builds the extension: dist/shiage-<version>.zip, checked by Blender's own validator before and after. Prints its path.

python3 tools/make_zip.py [--out DIR]
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import environments

ROOT = environments.ROOT


def make_zip(out: Path) -> Path:
    """Build the zip. Raises EnvironmentFailure when the tools are not available, SystemExit when the extension is not valid."""
    python = environments.ensure_environment("bpy-5.2")
    scripts = next(python.parents[1].glob("lib/python*/site-packages/bpy/5.2/scripts"))
    tool = [python, scripts / "addons_core/bl_pkg/cli/blender_ext.py"]
    tags = f"--valid-tags={scripts / 'modules/_bpy_internal/extensions/tags.py'}"
    out.mkdir(parents=True, exist_ok=True)
    _run_command([*tool, "validate", tags, ROOT])
    path = out / f"shiage-{read_version()}.zip"
    _run_command([*tool, "build", tags, "--source-dir", ROOT, "--output-filepath", path])
    _run_command([*tool, "validate", tags, path])
    return path


def read_version() -> str:
    """The extension's version, which is only in its manifest."""
    found = re.search(r'^version = "(.+)"$', (ROOT / "blender_manifest.toml").read_text("utf-8"), re.MULTILINE)
    if found is None:
        sys.exit("blender_manifest.toml has no version.")
    return found[1]


def _run_command(command: list[object]) -> None:
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build the extension's zip.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder to put it in (default: dist)")
    try:
        print(make_zip(parser.parse_args().out.resolve()))
    except environments.EnvironmentFailure as error:
        sys.exit(f"The zip can't be built: {error}")
