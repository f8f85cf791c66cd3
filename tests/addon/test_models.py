"""Models with weights, as Blender knows them: AniDoc by the button, on tiny random weights."""

import subprocess

import bpy
import pytest
import small_shot
from conftest import REPOSITORY, module

pytestmark = pytest.mark.usefixtures("engine_python")
ENGINE = REPOSITORY / ".venv/engine/bin/python"


@pytest.fixture
def shot(scene, tmp_path):
    """A saved file with a drawn figure, a reference, and AniDoc chosen."""
    small_shot.draw(scene)
    module("operators.references").add(scene.shiage, bpy.data.images.load(str(small_shot.write_reference(tmp_path / "ref.png"))))
    scene.shiage.model = "anidoc"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return scene


def test_the_button_paints_with_the_chosen_weights(shot, tmp_path):
    subprocess.run([ENGINE, REPOSITORY / "tests/engine/tiny_anidoc.py", tmp_path / "tiny"], check=True)
    chosen = shot.shiage.options.anidoc
    chosen.weights, chosen.side, chosen.preset = str(tmp_path / "tiny"), 64, "draft"
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    (strip,) = module("operators.scene.compat").strips(shot.sequence_editor)
    assert len(strip.elements) == 6
    (entry,) = module("operators.session").entries
    assert entry.job.state == "done" and any("random weights" in text for text in entry.warnings)
