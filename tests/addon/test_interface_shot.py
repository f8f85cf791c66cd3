"""The button Colorize Shot: when it can be pressed, what it says when it can't, what it does."""

import os
import sys
from pathlib import Path

import bpy
import pytest
import small_shot
from addon_utils import disable, enable
from conftest import PACKAGE, REPOSITORY, module

pytestmark = pytest.mark.usefixtures("engine_python")


@pytest.fixture
def shot(scene, tmp_path):
    """A saved file with a drawn figure and a reference."""
    small_shot.draw(scene)
    module("operators.references").add_reference(scene.shiage, bpy.data.images.load(str(small_shot.write_reference(tmp_path / "ref.png"))))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return scene


def refusal() -> str:
    """What the button says when it is pressed in vain."""
    with pytest.raises(RuntimeError) as caught:
        bpy.ops.shiage.colorize_shot()
    return str(caught.value)


def strips(scene):
    editor = scene.sequence_editor
    return list(module("operators.scene.compat").get_strips(editor)) if editor else []


def test_colorize_lays_a_strip(shot, tmp_path):
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    (strip,) = strips(shot)
    files = [element.filename for element in strip.elements]
    assert files == ["0001.png", "0001.png", "0003.png", "0003.png", "0005.png", "0005.png"]
    for i, name in enumerate(files[::2]):
        picture = tmp_path / "shiage/shot-Scene/frames" / name
        assert small_shot.pixel(picture, 80 + 20 * i, 130) == small_shot.SKIN
        assert small_shot.pixel(picture, 110 + 20 * i, 90) == small_shot.EYE
        assert small_shot.pixel(picture, 5, 5)[3] == 0


def test_a_second_press_updates_the_strip(shot):
    bpy.ops.shiage.colorize_shot()
    bpy.ops.shiage.colorize_shot()
    assert len(strips(shot)) == 1


def test_a_plane_on_request(shot):
    shot.shiage.destination = "PLANE"
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    assert [ob for ob in shot.objects if ob.type == "MESH"] and not strips(shot)


def test_a_strip_of_scans(shot, tmp_path):
    bpy.data.objects.remove(shot.objects["Figure"])
    scan = small_shot.write_scan(tmp_path / "scans" / "a.png")
    editor = shot.sequence_editor_create()
    collection = module("operators.scene.compat").get_strips(editor)
    strip = collection.new_image(name="Scans", filepath=str(scan), channel=1, frame_start=1)
    for _ in range(3):
        strip.elements.append("a.png")
    shot.shiage.source, shot.shiage.strip = "STRIP", "Scans"
    assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
    colored = next(strip for strip in strips(shot) if strip.name != "Scans")
    picture = tmp_path / "shiage/shot-Scene/frames" / colored.elements[0].filename
    assert small_shot.pixel(picture, 80, 130) == small_shot.SKIN
    assert small_shot.pixel(picture, 110, 90) == small_shot.EYE
    assert len({element.filename for element in colored.elements[:4]}) == 1, "held as the scan is held"


class TestPoll:
    def test_no_grease_pencil(self, scene):
        assert "Add a Grease Pencil object" in refusal()

    def test_a_hidden_one(self, shot):
        shot.objects["Figure"].hide_render = True
        assert "Add a Grease Pencil object that is visible" in refusal()

    def test_nothing_selected(self, shot):
        shot.shiage.use_selected = True
        assert "Select the Grease Pencil objects" in refusal()

    def test_no_camera(self, shot):
        shot.camera = None
        assert "camera" in refusal()

    def test_every_layer_left_out(self, shot):
        bpy.ops.shiage.toggle_layer(object="Figure", layer="Lines")
        assert "at least one layer" in refusal()
        bpy.ops.shiage.toggle_layer(object="Figure", layer="Lines")
        assert bpy.ops.shiage.colorize_shot.poll()

    def test_no_reference(self, shot):
        shot.shiage.references.clear()
        assert "Choose a reference first" in refusal()

    def test_a_reference_of_the_objects_own_suffices(self, shot):
        image = shot.shiage.references[0].image
        shot.shiage.references.clear()
        module("operators.references").add_reference(shot.objects["Figure"].shiage, image)
        assert bpy.ops.shiage.colorize_shot.poll()

    def test_no_strip_of_scans(self, shot):
        shot.shiage.source = "STRIP"
        assert "Choose the strip" in refusal()

    def test_no_engine(self, shot, monkeypatch, tmp_path):
        monkeypatch.setenv("SHIAGE_ENGINE_PYTHON", str(tmp_path / "nowhere"))
        module("operators.engine").refresh_status()
        assert "Install the engine first" in refusal()


class TestBadInput:
    def test_an_empty_range(self, shot):
        shot.shiage.range_mode = "OWN"
        shot.shiage.frame_start, shot.shiage.frame_end = 5, 2
        assert "frame range 5 to 2 is empty" in refusal()

    def test_nothing_drawn_in_the_range(self, shot):
        shot.shiage.range_mode = "OWN"
        shot.shiage.frame_start, shot.shiage.frame_end = -20, -10
        assert "Nothing is drawn from frame -20 to -10" in refusal()

    def test_a_drawing_without_strokes_is_a_transparent_frame(self, shot, tmp_path):
        shot.objects["Figure"].data.layers["Lines"].frames.new(2)
        assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
        names = [element.filename for element in strips(shot)[0].elements]
        assert names[:3] == ["0001.png", "0002.png", "0003.png"]
        assert small_shot.pixel(tmp_path / "shiage/shot-Scene/frames/0002.png", 120, 100)[3] == 0

    def test_the_reference_is_gone(self, shot, tmp_path):
        (tmp_path / "ref.png").unlink()
        assert "ref.png" in refusal()
        assert not (tmp_path / "shiage/shot-Scene/job.json").exists()

    def test_the_reference_became_unreadable(self, shot, tmp_path):
        (tmp_path / "ref.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
        assert "ref.png" in refusal()
        assert not strips(shot)

    def test_an_unsaved_file_goes_to_a_temporary_folder(self, scene, tmp_path):
        small_shot.draw(scene)
        module("operators.references").add_reference(
            scene.shiage, bpy.data.images.load(str(small_shot.write_reference(tmp_path / "ref.png")))
        )
        assert module("operators.scene.settings").output_is_temporary(scene)
        assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
        assert str(module("operators.session").entries[0].folder).startswith(bpy.app.tempdir.rstrip("/"))

    def test_the_output_can_not_be_written(self, shot, tmp_path):
        """A file lies where the folder should be, which stops root too."""
        (tmp_path / "taken").write_text("a file")
        shot.shiage.output = str(tmp_path / "taken" / "here")
        assert "taken" in refusal()
        assert not strips(shot)

    @pytest.mark.parametrize("name", ["with space", "quo'te\" and 色 🎨", "long " * 30 + "name"])
    def test_odd_paths(self, shot, tmp_path, name):
        folder = tmp_path / name.strip()
        shot.shiage.output = str(folder)
        assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
        assert (folder / "shot-Scene/result.json").is_file()

    def test_a_scene_name_that_is_no_file_name(self, shot):
        shot.name = 'a/b:c"?'
        assert bpy.ops.shiage.colorize_shot() == {"FINISHED"}
        assert len(strips(shot)) == 1

    def test_an_engine_that_is_no_engine(self, shot, monkeypatch):
        monkeypatch.setenv("SHIAGE_ENGINE_PYTHON", os.environ.get("SHELL", "/bin/sh"))
        module("operators.engine").refresh_status()
        assert "The engine can't start" in refusal()


class TestReferences:
    def test_several_at_once(self, scene, tmp_path):
        for name in ("a.png", "b.png"):
            small_shot.write_reference(tmp_path / name)
        bpy.ops.shiage.open_references(directory=str(tmp_path), files=[{"name": "a.png"}, {"name": "b.png"}], owner="SCENE")
        assert [item.image.name for item in scene.shiage.references] == ["a.png", "b.png"]

    def test_the_same_one_is_there_once(self, scene, tmp_path):
        image = bpy.data.images.load(str(small_shot.write_reference(tmp_path / "a.png")))
        for _ in range(2):
            bpy.ops.shiage.add_reference(image=image.name, owner="SCENE")
        assert len(scene.shiage.references) == 1
        bpy.ops.shiage.remove_reference(index=0, owner="SCENE")
        assert not scene.shiage.references and image.name in bpy.data.images

    @pytest.mark.parametrize("packed", [True, False])
    def test_images_without_files_whose_names_are_alike(self, scene, packed):
        references = module("operators.scene.read.references")
        for name, color in (("Hero 1", (1, 0, 0, 1)), ("Hero_1", (0, 1, 0, 1)), ("Hero/1", (0, 0, 1, 1))):
            image = bpy.data.images.new(name, 4, 4, alpha=True)
            image.pixels = color * 16
            if packed:
                image.pack()
            module("operators.references").add_reference(scene.shiage, image)
        found = references.find_reference_files(scene.shiage.references)
        assert len(set(found)) == 3
        assert [small_shot.pixel(path, 1, 1)[:3] for path in found] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
        assert references.find_reference_files(scene.shiage.references) == found, "the next time it is the same file"

    def test_one_that_was_painted_over_stays_to_be_saved(self, scene, tmp_path):
        image = bpy.data.images.load(str(small_shot.write_reference(tmp_path / "a.png")))
        image.pixels = (0, 1, 0, 1) * (small_shot.WIDTH * small_shot.HEIGHT)
        before, image.file_format = image.filepath_raw, "TARGA"
        found = module("operators.scene.read.references").find_image_file(image)
        assert small_shot.pixel(found, 1, 1) == (0, 255, 0, 255)
        assert small_shot.pixel(tmp_path / "a.png", 120, 130) == small_shot.SKIN
        assert (image.filepath_raw, image.file_format, image.is_dirty) == (before, "TARGA", True)

    @pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
    def test_one_that_is_no_picture_is_refused_at_once(self, scene, tmp_path, content):
        (tmp_path / "broken.png").write_bytes(content)
        with pytest.raises(RuntimeError, match="broken.png"):
            bpy.ops.shiage.open_references(directory=str(tmp_path), files=[{"name": "broken.png"}], owner="SCENE")
        assert not scene.shiage.references and "broken.png" not in bpy.data.images

    def test_one_that_is_not_there(self, scene, tmp_path):
        with pytest.raises(RuntimeError, match=r"gone\.png does not exist"):
            bpy.ops.shiage.open_references(directory=str(tmp_path), files=[{"name": "gone.png"}], owner="SCENE")

    def test_an_object_needs_to_be_active_for_its_own(self, scene, tmp_path):
        small_shot.write_reference(tmp_path / "a.png")
        with pytest.raises(RuntimeError, match="Choose a Grease Pencil object first"):
            bpy.ops.shiage.open_references(directory=str(tmp_path), files=[{"name": "a.png"}], owner="OBJECT")


def test_every_operator_and_property_has_a_tooltip(extension):
    package = sys.modules[PACKAGE]
    operators = [cls for cls in bpy.types.Operator.__subclasses__() if cls.__module__.startswith(PACKAGE)]
    assert len(operators) > 10
    for cls in operators:
        assert cls.__doc__ and "\n" not in cls.__doc__ and not cls.__doc__.endswith("."), cls
    groups = [*bpy.types.PropertyGroup.__subclasses__(), *bpy.types.AddonPreferences.__subclasses__()]
    for cls in groups:
        if cls.__module__.startswith(PACKAGE) and cls.is_registered:
            for prop in cls.bl_rna.properties:
                if prop.identifier not in {"rna_type", "name", "bl_idname", "options"} and prop.type != "POINTER":
                    assert prop.description, f"{cls.__name__}.{prop.identifier}"
    assert package


def test_disabled_and_enabled_again(extension):
    for _ in range(2):
        disable(PACKAGE)
        assert not hasattr(bpy.types.Scene, "shiage")
        assert enable(PACKAGE, default_set=True)
    assert bpy.context.scene.shiage.model == module("engine.models").DEFAULT


def test_pictures_lie_beside_the_file(shot, tmp_path):
    assert module("operators.scene.settings").job_folder(shot) == Path(tmp_path, "shiage", "shot-Scene")


def test_every_translated_text_is_still_in_use(extension):
    texts = module("panels.translations")._TEXTS["ja_JP"]
    files = [path for pattern in ("operators/**/*.py", "panels/*.py", "engine/models/*/model.toml") for path in REPOSITORY.glob(pattern)]
    used = "".join(path.read_text("utf-8") for path in files if path.name != "translations.py")
    assert not [text for _context, text in texts if f'"{text}"' not in used]
