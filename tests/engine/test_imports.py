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
    "engine/host/client.py",
    "engine/job/errors.py",
    "lab/__init__.py",
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
        "import bpy\nfrom ..engine import job, models\nfrom ..engine.host import client\nfrom ..engine.job import errors\n"
        "from . import scene\n"
    )
    (skeleton / "panels/__init__.py").write_text("import bpy\nfrom ..engine import models\n")
    (skeleton / "engine/models/flats/__init__.py").write_text("import torch\nfrom ... import job, matching\nfrom . import paint\n")
    (skeleton / "engine/matching/__init__.py").write_text("from .. import drawing\n")
    done = check(skeleton)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "rule"),
    [
        ("operators/__init__.py", "from .. import panels", "Imports run downwards: panels, operators, engine"),
        ("engine/job/__init__.py", "from ... import operators", "Imports run downwards: panels, operators, engine"),
        ("engine/drawing/__init__.py", "import bpy", "The engine knows nothing of Blender"),
        ("operators/__init__.py", "from ..engine import drawing", "Blender's side sees the job, the host and the list of models only"),
        ("panels/__init__.py", "from ..engine.models import flats", "Blender's side sees the job, the host and the list of models only"),
        (
            "operators/scene/__init__.py",
            "from ...engine.drawing import __doc__",
            "Blender's side sees the job, the host and the list of models only",
        ),
        ("engine/models/__init__.py", "import numpy", "The job, the host and the list of models need the standard library only"),
        (
            "engine/host/client.py",
            "import torch",
            "The job, the host and the list of models need the standard library only",
        ),
        ("panels/__init__.py", "import numpy", "On Blender's side only the scene uses numpy, and nothing needs a package"),
        ("operators/scene/__init__.py", "import cv2", "On Blender's side only the scene uses numpy, and nothing needs a package"),
        ("engine/drawing/__init__.py", "from .. import matching", "Inside the engine imports run downwards"),
        ("engine/host/client.py", "from .. import drawing", "Inside the engine imports run downwards"),
        ("engine/job/errors.py", "from .. import host", "Inside the engine imports run downwards"),
        ("engine/job/errors.py", "import lab", "What is shipped needs no laboratory"),
        ("engine/newcomer.py", "", "Inside the engine imports run downwards"),
        ("engine/worker/__init__.py", "from ..models import flats", "Nobody imports a model but the registry"),
        ("engine/models/other/__init__.py", "from ..flats import paint", "A model knows no other model"),
    ],
)
def test_what_breaks_a_rule_is_seen(skeleton: Path, file: str, line: str, rule: str) -> None:
    (skeleton / file).write_text(line + "\n")
    done = check(skeleton)
    assert done.returncode == 1
    assert f"{rule} BROKEN" in done.stdout


def test_a_circle_is_seen_even_where_it_is_for_types_alone(skeleton: Path) -> None:
    (skeleton / "engine/job/errors.py").write_text("from . import lock\n")
    (skeleton / "engine/job/lock.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .errors import A\n")
    (skeleton / "lab/one.py").write_text("from . import other\n")
    (skeleton / "lab/other.py").write_text("from . import one\n")
    done = check(skeleton)
    assert done.returncode == 1
    assert "shiage.engine.job.errors <-> shiage.engine.job.lock" in done.stdout and "lab.one <-> lab.other" in done.stdout
