"""The model that CONTRIBUTING.md shows, put into a folder as it says there, makes the pictures of a job."""

import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny_jobs import ROOT, result

from engine import job as jobs
from engine import models
from engine.job.messages import Done
from engine.worker.run import execute_job

INK = (10, 20, 30, 255)


@pytest.fixture
def wash(tmp_path, monkeypatch):
    """The files of the example, as a model that is found."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    folder = tmp_path / "models" / "wash"
    folder.mkdir(parents=True)
    for language, name in (("toml", "model.toml"), ("python", "__init__.py")):
        (block,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
        (folder / name).write_text(block, encoding="utf-8")
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(folder.parent)])
    yield models.info("wash", "colorize")
    sys.modules.pop("engine.models.wash", None)


def test_the_example_of_a_new_model_makes_pictures(tmp_path, wash):
    folder, size = tmp_path / "job", (32, 24)
    drawings = []
    for number in range(2):
        lines = Image.new("RGBA", size)
        lines.paste(INK, (4 + number, 4, 8 + number, 20))
        (folder / "sketches").mkdir(parents=True, exist_ok=True)
        lines.save(folder / f"sketches/{number}.png")
        drawings.append(jobs.Drawing(f"{number:016x}", 0, "raster", f"sketches/{number}.png"))
    frames = tuple(jobs.Exposure(i, 1, (drawing.id,)) for i, drawing in enumerate(drawings))
    asked = jobs.Job("colorize", "wash", size, (jobs.Cel("cel", ()),), tuple(drawings), frames)
    jobs.save_job(asked, folder)
    assert isinstance(execute_job(folder), Done)
    for number in range(2):
        pixels = np.asarray(Image.open(folder / f"frames/{jobs.format_frame_name(number)}"))
        assert tuple(pixels[10, 5 + number]) == INK and tuple(pixels[0, 0]) == (0, 0, 0, 128)
    execute_job(folder)
    assert [picture["reused"] for picture in result(folder)["pictures"]] == [True, True]
    jobs.save_job(replace(asked, options={"strength": 1.0}), folder)
    execute_job(folder)
    assert [picture["reused"] for picture in result(folder)["pictures"]] == [False, False]
    toml = tmp_path / "models" / "wash" / "model.toml"
    toml.write_text(toml.read_text("utf-8").replace('revision = "1"', 'revision = "2"'), encoding="utf-8")
    execute_job(folder)
    assert [picture["reused"] for picture in result(folder)["pictures"]] == [False, False], "the revision stands in model.toml alone"


def test_shipped_models_say_what_their_progress_goes_through():
    for model in models.available():
        assert model.stages and sum(model.stages.values()) == pytest.approx(1.0), model.id


@pytest.mark.parametrize(("task", "titles"), [("colorize", ["Flats"]), ("inbetween", ["Vector"]), ("animate", [])])
def test_models_that_need_no_graphics_card(task, titles):
    assert [model.title for model in models.alternatives(task)] == titles
