"""A person's corrections: one is heard by the whole shot, survives a redraw, and costs little."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from puppets import INK, Drawn, draw, pose, puppet
from test_flats import SIZE, make, read, run

from engine import job as jobs
from engine.job import FramePoint, Hint, Job
from engine.job.messages import Warned

MARK = (1, 254, 3, 255)  # a color that no reference has
MARKED = "#01fe03"


@pytest.fixture(scope="module")
def shot() -> list[Drawn]:
    figure = puppet(63)
    rng = np.random.default_rng(5)
    at = pose(rng, 0.3)
    return [draw(figure, at, SIZE), *(draw(figure, at := pose(rng, 0.06, at), SIZE) for _ in range(3))]


@pytest.fixture(scope="module")
def painted(tmp_path_factory, shot):
    folder = tmp_path_factory.mktemp("painted") / "job"
    make(folder, [([shot[0].picture()], [drawn.sketch.paint for drawn in shot])], best_guess=True)
    run(jobs.load_job(folder), folder)
    return folder


@pytest.fixture
def folder(painted, tmp_path):
    """A copy of a painted job that a test may change."""
    return shutil.copytree(painted, tmp_path / "job")


def regions(folder, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels of a drawing and the color RGBA (R + 1, 4) of each."""
    with np.load(folder / f"regions/{jobs.load_job(folder).drawings[number].id}.npz", allow_pickle=False) as found:
        colors = np.concatenate([found["swatches"], np.zeros((1, 4), np.uint8)])
        return found["labels"], colors[found["swatch"]]


def inside(mask: np.ndarray) -> tuple[float, float]:
    depth = cv2.distanceTransform(np.pad(mask, 1).view(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(x), float(y)


def largest(folder, number: int, but: int = 0) -> tuple[float, float]:
    """A point in the largest painted region of a drawing, or the `but`-th after it."""
    labels, colors = regions(folder, number)
    areas = np.where(colors[:, 3] > 0, np.bincount(labels.ravel(), minlength=len(colors)), 0)
    return inside(labels == np.argsort(-areas)[but])


def told(folder, *hints: Hint) -> Job:
    job = replace(jobs.load_job(folder), hints=hints)
    jobs.save_job(job, folder)
    return job


def color(folder, number: int, point: tuple[float, float]) -> tuple[int, ...]:
    labels, colors = regions(folder, number)
    return tuple(colors[labels[int(point[1]), int(point[0])]].tolist())


def marked(folder, number: int, wanted=MARK) -> np.ndarray:
    labels, colors = regions(folder, number)
    return (colors == wanted).all(axis=1)[labels]


def test_one_correction_is_heard_by_the_drawings_that_follow(folder, shot):
    point = largest(folder, 1)
    part = shot[1].ids[int(point[1]), int(point[0])]
    pictures, events = run(told(folder, Hint(2, point, MARKED)), folder)
    assert color(folder, 1, point) == MARK
    for number in (2, 3):
        mask = marked(folder, number)
        assert mask.any()
        assert (shot[number].ids[mask] == part).mean() >= 0.9
        painted = read(folder, pictures[number].file)
        assert (painted[mask & ~shot[number].sketch.lines] == MARK).all()
    assert not marked(folder, 0).any(), "the first drawing is the reference's own"
    assert pictures[0].reused
    assert not any(isinstance(event, Warned) for event in events)


def test_only_changed_pictures_are_painted_and_nothing_is_read_again(folder, shot, monkeypatch):
    from engine.drawing.colors import reference
    from engine.matching import embedding, pair
    from engine.pictures.drawings import DrawingStore

    def never(*_arguments):
        raise AssertionError("this was known")

    for module, name in (
        (reference, "read_reference"),
        (pair, "match_regions"),
        (embedding, "load_matcher"),
        (DrawingStore, "_segment_drawing"),
    ):
        monkeypatch.setattr(module, name, never)
    point = largest(folder, 3)
    before = {path.name: path.read_bytes() for path in (folder / "frames").iterdir()}
    first = run(told(folder, Hint(4, point, MARKED)), folder)[0]
    assert [p.reused for p in first][0] and not first[3].reused
    for picture in first:
        assert picture.reused == ((folder / picture.file).read_bytes() == before[picture.file.removeprefix("frames/")])
    assert all(p.reused for p in run(told(folder, Hint(4, point, MARKED)), folder)[0])
    run(told(folder), folder)
    assert {path.name: path.read_bytes() for path in (folder / "frames").iterdir()} == before


def test_what_was_kept_is_still_there_for_a_redraw_after_a_hint(folder, shot, monkeypatch):
    from engine.matching import pair

    run(told(folder, Hint(4, largest(folder, 3), MARKED)), folder)
    compared = []
    match = pair.match_regions
    monkeypatch.setattr(pair, "match_regions", lambda a, b: compared.append(1) or match(a, b))
    redrawn = shot[3].sketch.paint.copy()
    redrawn[200:203, 10:40] = (*INK, 255)
    job = make(folder, [([shot[0].picture()], [*(d.sketch.paint for d in shot[:3]), redrawn])], best_guess=True)
    run(job, folder)
    assert len(compared) == 3  # the new drawing with the reference and with its two neighbors


def test_a_hint_survives_a_redraw_as_long_as_the_region_does(folder, shot):
    point = largest(folder, 3)
    redrawn = shot[3].sketch.paint.copy()
    redrawn[200:203, 10:40] = (*INK, 255)
    lines = [*(d.sketch.paint for d in shot[:3]), redrawn]
    job = make(folder, [([shot[0].picture()], lines)], best_guess=True)
    run(told(folder, Hint(4, point, MARKED)), folder)
    assert color(folder, 3, point) == MARK
    job = make(folder, [([shot[0].picture()], [*lines[:3], np.zeros_like(redrawn)])], best_guess=True)
    _, events = run(replace(job, hints=(Hint(4, point, MARKED),)), folder)
    assert [e.frame for e in events if isinstance(e, Warned)] == [4]


def test_unpainted_and_same_as(folder):
    one, other = largest(folder, 2), largest(folder, 2, but=1)
    pictures, _ = run(told(folder, Hint(3, one)), folder)
    assert color(folder, 2, one)[3] == 0
    assert pictures[2].unknown == 0, "left so on purpose"
    run(told(folder, Hint(3, one, None, FramePoint(3, other)), Hint(3, other, MARKED)), folder)
    assert color(folder, 2, one) == color(folder, 2, other) == MARK
    run(told(folder), folder)
    wanted = color(folder, 3, largest(folder, 3, but=2))
    run(told(folder, Hint(3, one, None, FramePoint(4, largest(folder, 3, but=2)))), folder)
    assert color(folder, 2, one) == wanted
    run(told(folder, Hint(3, one, None, FramePoint(3, other)), Hint(3, other, None, FramePoint(3, one))), folder)  # in a circle: no matter


def test_the_later_of_two_hints_for_a_region_counts(folder):
    point = largest(folder, 2)
    run(told(folder, Hint(3, point, "#000001"), Hint(3, point, MARKED)), folder)
    assert color(folder, 2, point) == MARK
    run(told(folder, Hint(3, point, None, FramePoint(3, largest(folder, 2, but=1))), Hint(3, point, MARKED)), folder)
    assert color(folder, 2, point) == MARK


@pytest.mark.parametrize(
    ("hint", "word"),
    [
        (Hint(99, (5, 5), MARKED), "not in the shot"),
        (Hint(2, (-1, 5), MARKED), "outside the picture"),
        (Hint(2, (5, SIZE[1]), MARKED), "outside the picture"),
        (Hint(2, (3, 3), MARKED), "outside the drawing"),
    ],
)
def test_a_hint_that_meets_no_region_is_a_warning(folder, hint, word):
    before = {path.name: path.read_bytes() for path in (folder / "frames").iterdir()}
    _, events = run(told(folder, hint), folder)
    (warning,) = [e for e in events if isinstance(e, Warned)]
    assert word in warning.text and warning.frame == hint.frame
    assert {path.name: path.read_bytes() for path in (folder / "frames").iterdir()} == before
    _, events = run(told(folder, Hint(2, largest(folder, 1), None, hint.place)), folder)
    assert [word in e.text for e in events if isinstance(e, Warned)] == [True]


def test_in_a_stack_of_cels_the_foremost_region_is_meant(tmp_path):
    figures = [draw(puppet(seed), pose(np.random.default_rng(seed), 0.1), SIZE) for seed in (61, 62)]
    folder = tmp_path / "job"
    job = make(folder, [([drawn.picture()], [drawn.sketch.paint]) for drawn in figures])
    run(job, folder)
    front = largest(folder, 1)
    painted = run(told(folder, Hint(1, front, MARKED)), folder)[0]
    assert color(folder, 1, front) == MARK and not marked(folder, 0).any()
    labels, colors = regions(folder, 0)
    free = (colors[labels][..., 3] > 0) & (regions(folder, 1)[1][regions(folder, 1)[0]][..., 3] == 0)
    behind = inside(free & ~figures[0].sketch.lines & ~figures[1].sketch.lines)
    painted = run(told(folder, Hint(1, behind, MARKED)), folder)[0]
    assert color(folder, 0, behind) == MARK and not marked(folder, 1).any()
    assert tuple(read(folder, painted[0].file)[int(behind[1]), int(behind[0])]) == MARK


def test_a_hint_is_flat_where_a_film_frame_gives_texture(tmp_path, shot):
    drawn = shot[0]
    fade = np.linspace(90, 230, SIZE[1])[:, None, None] + np.zeros((*SIZE[::-1], 3))
    noise = np.random.default_rng(0).normal(0, 1.5, fade.shape)
    film = np.where(drawn.flats[..., 3:] > 0, drawn.flats[..., :3], fade) + noise
    film[drawn.sketch.lines & ~drawn.sketch.traces] = INK
    film = np.concatenate([np.clip(film, 0, 255).astype(np.uint8), np.full((*SIZE[::-1], 1), 255, np.uint8)], axis=2)
    folder = tmp_path / "job"
    job = make(folder, [([film], [drawn.sketch.paint])])
    picture = run(replace(job, hints=(Hint(1, (3.0, 3.0), MARKED),)), folder)[0][0]
    assert (read(folder, picture.file)[:20, :20] == MARK).all(), "a painted ground is a region like any other"
