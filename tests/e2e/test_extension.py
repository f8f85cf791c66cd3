"""The zip: what is in it, and that Blender takes it."""

import re
import tomllib
import zipfile
from pathlib import Path

from conftest import REPOSITORY, Blender


def test_the_zip_holds_what_runs_and_nothing_else(extension_zip: Path) -> None:
    with zipfile.ZipFile(extension_zip) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    loose = {name for name in names if "/" not in name}
    assert loose == {"__init__.py", "blender_manifest.toml", "LICENSE", "README.md"}
    assert {name.split("/")[0] for name in names} - loose == {"engine", "operators", "panels"}
    weights = {Path(name).name for name in names if name.startswith("engine/matching/weights/")}
    assert weights == {"matcher.safetensors", "matcher.md", "matcher.json"}
    assert {Path(name).suffix for name in names if "/" in name and "/weights/" not in name} <= {".py", ".toml", ".txt"}
    assert "engine/requirements.txt" in names
    assert "engine/models/flats/model.toml" in names


def test_one_version_everywhere(extension_zip: Path) -> None:
    manifest = tomllib.loads((REPOSITORY / "blender_manifest.toml").read_text("utf-8"))
    assert extension_zip.name == f"shiage-{manifest['version']}.zip"
    engine = re.search(r'^VERSION = "(.+)"$', (REPOSITORY / "engine/__init__.py").read_text("utf-8"), re.MULTILINE)
    assert engine and engine[1] == manifest["version"]


def test_blender_itself_finds_the_zip_valid(blender: Blender, extension_zip: Path) -> None:
    done = blender.run("--command", "extension", "validate", extension_zip)
    assert done.returncode == 0, done.stdout


def test_it_is_installed_and_enabled(blender: Blender) -> None:
    done = blender.run("--command", "extension", "list")
    assert done.returncode == 0
    assert re.search(r"shiage.*\[installed\]", done.stdout), done.stdout


def test_it_can_be_disabled_enabled_and_removed_without_a_trace(blender: Blender, tmp_path: Path) -> None:
    script = tmp_path / "toggle.py"
    script.write_text(
        "import addon_utils, bpy\n"
        "name = 'bl_ext.user_default.shiage'\n"
        "for _ in range(2):\n"
        "    addon_utils.disable(name)\n"
        "    assert not hasattr(bpy.types.Scene, 'shiage')\n"
        "    left = [t for t in dir(bpy.types) if t.startswith('SHIAGE_')]\n"
        "    assert not left, left\n"
        "    assert addon_utils.enable(name) is not None\n"
        "    assert hasattr(bpy.types.Scene, 'shiage')\n"
    )
    done = blender.script(script)
    assert "Traceback" not in done.stdout, done.stdout
