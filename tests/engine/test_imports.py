"""The import rules are checked by a tool: does it see what breaks them?"""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _layers() -> list[str]:
    """The layers inside the engine that pyproject.toml lists: a new one needs no word here."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (contract,) = [c for c in contracts if c["name"] == "Inside the engine imports run downwards"]
    return [name.strip() for layer in contract["layers"] for name in layer.split(":")]


SKELETON = [
    "__init__.py",
    "panels/__init__.py",
    "operators/__init__.py",
    "operators/scene/__init__.py",
    "engine/__init__.py",
    *(f"engine/{name}/__init__.py" if (ROOT / "engine" / name).is_dir() else f"engine/{name}.py" for name in _layers()),
    "engine/models/flats/__init__.py",
    "engine/models/flats/paint.py",
    "engine/models/other/__init__.py",
]


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, ROOT / "tools/check_imports.py", folder], capture_output=True, text=True)


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    for name in SKELETON:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path


def test_what_is_allowed_passes(skeleton: Path) -> None:
    (skeleton / "operators/scene/__init__.py").write_text("import numpy, bpy\nfrom ...engine import job\n")
    (skeleton / "operators/__init__.py").write_text(
        "import bpy\nfrom ..engine import client, environment, errors, messages, models\nfrom . import scene\n"
    )
    (skeleton / "panels/__init__.py").write_text("import bpy\nfrom ..engine import models\n")
    (skeleton / "engine/models/flats/__init__.py").write_text("import torch\nfrom ... import job, matching\nfrom . import paint\n")
    (skeleton / "engine/matching/__init__.py").write_text("from .. import regions, sketch\n")
    done = check(skeleton)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "rule"),
    [
        ("operators/__init__.py", "from .. import panels", "Imports run downwards: panels, operators, engine"),
        ("engine/job.py", "from .. import operators", "Imports run downwards: panels, operators, engine"),
        ("engine/sketch/__init__.py", "import bpy", "The engine knows nothing of Blender"),
        ("operators/__init__.py", "from ..engine import sketch", "Blender's side sees the engine's face only"),
        ("panels/__init__.py", "from ..engine.models import flats", "Blender's side sees the engine's face only"),
        ("operators/scene/__init__.py", "from ...engine.colors import palette", "Blender's side sees the engine's face only"),
        ("engine/models/__init__.py", "import numpy", "The engine's face needs the standard library only"),
        ("engine/client.py", "from . import sketch\nimport torch", "The engine's face needs the standard library only"),
        ("panels/__init__.py", "import numpy", "On Blender's side only the scene uses numpy, and nothing needs a package"),
        ("operators/scene/__init__.py", "import cv2", "On Blender's side only the scene uses numpy, and nothing needs a package"),
        ("engine/sketch/__init__.py", "from .. import regions", "Inside the engine imports run downwards"),
        ("engine/regions/__init__.py", "from .. import matching", "Inside the engine imports run downwards"),
        ("engine/errors.py", "from . import job", "Inside the engine imports run downwards"),
        ("engine/newcomer.py", "", "Inside the engine imports run downwards"),
        ("engine/worker.py", "from .models import flats", "Nobody imports a model but the registry"),
        ("engine/models/other/__init__.py", "from ..flats import paint", "A model knows no other model"),
    ],
)
def test_what_breaks_a_rule_is_seen(skeleton: Path, file: str, line: str, rule: str) -> None:
    (skeleton / file).write_text(line + "\n")
    done = check(skeleton)
    assert done.returncode == 1
    assert f"{rule} BROKEN" in done.stdout
