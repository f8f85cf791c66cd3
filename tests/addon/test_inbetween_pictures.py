"""Keys as a job for models that make pictures: painted by Colorize Shot, or line art with a reference; sketches to follow."""

import subprocess

import bpy
import figures
import pytest
import small_shot
from conftest import REPOSITORY, module

pytestmark = pytest.mark.usefixtures("engine_python")
ENGINE = REPOSITORY / ".venv/engine/bin/python"


@pytest.fixture
def shot(scene, tmp_path):
    """A saved file with keys at 1, 3 and 5 of a figure that is chosen, and a reference."""
    bpy.context.view_layer.objects.active = small_shot.draw(scene)
    module("operators.references").add_reference(scene.shiage, bpy.data.images.load(str(small_shot.write_reference(tmp_path / "ref.png"))))
    chosen = scene.shiage.inbetween
    chosen.model, chosen.keys, chosen.frame_end, chosen.spacing = "tooncrafter", "RANGE", 6, "ONES"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return scene


def write(scene):
    """The folder, the job and the warnings."""
    model = module("engine.models").info(scene.shiage.inbetween.model)
    view_layer = bpy.context.view_layer
    betweens, settings = module("operators.scene.inbetween.betweens"), module("operators.scene.settings")
    parts = betweens.find_parts(scene, betweens.find_objects(scene.shiage.inbetween, view_layer))
    folder = settings.job_folder(scene, "inbetween")
    return module("operators.scene.inbetween.pictures").write_job(scene, view_layer, parts, folder, model, lambda fraction: None)


def test_painted_keys_come_from_the_colored_shot(shot):
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    folder, request, warnings = write(shot)
    assert folder.name == "shot-Scene-inbetween-1-5" and not warnings
    assert module("engine.job").load_job(folder) == request
    kinds = [request.drawing(e.drawings[0]).kind for e in request.frames]
    assert kinds == ["painted", "between", "painted", "between", "painted"]
    assert [(e.frame, e.exposure) for e in request.frames] == [(n, 1) for n in range(1, 6)]
    colored = module("operators.scene.settings").job_folder(shot) / "frames"
    for exposure, name in zip(request.frames[::2], ("0001.png", "0003.png", "0005.png"), strict=True):
        assert (folder / request.drawing(exposure.drawings[0]).file).read_bytes() == (colored / name).read_bytes()
    assert request.size == (small_shot.WIDTH, small_shot.HEIGHT)


def test_a_click_makes_frames_with_toon_crafter(shot, tmp_path):
    subprocess.run([ENGINE, REPOSITORY / "tests/engine/tiny_tooncrafter.py", tmp_path / "tiny"], check=True)
    own = shot.shiage.options.tooncrafter
    own.weights, own.steps, own.side = str(tmp_path / "tiny"), 1, 64
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    layer = shot.objects["Figure"].data.layers[0]
    frames = [frame.frame_number for frame in layer.frames]
    shot.frame_set(1)
    assert bpy.ops.shiage.fill_inbetweens() == {"FINISHED"}
    assert [frame.frame_number for frame in layer.frames] == frames, "it makes pictures, no drawings"
    entry = module("operators.session").entries[0]
    assert entry.task == "inbetween" and "is in the Sequencer" in entry.remark
    assert any("random weights" in text for text in entry.warnings)
    strips = {strip.name: strip for strip in module("operators.scene.compat").get_strips(shot.sequence_editor)}
    assert len(strips) == 2, "that of Colorize Shot stays"
    names = [element.filename for element in next(s for s in strips.values() if "inbetween" in s.directory).elements]
    assert names == ["0001.png", "0002.png", "0003.png", "0004.png", "0005.png"]


def test_a_key_that_was_drawn_anew_is_not_painted(shot):
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    shot.objects["Figure"].data.layers[0].frames[1].drawing.strokes[0].points[0].position.x += 0.2
    with pytest.raises(module("engine.job.errors").BadInput, match="The key 3 is not painted: ToonCrafter needs painted keys"):
        write(shot)


def test_line_art_with_a_reference(shot):
    shot.shiage.inbetween.model = "anidoc"
    folder, request, _ = write(shot)
    kinds = [request.drawing(e.drawings[0]).kind for e in request.frames]
    assert kinds == ["strokes", "between", "strokes", "between", "strokes"]
    assert [len(cel.references) for cel in request.cels] == [1]
    shot.shiage.references.clear()
    with pytest.raises(module("engine.job.errors").BadInput, match="has no reference"):
        write(shot)
    assert (folder / "job.json").is_file()


def test_sketches_guide_the_nearest_drawings(shot):
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    data = shot.objects["Figure"].data
    chosen = shot.shiage.inbetween
    chosen.keys, chosen.guide = "PLAYHEAD", "Guide"
    shot.frame_set(1)
    for frame in data.layers[0].frames[1:2]:
        data.layers[0].frames.remove(frame.frame_number)
    figures.add_layer(data, "Guide", keys=(3,))
    folder, request, _ = write(shot)
    guides = {e.frame: request.drawing(e.drawings[0]).guide for e in request.frames}
    assert [frame for frame, guide in guides.items() if guide] == [3]
    sketch = request.drawing(guides[3])
    assert sketch.kind == "strokes" and (folder / sketch.file).is_file()
    chosen.guide = "Nothing"
    with pytest.raises(module("engine.job.errors").BadInput, match="There is no layer 'Nothing' to follow"):
        write(shot)
    chosen.guide = "Lines"
    with pytest.raises(module("engine.job.errors").BadInput, match="The guide layer Lines would be painted too"):
        write(shot)


@pytest.fixture
def sketched(shot):
    """The shot with keys at 1 and 9 alone, and a function that draws sketches at frames; returns their layer and their ids."""
    data, chosen = shot.objects["Figure"].data, shot.shiage.inbetween
    for number in (3, 5):
        data.layers[0].frames.remove(number)
    small_shot._circle(data.layers[0].frames.new(9).drawing, 180, 100, 70)
    chosen.model, chosen.keys, chosen.guide = "anidoc", "PLAYHEAD", "Guide"
    shot.frame_set(1)

    def sketch(frames):
        layer = figures.add_layer(data, "Guide", keys=frames)
        betweens, pictures = module("operators.scene.inbetween.betweens"), module("operators.scene.inbetween.pictures")
        parts = betweens.find_parts(shot, betweens.find_objects(chosen, bpy.context.view_layer))
        ids = {n: pictures._read_guides(shot, bpy.context.view_layer, parts, [n])[n][0] for n in frames}  # where it lies on a drawing
        assert len(set(ids.values())) == len(ids)
        return layer, ids

    return sketch


def followed(scene) -> dict[int, str]:
    """Which sketch each drawing follows that follows one."""
    _, request, _ = write(scene)
    guides = {exposure.frame: request.drawing(exposure.drawings[0]).guide for exposure in request.frames}
    return {frame: guide for frame, guide in guides.items() if guide}


@pytest.mark.parametrize(
    ("spacing", "frames", "expected"),
    [
        ("TWOS", range(1, 10), {3: 3, 5: 5, 7: 7}),
        ("TWOS", (4, 5, 6), {3: 4, 5: 5}),
        ("TWOS", (2, 3, 8), {3: 3}),
        ("TWOS", (6,), {5: 6}),
        ("THREES", range(1, 10), {4: 4, 7: 7}),
        ("THREES", (5, 6), {4: 5, 7: 6}),
        ("ONES", (3, 6), {3: 3, 6: 6}),
    ],
)
def test_each_drawing_follows_the_sketch_that_is_nearest(shot, sketched, spacing, frames, expected):
    shot.shiage.inbetween.spacing = spacing
    _, ids = sketched(frames)
    assert followed(shot) == {frame: ids[number] for frame, number in expected.items()}


def test_a_sketch_that_is_not_seen_makes_room_for_the_next(shot, sketched):
    shot.shiage.inbetween.spacing = "TWOS"
    layer, ids = sketched((5, 6))
    for stroke in layer.frames[0].drawing.strokes:
        for point in stroke.points:
            point.position.x += 1000
    assert followed(shot) == {5: ids[6]}


def test_a_camera_cut_is_told(shot):
    shot.shiage.inbetween.model = "anidoc"
    other = bpy.data.objects.new("Other", shot.camera.data)
    shot.collection.objects.link(other)
    other.matrix_world = shot.camera.matrix_world
    shot.timeline_markers.new("cut", frame=4).camera = other
    assert write(shot)[2] == ("The camera changes at frame 4, between the keys: what lies between may make no sense.",)


def test_the_panel_asks_for_a_camera_and_weights(shot, tmp_path, monkeypatch):
    monkeypatch.setenv("SHIAGE_WEIGHTS", str(tmp_path))
    module("operators.weights").refresh_missing()
    inbetween = module("operators.inbetween")
    figures.add_layer(shot.objects["Figure"].data, "More", keys=(1, 3, 5))
    assert inbetween.summarize_drawings(shot, bpy.context.view_layer) == "1 → 3, 3 → 5  ·  2 drawings", "pictures show all layers"
    assert inbetween.find_obstacle(shot, bpy.context.view_layer) == "Put the model's weights in place first: see Models"
    shot.camera = None
    assert inbetween.find_obstacle(shot, bpy.context.view_layer) == "Add a camera that sees the drawings"


def test_jobs_of_other_ranges_are_found_again(shot):
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    write(shot)
    module("operators.session").entries.clear()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    assert {entry.folder.name: entry.task for entry in module("operators.session").entries} == {
        "shot-Scene": "colorize",
        "shot-Scene-inbetween-1-5": "inbetween",
    }
