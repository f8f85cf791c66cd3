"""Load the extension from the repository into bpy, the way Blender loads an installed one. Run with a bpy environment's Python."""

import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = "bl_ext.user_default.shiage"

os.environ["OMP_NUM_THREADS"] = "1"  # of the engines that tests start: what they compute is small, threads would only wait for each other
_resources = tempfile.TemporaryDirectory(prefix="shiage-user-")
os.environ["BLENDER_USER_RESOURCES"] = _resources.name  # before bpy is imported: nobody's own preferences are read or written
_extensions = Path(_resources.name) / "extensions" / "user_default"
_extensions.mkdir(parents=True)
(_extensions / "shiage").symlink_to(REPOSITORY, target_is_directory=True)

bpy = pytest.importorskip("bpy", reason="needs a Python with bpy: .venv/bpy-<version>")
import addon_utils  # noqa: E402  (it is part of bpy)

_STATUS = pytest.StashKey[int]()


def pytest_sessionfinish(session, exitstatus):
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """End without Blender's own end, once all is written: bpy 4.5 can wait there for its threads forever."""
    if _STATUS in config.stash:
        config.get_terminal_writer().flush()
        sys.stdout.flush()
        sys.stderr.flush()
        _resources.cleanup()
        os._exit(config.stash[_STATUS])


def module(name: str):
    """A module of the extension as Blender knows it: module("operators.scene.read.shot")."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def _enable() -> None:
    assert addon_utils.enable(PACKAGE, default_set=True) is not None, "the extension could not be enabled, see the traceback above"


@pytest.fixture(scope="session", autouse=True)
def extension():
    """The enabled extension, disabled again at the end."""
    _enable()
    yield importlib.import_module(PACKAGE)
    addon_utils.disable(PACKAGE, default_set=True)
    assert not hasattr(bpy.types.Scene, "shiage")


def new_scene():
    """The scene of an empty new file, with a camera that sees 7.2 x 4.5 units of the XZ plane from the front, 512 x 320 px."""
    shutil.rmtree(Path(bpy.app.tempdir) / "shiage", ignore_errors=True)  # jobs that an unsaved file of the test before left
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    if PACKAGE not in bpy.context.preferences.addons:
        _enable()
    scene = bpy.context.scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location = (0, -10, 0)
    camera.rotation_euler = (1.5707963267948966, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = 512, 320
    scene.frame_start, scene.frame_end = 1, 12
    bpy.context.view_layer.update()
    return scene


@pytest.fixture
def scene(extension):
    return new_scene()


@pytest.fixture
def engine_python(extension, monkeypatch):
    """The engine of the repository, looked at anew. It stays for the next test, as for an animator's next job; with a job that still runs
    it ends."""
    monkeypatch.setenv("SHIAGE_ENGINE_PYTHON", str(REPOSITORY / ".venv/engine/bin/python"))
    module("operators.engine").refresh_status()
    yield
    session = module("operators.session")
    session.poll_engine()
    if any(entry.live for entry in session.entries):
        session.close_engine()
    session.entries.clear()
