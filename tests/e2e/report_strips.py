"""Run by Blender: write the strips of every scene of the open file, as JSON, to the path after `--`."""

import json
import sys
from pathlib import Path

import bpy


def describe(scene, strip) -> dict:
    known = {"scene": scene.name, "name": strip.name, "type": strip.type, "channel": strip.channel}
    known["start"] = int(strip.left_handle) if hasattr(strip, "left_handle") else strip.frame_final_start
    known["end"] = int(strip.right_handle) if hasattr(strip, "right_handle") else strip.frame_final_end
    if strip.type == "IMAGE":
        known["folder"] = bpy.path.abspath(strip.directory)
        known["files"] = [element.filename for element in strip.elements]
    return known


found = []
for scene in bpy.data.scenes:
    editor = scene.sequence_editor
    if editor is not None:
        found += [describe(scene, strip) for strip in (editor.strips if hasattr(editor, "strips") else editor.sequences)]
Path(sys.argv[sys.argv.index("--") + 1]).write_text(json.dumps(found), "utf-8")
