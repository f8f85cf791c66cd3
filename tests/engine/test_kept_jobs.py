"""Job folders that version 0.1 has left are opened, resumed and corrected: only what changes is made anew.

Vector has another revision since: what it has left there is made anew once.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import job as jobs
from engine.drawing.sketch import strokes as stroke_files
from engine.job.messages import Done, FrameDone
from engine.worker.run import execute_job

KEPT = Path(__file__).resolve().parents[1] / "fixtures" / "job_0_1"
GREEN, MARK = (120, 200, 80, 255), (1, 254, 3, 255)
BODY, HEAD = (66.0, 70.0), (66.0, 30.0)  # in the third drawing


@pytest.fixture(params=["flats", "vector"])
def folder(request, tmp_path: Path) -> Path:
    return copy_kept(request.param, tmp_path)


@pytest.fixture
def flats(tmp_path: Path) -> Path:
    return copy_kept("flats", tmp_path)


@pytest.fixture
def vector(tmp_path: Path) -> Path:
    return copy_kept("vector", tmp_path)


def copy_kept(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(KEPT / name, tmp_path / name))


def run_job(folder: Path) -> dict[int, bool]:
    """Run the job to its end: {frame: whether its picture was there}."""
    events = []
    end = execute_job(folder, events.append)
    assert isinstance(end, Done), end
    return {event.frame: event.reused for event in events if isinstance(event, FrameDone)}


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def read_color(folder: Path, frame: int, point: tuple[float, float]) -> tuple[int, ...]:
    with Image.open(folder / f"frames/{frame:04d}.png") as picture:
        return picture.getpixel((int(point[0]), int(point[1])))


def kinds_of_new_files(folder: Path, before: dict[str, bytes]) -> set[str]:
    return {name.partition("-")[0] for name in read_files(folder / "cache").keys() - before.keys()}


def test_it_is_opened(folder) -> None:
    job = jobs.load_job(folder)
    assert (job.model, job.size, job.title) == (folder.name, (160, 90), {"flats": "sketches", "vector": "key"}[folder.name])
    result = jobs.read_result(folder)
    assert result is not None and result["status"] == "done"
    assert [picture["frame"] for picture in result["pictures"]] == [exposure.frame for exposure in job.frames]
    for name in jobs.list_pictures(job).values():
        with Image.open(folder / name) as picture:
            assert picture.size == job.size


def test_resumed_nothing_is_made_anew(flats) -> None:
    kept = {name: read_files(flats / name) for name in ("frames", "cache", "regions", "strokes") if (flats / name).is_dir()}
    assert set(run_job(flats).values()) == {True}
    assert {name: read_files(flats / name) for name in kept} == kept


def test_what_another_revision_has_made_is_made_anew_once_and_looks_the_same(vector) -> None:
    assert set(run_job(vector).values()) == {False}
    assert set(run_job(vector).values()) == {True}
    for name in read_files(vector / "frames"):
        with Image.open(vector / "frames" / name) as made, Image.open(KEPT / "vector/frames" / name) as kept:
            difference = np.abs(np.asarray(made, int) - np.asarray(kept, int)).max(axis=2)
            assert (difference > 32).mean() < 0.01


def test_a_lost_picture_is_made_as_it_was_and_no_other(folder) -> None:
    run_job(folder)
    shutil.copytree(folder / "frames", folder.parent / "before")
    frames = read_files(folder / "frames")
    (folder / "frames/0001.png").unlink()
    reused = run_job(folder)
    assert [frame for frame, there in reused.items() if not there] == [1]
    assert read_files(folder / "frames").keys() == frames.keys()
    with Image.open(folder / "frames/0001.png") as made, Image.open(folder.parent / "before/0001.png") as kept:
        assert (np.asarray(made) == np.asarray(kept)).all()


def test_one_more_correction_paints_what_it_changes(flats) -> None:
    frames, cache = read_files(flats / "frames"), read_files(flats / "cache")
    job = jobs.load_job(flats)
    assert [hint.swatch for hint in job.hints] == ["#78c850"] and read_color(flats, 2, HEAD) == GREEN
    jobs.save_job(replace(job, hints=(*job.hints, jobs.Hint(2, BODY, "#01fe03"))), flats)
    reused = run_job(flats)
    assert reused[0] and not reused[2], "the first drawing is the reference's own"
    assert {frame: frames[f"{frame:04d}.png"] == (flats / f"frames/{frame:04d}.png").read_bytes() for frame in reused} == reused
    assert read_color(flats, 2, BODY) == MARK and read_color(flats, 2, HEAD) == GREEN
    read_again = {"pixels", "regions", "shapes", "tokens", "evidence", "link"}
    assert not kinds_of_new_files(flats, cache) & read_again, "no drawing is read or compared again"


def test_without_its_correction_it_is_what_the_reference_says(flats) -> None:
    jobs.save_job(replace(jobs.load_job(flats), hints=()), flats)
    assert run_job(flats) == {0: True, 1: False, 2: False}
    with Image.open(next((flats / "reference").iterdir())) as reference:
        assert read_color(flats, 2, HEAD) == reference.getpixel((50, 30)) == (240, 200, 170, 255)


def test_a_drawing_at_another_time_is_made_and_no_other(vector) -> None:
    run_job(vector)
    job = jobs.load_job(vector)
    last = [drawing for drawing in job.drawings if drawing.kind == "between"][-1]
    before = stroke_files.load_strokes(vector / last.file).points
    moved = tuple(replace(drawing, at=0.9) if drawing is last else drawing for drawing in job.drawings)
    jobs.save_job(replace(job, drawings=moved), vector)
    assert run_job(vector) == {0: True, 1: True, 2: False, 3: True}
    after = stroke_files.load_strokes(vector / last.file).points
    assert 3 < after[:, 0].mean() - before[:, 0].mean() < 6, "the figure goes 30 px to the right"
