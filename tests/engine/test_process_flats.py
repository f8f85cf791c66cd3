"""The default model in the process: cancelled at each stage, killed in the middle, without any effect on the frames."""

import sys
from pathlib import Path

import psutil
import pytest
from PIL import Image, ImageDraw
from tiny_jobs import owner, until, well_formed

from engine.cli.colorize_job import build_colorize_job
from engine.host.client import EngineClient
from engine.job.messages import Cancelled, Done, FrameDone, Progress
from engine.worker.run import execute_job

COUNT = 16


@pytest.fixture
def shot(tmp_path) -> Path:
    """A job folder of some drawings of two boxes that move."""
    (tmp_path / "in").mkdir()
    for index in range(-1, COUNT):
        picture = Image.new("RGBA", (320, 180))
        draw = ImageDraw.Draw(picture)
        for box, color in enumerate([(220, 60, 40, 255), (40, 90, 200, 255)]):
            x = 30 + 130 * box + 2 * index
            draw.rectangle((x, 40, x + 100, 140), color if index < 0 else None, "black", 3)
        picture.save(tmp_path / ("reference.png" if index < 0 else f"in/{index}.png"))
    build_colorize_job(tmp_path / "in", [tmp_path / "reference.png"], tmp_path / "job", "flats")
    return tmp_path / "job"


def frames(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "frames").iterdir())}


@pytest.fixture
def wanted(shot) -> tuple[list, dict[str, bytes]]:
    """The events and the frames of an undisturbed run. The job folder is new again afterwards."""
    events = []
    assert isinstance(execute_job(shot, events.append), Done)
    made = frames(shot)
    build_colorize_job(shot.parent / "in", [shot.parent / "reference.png"], shot.parent / "again", "flats")
    return events, made


def test_cancelled_at_each_stage_it_is_completed_by_the_next_run(shot, wanted):
    events, made = wanted
    again = shot.parent / "again"
    stages = list(dict.fromkeys(event.stage for event in events if isinstance(event, Progress)))
    assert len(stages) >= 3
    for stage in stages:
        recorded = []
        execute_job(
            again, recorded.append, lambda stage=stage, recorded=recorded: any(getattr(event, "stage", "") == stage for event in recorded)
        )
        assert well_formed(recorded) and isinstance(recorded[-1], Cancelled), stage
    assert isinstance(execute_job(again), Done)
    assert frames(again) == made


def test_killed_in_the_middle_the_next_process_completes_it(shot, wanted):
    _, made = wanted
    again = shot.parent / "again"
    engine = EngineClient(Path(sys.executable), shot.parent / "log")
    engine.submit(again)
    until(lambda: engine.poll() is not None and (engine.state(again).finished >= 2 or engine.state(again).ended))
    psutil.Process(owner(again)).kill()
    assert engine.wait(again).state == "failed"
    events = []
    engine.submit(again)
    assert engine.wait(again, events.append).state == "done"
    engine.close()
    assert sum(event.reused for event in events if isinstance(event, FrameDone)) >= 2
    assert frames(again) == made
