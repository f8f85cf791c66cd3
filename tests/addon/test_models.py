"""Models with weights, as Blender knows them: AniDoc by the button, on tiny random weights."""

import importlib
import subprocess
import sys

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
    module("operators.references").add_reference(scene.shiage, bpy.data.images.load(str(small_shot.write_reference(tmp_path / "ref.png"))))
    scene.shiage.model = "anidoc"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return scene


def test_the_button_paints_with_the_chosen_weights(shot, tmp_path):
    subprocess.run([ENGINE, REPOSITORY / "tests/engine/tiny_anidoc.py", tmp_path / "tiny"], check=True)
    chosen = shot.shiage.options.anidoc
    chosen.weights, chosen.side, chosen.preset = str(tmp_path / "tiny"), 64, "draft"
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    (strip,) = module("operators.scene.compat").get_strips(shot.sequence_editor)
    assert len(strip.elements) == 6
    entry = module("operators.session").entries[0]
    assert entry.job.state == "done" and any("random weights" in text for text in entry.warnings)


# --- weights --------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that has AniDoc's repositories, with small files; Blender may go online, and has no weights."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "tests/engine"))
    toy_hub = importlib.import_module("toy_hub")
    monkeypatch.setenv("SHIAGE_WEIGHTS", str(tmp_path / "weights"))
    sources = module("engine.models").info("anidoc").weights
    system = bpy.context.preferences.system
    before, system.use_online_access = system.use_online_access, True
    with toy_hub.running({s.repository: {s.prefix + file: b"{}" for file in s.files} for s in sources}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        module("operators.weights").refresh_missing()
        yield server
    system.use_online_access = before
    monkeypatch.undo()
    module("operators.weights").refresh_missing()


def refused(operator, **arguments) -> str:
    with pytest.raises(RuntimeError) as caught:
        operator(**arguments)
    return str(caught.value)


def test_weights_are_got_once_their_licenses_are_accepted(shot, hub, tmp_path):
    weights = module("operators.weights")
    assert len(weights.missing["anidoc"]) == 9 and not weights.missing["flats"]
    assert "Get the model's weights first" in refused(bpy.ops.shiage.colorize_shot)
    assert "accept the licenses first" in refused(bpy.ops.shiage.get_weights, model="anidoc")
    assert hub.served == [], "nothing is fetched unasked"
    assert bpy.ops.shiage.get_weights(model="anidoc", accept=True) == {"FINISHED"}
    assert weights.missing["anidoc"] == [] and weights.getting is None
    assert (tmp_path / "weights/anidoc/unet/config.json").read_bytes() == b"{}"
    assert weights.find_obstacle(shot, shot.shiage.model) == ""
    (tmp_path / "weights/anidoc/unet/config.json").unlink()
    assert bpy.ops.shiage.look_for_weights() == {"FINISHED"} and weights.missing["anidoc"] == ["unet/config.json"]
    assert bpy.ops.shiage.get_weights(model="anidoc") == {"FINISHED"}, "the licenses were accepted"


def test_weights_that_are_put_in_place_by_hand_are_missed(shot, hub, tmp_path):
    weights = module("operators.weights")
    assert weights.empty >= {"lvcd"} and not weights.empty & {"anidoc", "flats", "vector"}
    shot.shiage.model = "lvcd"
    assert "Put the model's weights in place first" in refused(bpy.ops.shiage.colorize_shot)
    shot.shiage.options.lvcd.weights = str(tmp_path)
    assert weights.find_obstacle(shot, "lvcd") == ""
    shot.shiage.options.lvcd.weights = ""
    (tmp_path / "weights/lvcd").mkdir(parents=True)
    (tmp_path / "weights/lvcd/svd.safetensors").touch()
    weights.refresh_missing()
    assert weights.find_obstacle(shot, "lvcd") == "", "what is in it, the engine tells"


def test_a_hub_that_is_away_is_told(shot, hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "can't be reached" in refused(bpy.ops.shiage.get_weights, model="anidoc", accept=True)
    assert "can't be reached" in module("operators.weights").said["anidoc"]
    assert bpy.ops.shiage.copy_weights_list(model="anidoc") == {"FINISHED"}
    assert "Nothing is being downloaded" in refused(bpy.ops.shiage.cancel_weights)


def test_without_leave_to_go_online_nothing_is_fetched(shot, hub):
    bpy.context.preferences.system.use_online_access = False
    assert "allow online access" in refused(bpy.ops.shiage.get_weights, model="anidoc", accept=True)


def test_no_torch_in_blenders_python(shot):
    assert "torch" not in sys.modules
