"""The job folder: what is saved comes back, what is wrong is told, nothing outside the folder is opened."""

import dataclasses
import json
import os
import sys
from pathlib import Path

import pytest

from engine import job as jobs
from engine.cli.colorize_job import check_output_folder
from engine.job.errors import BadInput
from engine.job.files import write_atomic, write_json


def make_job(**changes) -> jobs.Job:
    base = jobs.Job(
        task="colorize",
        model="flats",
        size=(64, 48),
        cels=(jobs.Cel("Hero", (jobs.Reference("reference/a.png", "0" * 64, "sheet.png"),)),),
        drawings=(jobs.Drawing("d1", 0, "strokes", "strokes/d1.npz"), jobs.Drawing("d2", 0, "raster", "sketches/d2.png")),
        frames=(jobs.Exposure(1, 2, ("d1",)), jobs.Exposure(3, 1, ("d2",)), jobs.Exposure(4, 3, ("d1",)), jobs.Exposure(7, 1, (None,))),
        options={"gap": 12.0},
    )
    return dataclasses.replace(base, **changes)


def test_a_saved_job_comes_back(tmp_path: Path) -> None:
    jobs.save_job(make_job(title="Ünïcode 🎨"), tmp_path)
    assert jobs.load_job(tmp_path) == make_job(title="Ünïcode 🎨")


def test_hints_come_back_and_old_jobs_have_none(tmp_path: Path) -> None:
    hints = (jobs.Hint(1, (3.5, 4.0), "#aabbcc"), jobs.Hint(3, (1, 2)), jobs.Hint(4, (5, 6), None, jobs.FramePoint(1, (3.5, 4.0))))
    jobs.save_job(make_job(hints=hints), tmp_path)
    assert jobs.load_job(tmp_path).hints == hints
    raw = json.loads((tmp_path / "job.json").read_text())
    del raw["hints"]
    (tmp_path / "job.json").write_text(json.dumps(raw))
    assert jobs.load_job(tmp_path) == make_job()


@pytest.mark.parametrize(
    "hints", ["all", 5, None, [5], [{}], [{"frame": 1}], [{"frame": 1, "point": 3}], [{"frame": 1, "point": [1, 2], "same_as": "there"}]]
)
def test_hints_that_are_none_are_refused(tmp_path: Path, hints: object) -> None:
    jobs.save_job(make_job(), tmp_path)
    raw = json.loads((tmp_path / "job.json").read_text())
    (tmp_path / "job.json").write_text(json.dumps({**raw, "hints": hints}))
    with pytest.raises(BadInput):
        jobs.load_job(tmp_path)


def test_hints_as_the_shells_take_them() -> None:
    assert jobs.parse_hint("12,4,5.5,#AABBCC") == jobs.Hint(12, (4.0, 5.5), "#AABBCC")
    assert jobs.parse_hint("-3, 4, 5, #aabbcc80") == jobs.Hint(-3, (4.0, 5.0), "#aabbcc80")
    assert jobs.parse_hint("0,4,5,none") == jobs.Hint(0, (4.0, 5.0))
    assert jobs.parse_hint("7,4,5,=2,6,7") == jobs.Hint(7, (4.0, 5.0), None, jobs.FramePoint(2, (6.0, 7.0)))
    for text in ("", "1,2,3", "1.5,2,3,#aabbcc", "1,2,3,#aabbc", "1,2,3,red", "1,x,3,#aabbcc", "1,2,3,=4,5"):
        with pytest.raises(BadInput, match="is no hint"):
            jobs.parse_hint(text)


def test_a_drawing_shown_twice_is_one_picture_named_by_its_first_frame() -> None:
    assert jobs.list_pictures(make_job()) == {("d1",): "frames/0001.png", ("d2",): "frames/0003.png", (None,): "frames/0007.png"}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"task": "paint"}, "task"),
        ({"size": (0, 48)}, "between 1 and"),
        ({"size": (64, 20000)}, "between 1 and"),
        ({"frames": ()}, "no frame"),
        ({"frames": (jobs.Exposure(1, 0, ("d1",)),)}, "Frame 1"),
        ({"frames": (jobs.Exposure(1, 1, ("nobody",)),)}, "Frame 1"),
        ({"frames": (jobs.Exposure(1, 1, ()),)}, "Frame 1"),
        ({"hints": (jobs.Hint(1, (4, 5), "red"),)}, "'red'"),
        ({"hints": (jobs.Hint(1, (4, 5), "#12345"),)}, "#12345"),
        ({"hints": (jobs.Hint(1, (4, 5), "#123456\n"),)}, "#123456"),
        ({"hints": (jobs.Hint(1, (4, float("nan")), "#123456"),)}, "no place"),
        ({"hints": (jobs.Hint(1.5, (4, 5)),)}, "no place"),
        ({"hints": (jobs.Hint(1, (4, 5, 6)),)}, "no place"),
        ({"hints": (jobs.Hint(1, (4, 5), None, jobs.FramePoint("2", (4, 5))),)}, "no place"),
        ({"drawings": (jobs.Drawing("d1", 7, "strokes", "strokes/d1.npz"), jobs.Drawing("d2", 0, "raster", "a.png"))}, "d1"),
        ({"drawings": (jobs.Drawing("d1", 0, "strokes", "../../etc/passwd"), jobs.Drawing("d2", 0, "raster", "a.png"))}, "outside"),
        ({"drawings": (jobs.Drawing("d1", 0, "strokes", "/etc/passwd"), jobs.Drawing("d2", 0, "raster", "a.png"))}, "outside"),
        ({"drawings": (jobs.Drawing("d1", 0, "strokes", "C:\\x.npz"), jobs.Drawing("d2", 0, "raster", "a.png"))}, "outside"),
    ],
)
def test_a_wrong_job_is_refused(tmp_path: Path, changes: dict, word: str) -> None:
    with pytest.raises(BadInput, match=word):
        jobs.save_job(make_job(**changes), tmp_path)
    assert not (tmp_path / "job.json").exists()


def inbetween_job(**changes) -> jobs.Job:
    base = jobs.Job(
        task="inbetween",
        model="vector",
        size=(64, 48),
        cels=(jobs.Cel("Hero", ()),),
        drawings=(
            jobs.Drawing("a", 0, "strokes", "strokes/a.npz"),
            jobs.Drawing("b", 0, "strokes", "strokes/b.npz"),
            jobs.Drawing("m", 0, "between", "strokes/m.npz", at=0.5, guide="a"),
        ),
        frames=(jobs.Exposure(1, 1, ("a",)), jobs.Exposure(2, 1, ("m",)), jobs.Exposure(3, 1, ("b",))),
        pairs=(jobs.StrokePair("a", 0, "b", 0),),
    )
    return dataclasses.replace(base, **changes)


def animate_job() -> jobs.Job:
    return jobs.Job(
        task="animate",
        model="animate_anyone",
        size=(64, 48),
        cels=(jobs.Cel("Hero", (jobs.Reference("reference/a.png", "0" * 64, "sheet.png", "poses/r.json"),)),),
        drawings=(jobs.Drawing("p", 0, "pose", "poses/p.json"),),
        frames=(jobs.Exposure(1, 1, ("p",)),),
    )


BAD_IDS = (
    "../../../ESCAPED",
    "..",
    ".",
    "",
    "a/b",
    "/tmp/x",
    "a\\b",
    "C:x",
    "a\0b",
    "a\n",
    "é",
    "\ud800",
    "a" * 65,
    " a",
    "-a",
    "con.",
    "A",
)


def renamed(value: object, old: str, new: str) -> object:
    """JSON with one text replaced wherever it stands alone."""
    if isinstance(value, dict):
        return {key: renamed(part, old, new) for key, part in value.items()}
    if isinstance(value, list):
        return [renamed(part, old, new) for part in value]
    return new if value == old else value


@pytest.mark.parametrize("id", BAD_IDS)
@pytest.mark.parametrize(("job", "old"), [(make_job(), "d1"), (inbetween_job(), "a"), (inbetween_job(), "m"), (animate_job(), "p")])
def test_a_drawing_whose_id_is_no_plain_name_is_refused(tmp_path: Path, job: jobs.Job, old: str, id: str) -> None:
    """Ids become names of files: such a job, from a stranger, would write outside of its folder."""
    jobs.save_job(job, tmp_path)
    raw = renamed(json.loads((tmp_path / "job.json").read_text()), old, id)
    (tmp_path / "job.json").write_text(json.dumps(raw))
    with pytest.raises(BadInput, match="drawing|ids"):
        jobs.load_job(tmp_path)


@pytest.mark.parametrize("job", [make_job(), animate_job()])
def test_ids_of_guides_and_pairs_are_plain_names_in_every_task(tmp_path: Path, job: jobs.Job) -> None:
    guided = dataclasses.replace(job.drawings[0], guide="../x")
    for changes in ({"drawings": (guided, *job.drawings[1:])}, {"pairs": (jobs.StrokePair("../x", 0, "d1", 0),)}):
        with pytest.raises(BadInput, match="drawing"):
            jobs.save_job(dataclasses.replace(job, **changes), tmp_path)


def test_ids_as_blender_and_the_shell_make_them_are_fine(tmp_path: Path) -> None:
    for id in ("0123456789abcdef", "d1", "many_strokes-2"):
        made = renamed(json.loads(json.dumps(dataclasses.asdict(make_job()))), "d1", id)
        (tmp_path / "job.json").write_text(json.dumps(made))
        assert jobs.load_job(tmp_path).drawings[0].id == id


@pytest.mark.parametrize("file", ["", ".", "./", "..", "reference/../../x", "/etc/passwd", "C:x", "a\\b", "a\0b", "a\nb", "poses/\ud800"])
def test_every_file_of_a_job_lies_in_its_folder(tmp_path: Path, file: str) -> None:
    for job, old in ((make_job(), "strokes/d1.npz"), (make_job(), "reference/a.png"), (animate_job(), "poses/r.json")):
        raw = renamed(json.loads(json.dumps(dataclasses.asdict(job))), old, file)
        (tmp_path / "job.json").write_text(json.dumps(raw))
        with pytest.raises(BadInput):
            jobs.load_job(tmp_path)


@pytest.mark.parametrize("file", ["job.json", "lock", "reference/a.png", "frames/0001.png", "strokes", "strokes/."])
def test_a_drawing_to_be_made_is_written_among_strokes_alone(tmp_path: Path, file: str) -> None:
    drawings = (*inbetween_job().drawings[:2], jobs.Drawing("m", 0, "between", file, at=0.5))
    with pytest.raises(BadInput, match="m"):
        jobs.save_job(inbetween_job(drawings=drawings), tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 99}', '{"schema": 1, "task": "colorize"}'])
def test_a_broken_job_file_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(BadInput):
        jobs.load_job(tmp_path)


@pytest.mark.parametrize("text", ["", "\0" * 100, '{"schema": 1, "ta', '{"schema": 99, "task": "fly", "cels": 5}'])
def test_a_job_file_that_is_damaged_or_of_another_version_is_made_again(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.json").write_text(text)
    check_output_folder(tmp_path, [])
    jobs.save_job(make_job(), tmp_path)
    assert jobs.load_job(tmp_path) == make_job()


def test_a_missing_job_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no readable job"):
        jobs.load_job(tmp_path / "nowhere")


def test_wrong_types_in_a_job_file_are_told(tmp_path: Path) -> None:
    jobs.save_job(make_job(), tmp_path)
    raw = json.loads((tmp_path / "job.json").read_text())
    for key, value in {"size": "big", "frames": 3, "drawings": [1], "cels": {"a": 1}, "options": 5}.items():
        (tmp_path / "job.json").write_text(json.dumps({**raw, key: value}))
        with pytest.raises(BadInput):
            jobs.load_job(tmp_path)


WRONG = (
    None,
    True,
    3,
    -1,
    0.5,
    1e308,
    10**400,
    float("inf"),
    float("nan"),
    "x",
    "",
    "\ud800",
    "y" * 2_000_000,
    [],
    [1],
    [[]],
    {},
    {"a": 1},
    [None],
)


def places_in(value: object, path: tuple = ()) -> list[tuple]:
    """The keys and indices that lead to each part of a JSON value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, part in parts for place in ((*path, key), *places_in(part, (*path, key)))]


def changed(raw: dict, place: tuple, value: object) -> dict:
    copy = json.loads(json.dumps(raw))
    part = copy
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    return copy


HINTED = make_job(hints=(jobs.Hint(1, (3.5, 4.0), "#aabbcc"), jobs.Hint(3, (5, 6), None, jobs.FramePoint(1, (3.5, 4.0)))), title="Shot")
WHOLE = {job.task: json.loads(json.dumps(dataclasses.asdict(job))) for job in (HINTED, inbetween_job(), animate_job())}


@pytest.mark.parametrize(("task", "place"), [(task, place) for task, raw in WHOLE.items() for place in places_in(raw)])
def test_any_wrong_type_anywhere_in_a_job_is_bad_input_that_names_the_field(tmp_path: Path, task: str, place: tuple) -> None:
    before = WHOLE[task]
    for key in place:
        before = before[key]
    name = next(key for key in reversed(place) if isinstance(key, str))
    for value in WRONG:
        (tmp_path / "job.json").write_text(json.dumps(changed(WHOLE[task], place, value)))
        try:
            job = jobs.load_job(tmp_path)
        except BadInput as error:
            assert len(str(error)) < 1000 and str(error).isprintable()
            if type(value) is not type(before) and {type(value), type(before)} != {int, float} and before is not None:
                assert name in str(error)
        else:
            assert json.loads(json.dumps(dataclasses.asdict(job))) == changed(WHOLE[task], place, value)
            assert jobs.list_pictures(job) and all(job.find_exposure(hint.place) for hint in job.hints)
            jobs.clear_stale(tmp_path / "nothing", job)


@pytest.mark.parametrize(("task", "place"), [(task, place) for task, raw in WHOLE.items() for place in places_in(raw)])
def test_what_a_job_lacks_or_has_too_much_is_bad_input_or_no_matter(tmp_path: Path, task: str, place: tuple) -> None:
    lacking = json.loads(json.dumps(WHOLE[task]))
    part = lacking
    for key in place[:-1]:
        part = part[key]
    del part[place[-1]]
    odd = changed(WHOLE[task], (*place[:-1], "é"), 1) if isinstance(place[-1], str) else lacking
    for raw in (lacking, odd):
        (tmp_path / "job.json").write_text(json.dumps(raw))
        try:
            assert isinstance(jobs.load_job(tmp_path), jobs.Job)
        except BadInput as error:
            assert len(str(error)) < 1000


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("seed", (-1, 2**63, 1.5, "1", True, None)),
        ("fps", (0, -24.0, float("inf"), float("nan"), "24", True, None)),
        ("device", (1, None)),
        ("title", (1, None)),
        ("options", ([], {"gap": None}, {"gap": [1]}, {"gap": {}}, {"gap": float("nan")})),
        ("schema", (True, 1.0, "1")),
    ],
)
def test_fields_that_were_not_checked(tmp_path: Path, field: str, values: tuple) -> None:
    for value in values:
        (tmp_path / "job.json").write_text(json.dumps({**WHOLE["colorize"], field: value}))
        with pytest.raises(BadInput, match=field):
            jobs.load_job(tmp_path)


def test_two_pictures_at_one_frame_are_refused(tmp_path: Path) -> None:
    """The second would be written over the first."""
    with pytest.raises(BadInput, match="frame 1"):
        jobs.save_job(make_job(frames=(jobs.Exposure(1, 1, ("d1",)), jobs.Exposure(1, 1, ("d2",)))), tmp_path)


@pytest.mark.parametrize("frame", [jobs.Exposure(2**21, 1, ("d1",)), jobs.Exposure(-(2**21), 1, ("d1",)), jobs.Exposure(1, 2**62, ("d1",))])
def test_frames_that_no_scene_has_are_refused(tmp_path: Path, frame: jobs.Exposure) -> None:
    with pytest.raises(BadInput, match="frame"):
        jobs.save_job(make_job(frames=(frame,)), tmp_path)


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 100_000, b'{"schema": ' + b"9" * 5000 + b"}", b"\xff\xfe", b"\x00" * 4096])
def test_a_job_file_that_breaks_the_reader_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "job.json").write_bytes(data)
    with pytest.raises(BadInput):
        jobs.load_job(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_job_file_that_is_a_pipe_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "job.json")
    with pytest.raises(BadInput):
        jobs.load_job(tmp_path)


@pytest.mark.parametrize("text", ["1" * 5000 + ",2,3,none", "1,2,3,=" + "9" * 5000 + ",1,1", "1," + "9" * 400 + ",3,none"])
def test_a_hint_of_endless_numbers_is_none(text: str) -> None:
    with pytest.raises(BadInput, match="is no hint"):
        jobs.parse_hint(text)


def test_saving_a_new_request_drops_the_old_result(tmp_path: Path) -> None:
    jobs.save_job(make_job(), tmp_path)
    write_json(tmp_path / "result.json", {"status": "done"})
    assert jobs.read_result(tmp_path) == {"status": "done"}
    jobs.save_job(make_job(seed=1), tmp_path)
    assert jobs.read_result(tmp_path) is None


def test_references_are_stored_by_content(tmp_path: Path) -> None:
    source = tmp_path / "a sheet é.PNG"
    source.write_bytes(b"picture")
    first = jobs.add_reference(tmp_path / "job", source)
    again = jobs.add_reference(tmp_path / "job", source)
    assert first == again and first.name == "a sheet é.PNG" and first.file.endswith(".png")
    assert (tmp_path / "job" / first.file).read_bytes() == b"picture"
    with pytest.raises(BadInput, match="does not exist"):
        jobs.add_reference(tmp_path / "job", tmp_path / "nothing.png")


@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 on this system")
def test_names_that_are_no_utf8_make_a_job_that_can_be_read(tmp_path: Path) -> None:
    source = tmp_path / os.fsdecode(b"r\xe9f.p\xe9g")
    source.write_bytes(b"picture")
    reference = jobs.add_reference(tmp_path / "job", source)
    jobs.save_job(make_job(cels=(jobs.Cel("Hero", (reference,)),), title=os.fsdecode(b"sk\xe9")), tmp_path / "job")
    again = jobs.load_job(tmp_path / "job")
    assert (again.title, again.cels[0].references[0].name) == ("sk?", "r?f.p?g")
    assert (tmp_path / "job" / again.cels[0].references[0].file).read_bytes() == b"picture"


def test_stale_files_go_and_named_ones_stay(tmp_path: Path) -> None:
    job = make_job()
    for name in ("strokes/d1.npz", "strokes/old.npz", "frames/0001.png", "frames/0099.png", "regions/d1.npz", "regions/old.npz"):
        write_atomic(tmp_path / name, b"x")
    jobs.clear_stale(tmp_path, job)
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == ["frames/0001.png", "regions/d1.npz", "strokes/d1.npz"]


def test_stale_files_behind_a_link_are_not_the_jobs(tmp_path: Path) -> None:
    (tmp_path / "home/sub").mkdir(parents=True)
    write_atomic(tmp_path / "home/thesis.txt", b"mine")
    (tmp_path / "job").mkdir()
    (tmp_path / "job/frames").symlink_to(tmp_path / "home", target_is_directory=True)
    with pytest.raises(BadInput, match="frames is a link"):
        jobs.clear_stale(tmp_path / "job", make_job())
    assert (tmp_path / "home/thesis.txt").exists() and (tmp_path / "home/sub").is_dir()
