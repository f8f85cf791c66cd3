"""The model of vector inbetweens: a job's keys to strokes and pictures between them."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from tiny_jobs import engine

from engine import job as jobs
from engine.cli import inbetween_job as keyed
from engine.drawing.sketch import strokes as stroke_files
from engine.drawing.sketch.strokes import Strokes
from engine.job.errors import BadInput
from engine.job.messages import Failed, Warned
from engine.pictures.cache import Cache
from engine.pictures.drawings import DrawingStore
from engine.worker.run import execute_job

SIZE = (240, 180)
RED, BLUE = (230, 60, 50, 255), (40, 80, 220, 255)


def polyline(*paths, closed=False):
    """Strokes along paths of points (n, 2)."""
    points = np.concatenate([np.zeros((0, 2), np.float32), *(np.asarray(path, np.float32) for path in paths)])
    offsets = np.cumsum([0, *(len(path) for path in paths)]).astype(np.int32)
    ink = np.tile(np.array([20, 20, 20, 255], np.uint8), (len(points), 1))
    return Strokes(points, np.full(len(points), 3.0, np.float32), ink, offsets, np.full(len(paths), closed))


def circle(x, y, radius=20, count=40):
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.column_stack([x + radius * np.cos(turn), y + radius * np.sin(turn)])


def stroke_job(folder, first, last, places=(0.5,), **more):
    """A job of two keys of strokes, `a` and `b`, with drawings m0, m1, ... at these places between them."""
    for name, key in (("a", first), ("b", last)):
        stroke_files.save_strokes(key, folder / f"strokes/{name}.npz")
    drawings = [jobs.Drawing(name, 0, "strokes", f"strokes/{name}.npz", name) for name in "ab"]
    drawings += [jobs.Drawing(f"m{i}", 0, "between", f"strokes/m{i}.npz", at=at) for i, at in enumerate(places)]
    shown = ["a", *(f"m{i}" for i in range(len(places))), "b"]
    frames = tuple(jobs.Exposure(1 + 2 * i, 2, (name,)) for i, name in enumerate(shown))
    made = jobs.Job("inbetween", "vector", SIZE, (jobs.Cel("lines", ()),), tuple(drawings), frames, **more)
    jobs.save_job(made, folder)
    return made


def ran(folder):
    events = []
    end = execute_job(folder, events.append)
    assert not isinstance(end, Failed), end
    return [event.text for event in events if isinstance(event, Warned)]


def made(folder, name="m0"):
    with np.load(folder / f"strokes/{name}.npz", allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def painted(path, x, color=RED):
    """A disc of one color with a line around it, on clear paper, 720 x 540 px."""
    picture = np.zeros((540, 720, 4), np.uint8)
    cv2.circle(picture, (x, 270), 120, color[2::-1] + (255,), -1)
    cv2.circle(picture, (x, 270), 120, (20, 20, 20, 255), 3)
    cv2.imwrite(str(path), picture)
    return path


def test_strokes_move_and_tell_where_they_come_from(tmp_path):
    first, last = (polyline([(x, 40), (x + 60, 40)], circle(x + 30, 110)) for x in (20, 120))
    stroke_job(tmp_path, first, last, (0.25, 0.5))
    assert ran(tmp_path) == []
    middle = made(tmp_path, "m1")
    assert middle["source"].tolist() == [[0, 0], [1, 1]]
    assert middle["points"].shape[0] == middle["place"].shape[0] == middle["offsets"][-1]
    assert middle["points"][:, 0].mean() == pytest.approx(100, abs=2)
    assert made(tmp_path, "m0")["points"][:, 0].mean() == pytest.approx(75, abs=2)
    assert (middle["confidence"] > 0.5).all() and not middle["fills"].any()
    result = json.loads((tmp_path / "result.json").read_text())
    assert [picture["frame"] for picture in result["pictures"]] == [1, 3, 5, 7]
    frame = cv2.imread(str(tmp_path / "frames/0005.png"), cv2.IMREAD_UNCHANGED)
    assert frame[40, 100, 3] == 255 and frame[40, 40, 3] == 0


def test_a_pinned_pair_is_kept(tmp_path):
    first = polyline([(20, 40), (80, 40)], [(20, 120), (80, 120)])
    last = polyline([(120, 50), (180, 50)], [(120, 130), (180, 130)])
    crossed = (jobs.StrokePair("a", 0, "b", 1), jobs.StrokePair("a", 1, "b", 0))
    stroke_job(tmp_path, first, last, pairs=crossed)
    ran(tmp_path)
    assert sorted(map(tuple, made(tmp_path)["source"].tolist())) == [(0, 1), (1, 0)]
    stroke_job(tmp_path, first, last)
    ran(tmp_path)
    assert sorted(map(tuple, made(tmp_path)["source"].tolist())) == [(0, 0), (1, 1)]


def test_what_is_right_is_not_made_again(tmp_path):
    first, last = polyline(circle(60, 90)), polyline(circle(180, 90))
    stroke_job(tmp_path, first, last, (0.5,))
    ran(tmp_path)
    ran(tmp_path)
    assert all(picture["reused"] for picture in json.loads((tmp_path / "result.json").read_text())["pictures"])
    (tmp_path / "strokes/m0.npz").unlink()
    ran(tmp_path)
    assert made(tmp_path)["points"][:, 0].mean() == pytest.approx(120, abs=2)
    stroke_job(tmp_path, first, last, (0.25,))
    ran(tmp_path)
    assert made(tmp_path)["points"][:, 0].mean() == pytest.approx(90, abs=2)


def test_several_keys_and_cels(tmp_path):
    """Each layer has its own keys; what lies between two of them takes no notice of the others."""
    for name, x in (("a", 40), ("b", 80), ("c", 160), ("d", 20), ("e", 200)):
        stroke_files.save_strokes(polyline(circle(x, 60)), tmp_path / f"strokes/{name}.npz")
    drawings = [jobs.Drawing(name, int(name in "de"), "strokes", f"strokes/{name}.npz") for name in "abcde"]
    drawings += [jobs.Drawing(name, int(name.startswith("n")), "between", f"strokes/{name}.npz", at=0.5) for name in ("m0", "m1", "n0")]
    shown = [("a", "d"), ("m0", "d"), ("b", "n0"), ("m1", "n0"), ("c", "e")]
    frames = tuple(jobs.Exposure(i, 1, names) for i, names in enumerate(shown))
    cels = (jobs.Cel("one", ()), jobs.Cel("two", ()))
    jobs.save_job(jobs.Job("inbetween", "vector", SIZE, cels, tuple(drawings), frames), tmp_path)
    ran(tmp_path)
    centers = [made(tmp_path, name)["points"][:, 0].mean() for name in ("m0", "m1", "n0")]
    assert centers == pytest.approx([60, 120, 110], abs=2)


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (polyline(circle(60, 90)), polyline(circle(60, 90)), None),
        (polyline(circle(60, 90)), polyline(), "has no lines"),
        (polyline(), polyline(), "has no lines"),
        (polyline(*[[(20 + 3 * i, 20), (20 + 3 * i, 24)] for i in range(40)]), polyline(circle(120, 90, 80, 200)), "little in common"),
    ],
    ids=["the same", "no strokes", "neither has any", "nothing in common"],
)
def test_keys_that_make_no_motion(tmp_path, first, last, said):
    stroke_job(tmp_path, first, last, (0.0, 0.3, 0.7, 1.0))
    warned = ran(tmp_path)
    assert warned == [] if said is None else any(said in text for text in warned)
    for number in range(4):
        assert np.isfinite(made(tmp_path, f"m{number}")["points"]).all()


def test_what_has_no_partner_is_told_by_length(tmp_path):
    marks = [[(20 + 30 * k, 20), (25 + 30 * k, 60), (20 + 34 * k, 100)] for k in range(4)]
    stroke_job(tmp_path, polyline(*marks, [(20, 150), (220, 150)]), polyline(*marks))
    (text,) = ran(tmp_path)
    assert "% of the lines of" in text and "by length, vanish and 0% of those of" in text
    share = float(text.split("%")[0])
    assert 30 < share < 40  # 200 px of some 530


def test_painted_keys_give_painted_drawings(tmp_path):
    first, last = painted(tmp_path / "a.png", 180), painted(tmp_path / "b.png", 540)
    process = engine("inbetween", "--first", first, "--last", last, "--count", "3", "--ease", "in_out", "--out", tmp_path / "out")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    frames = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted((tmp_path / "out/frames").glob("*.png"))]
    assert len(frames) == 5
    assert (frames[0] == cv2.imread(str(first), cv2.IMREAD_UNCHANGED)).all()
    centers = [np.nonzero(frame[..., 3])[1].mean() for frame in frames]
    assert centers == pytest.approx([180, 180 + 360 * 0.1464, 360, 540 - 360 * 0.1464, 540], abs=4)
    assert [tuple(frame[270, round(x)][[2, 1, 0, 3]]) for frame, x in zip(frames, centers, strict=True)] == [RED] * 5
    assert all(frame[10, 10, 3] == 0 for frame in frames)
    for frame, x in zip(frames, centers, strict=True):  # no color but that of the keys, up to the line
        assert (frame[190:350, round(x) - 80 : round(x) + 80] == (*RED[2::-1], 255)).all()


@pytest.mark.parametrize(("size", "kind"), [((4200, 80), "painted"), ((80, 4200), "painted"), ((4200, 80), "line art")])
def test_keys_wider_than_a_reference_may_be_keep_every_pixel(tmp_path, size, kind):
    """References are sampled down to 4096 px; a key has the size of the frames."""
    for name, x in (("a", 30), ("b", 60)):
        picture = np.zeros((size[1], size[0], 4), np.uint8)
        for at in range(x, max(size), 400):
            place = (40, at) if size[0] < size[1] else (at, 40)
            if kind == "painted":
                cv2.circle(picture, place, 18, (*RED[2::-1], 255), -1)
            cv2.circle(picture, place, 18, (20, 20, 20, 255), 2)
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    references = [] if kind == "painted" else [painted(tmp_path / "reference.png", 180)]
    keyed.build_inbetween_job({0: tmp_path / "a.png", 2: tmp_path / "b.png"}, 1, references, tmp_path / "out", "vector")
    assert not any("was read at" in text for text in ran(tmp_path / "out"))
    frames = [cv2.imread(str(tmp_path / f"out/frames/000{i}.png"), cv2.IMREAD_UNCHANGED) for i in range(3)]
    assert [frame.shape[1::-1] for frame in frames] == [size] * 3
    for frame, name in ((frames[0], "a"), (frames[2], "b")):
        assert (frame == cv2.imread(str(tmp_path / f"{name}.png"), cv2.IMREAD_UNCHANGED)).all()
    assert frames[1][..., 3].any()


def test_keys_of_another_size_than_the_frames_are_brought_to_it(tmp_path):
    """A job may have been made elsewhere."""
    for name, x in (("a", 180), ("b", 240)):
        painted(tmp_path / f"{name}.png", x)
    job = keyed.build_inbetween_job({0: tmp_path / "a.png", 2: tmp_path / "b.png"}, 1, [], tmp_path / "out", "vector")
    jobs.save_job(replace(job, size=(480, 360)), tmp_path / "out")
    ran(tmp_path / "out")
    for number, x in ((0, 120), (2, 160)):
        frame = cv2.imread(str(tmp_path / f"out/frames/000{number}.png"), cv2.IMREAD_UNCHANGED)
        assert frame.shape[:2] == (360, 480) and tuple(frame[180, x][[2, 1, 0, 3]]) == RED


def test_painted_keys_read_for_other_models_keep_every_pixel(tmp_path):
    wide = np.full((40, 5000, 4), 255, np.uint8)
    wide[:, ::2] = (30, 200, 10, 255)
    cv2.imwrite(str(tmp_path / "a.png"), wide)
    job = keyed.build_inbetween_job({0: tmp_path / "a.png", 2: tmp_path / "a.png"}, 1, [], tmp_path / "out", "vector")
    store = DrawingStore(job, tmp_path / "out", Cache(tmp_path / "out"))
    assert (store.read_painted(job.drawings[0].id)[..., [2, 1, 0, 3]] == wide).all()


def test_paint_does_not_run_out_through_a_gap(tmp_path):
    for name, x in (("a", 260), ("b", 320)):
        picture = np.zeros((540, 720, 4), np.uint8)
        cv2.circle(picture, (x, 270), 120, (*RED[2::-1], 255), -1)
        cv2.ellipse(picture, (x, 270), (120, 120), 0, 0, 290, (20, 20, 20, 255), 3)
        cv2.circle(picture, (x, 270), 50, (*BLUE[2::-1], 255), -1)  # a tone that has no line
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    keyed.build_inbetween_job({0: tmp_path / "a.png", 2: tmp_path / "b.png"}, 1, [], tmp_path / "out", "vector")
    ran(tmp_path / "out")
    frame = cv2.imread(str(tmp_path / "out/frames/0001.png"), cv2.IMREAD_UNCHANGED)
    assert tuple(frame[270, 290][[2, 1, 0, 3]]) == BLUE and tuple(frame[350, 290][[2, 1, 0, 3]]) == RED
    assert frame[40, 40, 3] == frame[270, 500, 3] == 0


def test_a_loop_has_a_picture_for_each_frame(tmp_path):
    """Its last key is its first: one picture, and a file for each frame that shows it."""
    key, middle = painted(tmp_path / "a.png", 180), painted(tmp_path / "b.png", 240)
    out = tmp_path / "out"
    arguments = ("inbetween", "--first", key, "--last", key, "--key", f"2={middle}", "--count", "3", "--out", out)
    for _ in range(2):  # also when it is taken up again
        process = engine(*arguments)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        assert [path.name for path in sorted((out / "frames").iterdir())] == [f"000{i}.png" for i in range(5)]
        first, last = ((out / f"frames/000{i}.png").read_bytes() for i in (0, 4))
        assert first == last != (out / "frames/0002.png").read_bytes()


def test_paint_without_lines_is_told(tmp_path):
    for name, x in (("a", 60), ("b", 120)):
        picture = np.full((180, 240, 4), (200, 160, 90, 255), np.uint8)
        cv2.circle(picture, (x, 90), 40, (60, 60, 220, 255), -1)
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    keyed.build_inbetween_job({0: tmp_path / "a.png", 2: tmp_path / "b.png"}, 1, [], tmp_path / "out", "vector")
    assert any("lines lie between the colors" in text for text in ran(tmp_path / "out"))


def test_a_sketch_between_is_a_breakdown(tmp_path):
    """The drawing itself, and what lies before and after it goes to it and from it."""
    paths = {}
    for name, at in (("a", (60, 90)), ("b", (180, 90)), ("middle", (120, 40))):
        ink = np.full((SIZE[1], SIZE[0]), 255, np.uint8)
        cv2.circle(ink, at, 25, 0, 3, cv2.LINE_AA)
        paths[name] = tmp_path / f"{name}.png"
        cv2.imwrite(str(paths[name]), ink)
    keyed.build_inbetween_job({0: paths["a"], 4: paths["b"]}, 3, [], tmp_path / "out", "vector", sketches={2: paths["middle"]})
    ran(tmp_path / "out")
    heights = []
    for number in range(5):
        frame = cv2.imread(str(tmp_path / f"out/frames/{number:04d}.png"), cv2.IMREAD_UNCHANGED)
        ink = frame[..., 3] > 128 if frame.shape[2] == 4 and frame[0, 0, 3] == 0 else frame[..., 0] < 128
        heights.append(np.nonzero(ink)[0].mean())
    assert heights == pytest.approx([90, 65, 40, 65, 90], abs=6)


def test_places_of_drawings_between_keys():
    assert keyed.compute_places(3, [0, 4], "linear", "") == {1: 0.25, 2: 0.5, 3: 0.75}
    assert keyed.compute_places(3, [0, 2, 4], "linear", "") == {1: 0.5, 3: 0.5}
    assert keyed.compute_places(2, [0, 3], "linear", "1/8 50%") == {1: 0.125, 2: 0.5}
    for chart in ("1/8", "a b", "1/0 1", "0.5 9"):
        with pytest.raises(BadInput, match="timing chart"):
            keyed.compute_places(2, [0, 3], "linear", chart)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": 0}, "1 to 999"),
        ({"count": 1000}, "1 to 999"),
        ({"sketches": {7: "a"}}, "no drawing 7"),
        ({"sketches": {0: "a"}}, "no drawing 0"),
        ({"keys": {0: "a", 4: "small"}}, "one size"),
        ({"keys": {0: "a", 4: "missing"}}, "does not exist"),
    ],
)
def test_bad_input(tmp_path, change, said):
    painted(tmp_path / "a.png", 60)
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((20, 20, 4), np.uint8))
    wanted = {"keys": {0: "a", 4: "a"}, "count": 3, **change}
    named = {name: {k: tmp_path / f"{v}.png" for k, v in wanted[name].items()} for name in ("keys", "sketches") if name in wanted}
    with pytest.raises(BadInput, match=said):
        keyed.build_inbetween_job(named["keys"], wanted["count"], [], tmp_path / "out", "vector", sketches=named.get("sketches"))
    assert not (tmp_path / "out").exists()


def test_five_hundred_drawings(tmp_path):
    places = tuple(i / 501 for i in range(1, 501))
    job = stroke_job(tmp_path, polyline(circle(60, 90)), polyline(circle(180, 90)), places)
    jobs.save_job(replace(job, size=(120, 90)), tmp_path)
    ran(tmp_path)
    assert len(list((tmp_path / "frames").glob("*.png"))) == 502
