"""Drawing the panels looks at memory only."""

import builtins
import io
import os

import bpy
import figures
import layouts
import pytest
from conftest import module

pytestmark = pytest.mark.usefixtures("engine_python")


@pytest.fixture
def shot(scene, tmp_path, monkeypatch):
    """A saved file with a figure that has keys, a job of an earlier session, and models whose weights are missing."""
    bpy.context.view_layer.objects.active = figures.add(scene, keys=(1, 9))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    session, state = module("operators.session"), module("engine.host.client").JobState
    folder = str(module("operators.scene.settings").job_folder(scene))
    session.entries.append(session.JobEntry(state(folder, "Scene", session.STOPPED), session.SceneOrigin.from_scene(scene), "STRIP"))
    monkeypatch.setenv("SHIAGE_WEIGHTS", str(tmp_path / "weights"))
    module("operators.weights").refresh_missing()
    yield scene
    monkeypatch.undo()
    module("operators.weights").refresh_missing()


def draw() -> list[str]:
    with bpy.context.temp_override(**layouts.sidebar()):
        return layouts.draw_panels(bpy.context)


@pytest.mark.parametrize("model", ["vector", "anidoc", "tooncrafter"])
def test_no_look_at_the_disk(shot, monkeypatch, model):
    shot.shiage.inbetween.model = model
    before = draw()
    assert len(before) > 40

    def refuse(*arguments, **_named):
        raise AssertionError(f"the disk was looked at: {arguments}")

    with monkeypatch.context() as forbidden:
        for owner, name in [(os, "stat"), (os, "lstat"), (os, "scandir"), (os, "listdir"), (io, "open"), (builtins, "open")]:
            forbidden.setattr(owner, name, refuse)
        after = draw()
    assert after == before


def test_models_are_seen_to_again_when_asked(shot, tmp_path, monkeypatch):
    models, options, weights = (module(name) for name in ("engine.models", "operators.scene.settings.options", "operators.weights"))
    (tmp_path / "models" / "toy").mkdir(parents=True)
    text = """title = "Toy"
description = "A toy."
tasks = ["colorize"]
license = "CC0-1.0"
commercial = true
revision = "1"
"""
    (tmp_path / "models" / "toy" / "model.toml").write_text(text, "utf-8")
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path / "models")])
    known = [model.id for model in options.list_models()]
    assert "toy" not in known and options.find_model("toy") is None
    preferences = module("operators.session").get_preferences()
    for refresh in (weights.refresh_missing, bpy.ops.shiage.look_for_weights, lambda: setattr(preferences, "engine_python", "")):
        options._models = tuple(model for model in options.list_models() if model.id != "toy")
        options._choices.cache_clear()
        refresh()
        assert [model.id for model in options.list_models()] == [*known, "toy"]
        shot.shiage.model = "toy"
        assert shot.shiage.model == "toy", "it can be chosen"


def test_the_dialog_of_licenses_looks_at_no_disk(shot, monkeypatch):
    weights = module("operators.weights")
    sources = module("engine.models").info("anidoc").weights
    texts: list[str] = []
    dialog = type("Dialog", (), {"layout": layouts.Layout(texts), "_shown": sources, "accept": False})()
    monkeypatch.setattr(weights.store, "is_license_accepted", lambda *_arguments: pytest.fail("the disk was looked at"))
    weights.SHIAGE_OT_get_weights.draw(dialog, bpy.context)
    assert all(any(source.repository in text for text in texts) for source in sources)
