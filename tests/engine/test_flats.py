"""The default model on whole jobs: what it paints, what it leaves, and what it does not do twice."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from puppets import INK, Pose, draw, pose, puppet

from engine import job as jobs
from engine import models
from engine.drawing.colors import palette
from engine.job import Cel, Drawing, Exposure, Job
from engine.job.errors import BadInput, JobCancelled, JobFailed
from engine.job.files import compute_digest
from engine.job.messages import Progress, Warned
from engine.matching import embedding
from engine.matching.shapes import describe_reference

SIZE = (480, 420)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def add_drawing(folder: Path, pixels: np.ndarray, cel: int = 0) -> Drawing:
    name = compute_digest(pixels.tobytes(), list(pixels.shape), cel)[:16]
    save(folder / f"sketches/{name}.png", pixels)
    return Drawing(name, cel, "raster", f"sketches/{name}.png")


def make(folder: Path, cels: list[tuple[list[np.ndarray], list[np.ndarray]]], **options: object) -> Job:
    """A job of cels (references, drawings), one frame for each drawing of the first cel."""
    drawings = [[add_drawing(folder, pixels, number) for pixels in found] for number, (_, found) in enumerate(cels)]
    references = [
        tuple(jobs.add_reference(folder, save(folder.parent / f"reference{c}-{i}.png", pixels)) for i, pixels in enumerate(found))
        for c, (found, _) in enumerate(cels)
    ]
    frames = tuple(Exposure(i + 1, 1, tuple(d.id for d in column)) for i, column in enumerate(zip(*drawings, strict=True)))
    unique = {d.id: d for found in drawings for d in found}
    job = Job(
        task="colorize",
        model="flats",
        size=SIZE,
        cels=tuple(Cel(f"cel {i}", found) for i, found in enumerate(references)),
        drawings=tuple(unique.values()),
        frames=frames,
        options=models.info("flats").resolve(options),
    )
    jobs.save_job(job, folder)
    return job


def run(job: Job, folder: Path, should_cancel=lambda: False):
    events = []
    pictures = list(models.load("flats").run(job, folder, events.append, should_cancel))
    return sorted(pictures, key=lambda p: p.frame), events


def read(folder: Path, file: str) -> np.ndarray:
    return np.asarray(Image.open(folder / file))


@pytest.fixture(scope="module")
def shot():
    figure = puppet(63)
    rng = np.random.default_rng(5)
    start = pose(rng, 0.3)
    return [draw(figure, at, SIZE) for at in (start, pose(rng, 0.1, start), pose(rng, 0.2, start))]


def test_a_shot_from_its_first_key(tmp_path, shot):
    folder = tmp_path / "job"
    job = make(folder, [([shot[0].picture()], [d.sketch.paint for d in shot])])
    pictures, events = run(job, folder)
    assert [p.frame for p in pictures] == [1, 2, 3]
    assert not any(p.reused for p in pictures)
    for picture, drawn in zip(pictures, shot, strict=True):
        painted, lines = read(folder, picture.file), drawn.sketch.lines
        right = (painted == drawn.flats).all(axis=2)
        assert right[~lines].mean() >= 0.97
        assert (painted[drawn.ids == 0][~lines[drawn.ids == 0]][:, 3] == 0).mean() >= 0.99
    first = read(folder, pictures[0].file)
    assert ((first == shot[0].flats).all(axis=2) | shot[0].sketch.lines).mean() >= 0.999
    fractions = [e.fraction for e in events if isinstance(e, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_only_swatches_and_lines_are_in_the_pictures(tmp_path, shot):
    folder = tmp_path / "job"
    job = make(folder, [([shot[0].picture()], [d.sketch.paint for d in shot])], best_guess=True)
    allowed = {tuple(c) for c in shot[0].flats.reshape(-1, 4).tolist()} | {(*INK, 255), (0, 0, 0, 0)}
    for picture in run(job, folder)[0]:
        assert {tuple(c) for c in read(folder, picture.file).reshape(-1, 4).tolist()} <= allowed
        assert picture.unknown == 0


def test_trace_lines_take_the_paint_they_bound(tmp_path, shot):
    folder = tmp_path / "job"
    job = make(folder, [([shot[0].picture()], [shot[0].sketch.paint])])
    painted = read(folder, run(job, folder)[0][0].file)
    traces = shot[0].sketch.traces
    assert traces.sum() > 100
    paint = {tuple(c) for c in shot[0].flats.reshape(-1, 4).tolist()}
    assert {tuple(c) for c in painted[traces].tolist()} <= paint | {(*INK, 255)}


def test_what_did_not_change_is_not_made_again(tmp_path, shot):
    folder = tmp_path / "job"
    lines = [d.sketch.paint for d in shot]
    job = make(folder, [([shot[0].picture()], lines)])
    first = run(job, folder)[0]
    before = {p.file: (folder / p.file).read_bytes() for p in first}
    times = {path: path.stat().st_mtime_ns for path in (folder / "cache").iterdir()}
    again = run(job, folder)[0]
    assert all(p.reused for p in again)
    assert {path: path.stat().st_mtime_ns for path in (folder / "cache").iterdir()} == times
    redrawn = lines[2].copy()
    redrawn[200:203, 10:40] = (*INK, 255)  # a stroke beside the figure
    changed = run(make(folder, [([shot[0].picture()], [*lines[:2], redrawn])]), folder)[0]
    assert [p.reused for p in changed] == [True, True, False]
    assert {p.file: (folder / p.file).read_bytes() for p in changed[:2]} == {p.file: before[p.file] for p in first[:2]}
    kept = [path for path in times if path.exists() and path.stat().st_mtime_ns == times[path]]
    assert any(path.name.startswith("pixels-") for path in kept)
    (folder / changed[1].file).unlink()
    assert [p.reused for p in run(jobs.load_job(folder), folder)[0]] == [True, False, True]


def test_regions_are_written_as_documented(tmp_path, shot):
    folder = tmp_path / "job"
    job = make(folder, [([shot[0].picture()], [shot[0].sketch.paint])])
    run(job, folder)
    with np.load(folder / f"regions/{job.drawings[0].id}.npz", allow_pickle=False) as found:
        labels, swatch = found["labels"], found["swatch"]
        assert labels.dtype == np.int32
        assert labels.shape == SIZE[::-1]
        assert labels.min() == 1
        assert len(swatch) == len(found["confidence"]) == labels.max() + 1
        assert found["swatches"].dtype == np.uint8
        assert swatch[1:].max() < len(found["swatches"])
        assert found["leaks"].shape[1:] == (3,)
        assert found["closures"].shape[1:] == (4,)


def test_cels_have_their_own_references_and_are_stacked(tmp_path):
    back, front = puppet(61), puppet(62)
    behind, before = draw(back, Pose(shift=(-0.05, 0.0)), SIZE), draw(front, Pose(shift=(0.05, 0.0)), SIZE)
    folder = tmp_path / "job"
    job = make(folder, [([behind.picture()], [behind.sketch.paint]), ([before.picture()], [before.sketch.paint])])
    painted = read(folder, run(job, folder)[0][0].file)
    covered = (before.ids > 0) & ~before.sketch.traces
    assert (painted[covered] == before.picture()[covered]).all(axis=1).mean() >= 0.99
    visible = (behind.ids > 0) & ~behind.sketch.traces & (before.ids == 0) & ~before.sketch.lines
    assert visible.sum() > 1000
    assert (painted[visible] == behind.picture()[visible]).all(axis=1).mean() >= 0.99


def test_a_drawing_without_strokes_is_transparent(tmp_path, shot):
    folder = tmp_path / "job"
    job = make(folder, [([shot[0].picture()], [shot[0].sketch.paint, np.zeros((*SIZE[::-1], 4), np.uint8)])])
    pictures, _ = run(job, folder)
    assert (read(folder, pictures[1].file) == 0).all()
    assert (pictures[1].regions, pictures[1].unknown) == (0, 0)


def test_what_the_reference_lacks_stays_unpainted_unless_a_guess_is_wanted(tmp_path, shot):
    other = draw(puppet(99), Pose(), SIZE).picture()
    folder = tmp_path / "job"
    careful, events = run(make(folder, [([other], [shot[0].sketch.paint])], threshold=0.9), folder)
    assert careful[0].unknown > 0
    assert any(isinstance(e, Warned) and "unpainted" in e.text for e in events)
    bold, _ = run(make(folder, [([other], [shot[0].sketch.paint])], threshold=0.9, best_guess=True), folder)
    assert bold[0].unknown == 0
    assert not bold[0].reused


def test_cancel_stops_and_keeps_what_is_finished(tmp_path, shot):
    folder = tmp_path / "job"
    job = make(folder, [([shot[0].picture()], [d.sketch.paint for d in shot])])
    with pytest.raises(JobCancelled):
        run(job, folder, lambda: True)
    finished = []
    with pytest.raises(JobCancelled):
        for picture in models.load("flats").run(job, folder, lambda event: None, lambda: bool(finished)):
            finished.append(picture)
    assert len(finished) >= 1
    by_frame = {p.frame: p.reused for p in run(job, folder)[0]}
    assert all(by_frame[p.frame] for p in finished)


def test_a_film_frame_paints_the_background_too(tmp_path, shot):
    scene = shot[0].picture()
    ground = np.array([[120, 170, 240, 255]] * 300 + [[80, 130, 70, 255]] * 120, np.uint8)[:, None]
    scene = np.where(scene[..., 3:] > 0, scene, ground)
    lines = shot[0].sketch.paint.copy()
    outside = shot[0].ids == 0
    lines[298:300][outside[298:300]] = (*INK, 255)
    scene[298:300][outside[298:300]] = (*INK, 255)
    folder = tmp_path / "job"
    painted = read(folder, run(make(folder, [([scene], [lines])]), folder)[0][0].file)
    off_lines = ~shot[0].sketch.traces
    assert (painted == scene).all(axis=2)[off_lines].mean() >= 0.98
    assert (painted[..., 3] == 255).mean() >= 0.995


def test_a_damaged_reference_is_one_sentence(tmp_path, shot):
    folder = tmp_path / "job"
    job = make(folder, [([shot[0].picture()], [shot[0].sketch.paint])])
    (folder / job.cels[0].references[0].file).write_bytes(b"nothing")
    with pytest.raises(BadInput, match="reference0-0.png"):
        run(job, folder)


def test_a_read_only_folder_fails_with_a_reason(tmp_path, shot, monkeypatch):
    folder = tmp_path / "job"
    job = make(folder, [([shot[0].picture()], [shot[0].sketch.paint])])
    shutil.rmtree(folder / "frames", ignore_errors=True)
    (folder / "frames").write_text("in the way")
    with pytest.raises(JobFailed, match="Could not write"):
        run(job, folder)


def test_the_same_job_elsewhere_gives_the_same_bytes(tmp_path, shot):
    results = []
    for name in ("a", "b"):
        folder = tmp_path / name / "job"
        job = make(folder, [([shot[0].picture()], [d.sketch.paint for d in shot])])
        results.append([(folder / p.file).read_bytes() for p in run(replace(job), folder)[0]])
    assert results[0] == results[1]


def test_a_painted_film_frame_gives_its_texture(tmp_path, shot):
    """A sky that fades stays smooth, figure and sky part where no line does, and the answer is close to the frame itself."""
    drawn = shot[0]
    height = SIZE[1]
    fade = np.linspace(0, 1, height)[:, None, None]
    sky = (1 - fade) * np.array([90, 140, 230]) + fade * np.array([230, 220, 200]) + np.zeros((height, SIZE[0], 3))
    noise = np.random.default_rng(0).normal(0, 1.5, sky.shape)
    flats = np.where(drawn.flats[..., 3:] > 0, drawn.flats[..., :3], sky) + noise
    flats[drawn.sketch.lines & ~drawn.sketch.traces] = INK
    scene = np.concatenate([np.clip(flats, 0, 255).astype(np.uint8), np.full((*SIZE[::-1], 1), 255, np.uint8)], axis=2)
    folder = tmp_path / "job"
    painted = read(folder, run(make(folder, [([scene], [drawn.sketch.paint])]), folder)[0][0].file)
    assert (painted[..., 3] == 255).all()
    away = drawn.ids == 0
    difference = np.abs(painted[..., :3].astype(int) - scene[..., :3].astype(int)).max(axis=2)
    assert np.percentile(difference[away & ~drawn.sketch.lines], 95) <= 12
    column = painted[:, 5, :3].astype(int)
    assert np.abs(np.diff(column, axis=0)).max() <= 24  # no bands of swatches
    assert np.median(difference[~away & ~drawn.sketch.lines]) <= 6


def test_what_moves_fast_keeps_its_texture_and_leaves_none_behind(tmp_path):
    """A ball with a shade crosses a sky that fades, by more than flow finds at once: it is followed from drawing to drawing."""
    height, width = SIZE[1], SIZE[0]
    rows, columns = np.mgrid[:height, :width]
    sky = np.stack([90 + 100 * rows / height, 140 + 60 * rows / height, 230 - 40 * rows / height], axis=2)
    films, lines = [], []
    for x in range(80, 80 + 6 * 55, 55):
        film = sky.copy()
        inside = (columns - x) ** 2 + (rows - 200) ** 2 <= 45**2
        film[inside] = np.stack([200 - (rows - 155) * 0.8, 60 + (rows - 155) * 0.5, np.full(rows.shape, 50)], axis=2)[inside]
        drawn = np.zeros((height, width), np.uint8)
        cv2.circle(drawn, (x, 200), 45, 255, 3)
        cv2.ellipse(drawn, (x - 10, 195), (18, 8), 20, 0, 360, 255, 3)
        cv2.line(drawn, (0, 330), (width, 330), 255, 3)
        film[drawn > 0] = 0
        films.append(np.concatenate([film, np.full((height, width, 1), 255)], axis=2).astype(np.uint8))
        lines.append(np.dstack([np.zeros((height, width, 3), np.uint8), drawn]))
    folder = tmp_path / "job"
    pictures = run(make(folder, [([films[0]], lines)]), folder)[0]
    for picture, film, drawn in zip(pictures, films, lines, strict=True):
        painted = read(folder, picture.file)
        away = cv2.dilate(drawn[..., 3], np.ones((5, 5), np.uint8)) == 0
        difference = np.abs(painted[..., :3].astype(int) - film[..., :3].astype(int)).max(axis=2)[away]
        assert (painted[..., 3] == 255).all()
        assert (difference > 40).mean() < 0.002, f"pieces of the ball or of the sky in the wrong place in frame {picture.frame}"
        assert difference.mean() < 6


def test_light_lines_on_dark_paper_are_painted_and_told_on_each_run(tmp_path, shot):
    alpha = shot[0].sketch.paint[..., 3:] / 255
    dark = (np.full((*SIZE[::-1], 3), 20.0) * (1 - alpha) + 245 * alpha).astype(np.uint8)
    folder = tmp_path / "job"
    job = make(folder, [([shot[0].picture()], [dark])])
    for _ in range(2):
        pictures, events = run(job, folder)
        assert [event.text for event in events if isinstance(event, Warned)] == [
            "1 of 1 drawings are light lines on dark paper, first in frame 1: "
            "they are read as black line art; invert the pictures if the dark is to be line."
        ]
    off_lines = cv2.dilate(shot[0].sketch.lines.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    assert (read(folder, pictures[0].file) == shot[0].flats).all(axis=2)[off_lines].mean() > 0.95


def test_a_sheet_for_lines_that_are_mere_dashes_names_the_model_for_them(tmp_path, shot):
    random = np.random.default_rng(3)
    broken = shot[1].sketch.paint.copy()
    broken[random.random(broken.shape[:2]) < 0.3] = 0
    folder = tmp_path / "job"
    other = shot[0].picture()
    other[..., :3] = 255 - other[..., :3]
    events = run(make(folder, [([np.rot90(other, 2).copy()[:200, :200]], [broken])], threshold=0.999), folder)[1]
    (warning,) = [event.text for event in events if isinstance(event, Warned) and "unpainted for doubt" in event.text]
    assert "AniDoc" in warning


def test_the_process_has_its_threads_again_after_a_job(tmp_path, shot):
    """A later job of the same worker is not to run on one thread because of this one, nor to have other last digits."""
    threads = torch.get_num_threads(), cv2.getNumThreads()
    try:
        torch.set_num_threads(2)
        cv2.setNumThreads(2)
        within = []
        job = make(tmp_path / "job", [([shot[0].picture()], [shot[0].sketch.paint])])
        run(job, tmp_path / "job", lambda: within.append((torch.get_num_threads(), cv2.getNumThreads())))
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, 2)
        assert set(within) == {(1, 1)}
        seen = describe_reference(palette.extract_palette(shot[0].picture(), "auto"), np.arange(256).astype(np.int16), whole=True)[0]
        embedding.load_matcher().encode(seen)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])
