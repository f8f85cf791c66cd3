"""The files of a strip, and Blender's memory of their sizes."""

from pathlib import Path

import bpy
import pytest
from conftest import module


@pytest.fixture
def strip_of(scene, tmp_path: Path):
    """A strip of `first`, and the function that lets it show other files."""
    for name in ("0001.png", "0003.png"):
        image = bpy.data.images.new(name, 32, 16, alpha=True)
        image.file_format, image.filepath_raw = "PNG", str(tmp_path / name)
        image.save()
    editor = scene.sequence_editor_create()
    strips = module("operators.scene.compat").get_strips(editor)
    strip = strips.new_image(name="Colored", filepath=str(tmp_path / "0001.png"), channel=1, frame_start=1)
    return editor, strip, module("operators.scene.place.timeline")._set_files


def test_no_file_has_a_size_that_was_never_set(strip_of) -> None:
    """Blender takes it for that of a missing picture's stand-in, and crashes: some 10^18 bytes."""
    editor, strip, set_files = strip_of
    names = ["0001.png", "0001.png", "0003.png"] * 40
    set_files(editor, strip, names)
    assert [element.filename for element in strip.elements] == names
    assert {(element.orig_width, element.orig_height) for element in strip.elements} <= {(0, 0), (32, 16)}


def test_the_active_strip_and_the_folder_stay(strip_of) -> None:
    editor, strip, set_files = strip_of
    other = module("operators.scene.compat").get_strips(editor).new_effect(name="Other", type="COLOR", channel=2, frame_start=1, **_end())
    editor.active_strip = other
    folder = strip.directory
    set_files(editor, strip, ["0003.png", "0003.png"])
    assert editor.active_strip == other
    assert strip.directory == folder


def _end() -> dict:
    return {"length": 10} if bpy.app.version >= (5, 0) else {"frame_end": 11}
