"""The preferences: where the engine's Python is, and whether it is well."""

import bpy
from bpy.props import StringProperty

from .. import __package__ as EXTENSION
from ..operators import engine, weights
from ..operators.scene import compat
from .text import draw_sentence

_ICONS = {"ready": "CHECKMARK", "outdated": "INFO", "missing": "ERROR", "broken": "ERROR"}


def _look() -> None:
    engine.refresh_status()
    weights.refresh_missing()


class SHIAGE_preferences(bpy.types.AddonPreferences):
    bl_idname = EXTENSION

    engine_python: StringProperty(
        name="Engine Python",
        description="The Python program that runs the engine; empty for the one that Install Engine makes",
        subtype="FILE_PATH",
        update=lambda _self, _context: _look(),
    )
    output: StringProperty(
        name="Output",
        description="Where a shot's pictures go unless the shot has a folder of its own; // is the folder of the .blend file",
        subtype="DIR_PATH",
        default="//shiage/",
        options=compat.OUTPUT_FOLDER,
    )

    def draw(self, _context):
        layout = self.layout
        box = layout.box()
        if engine.installing is None:
            draw_sentence(box, engine.status.text, _ICONS[engine.status.state])
        else:
            draw_sentence(box, "The engine is being installed; go on working meanwhile", "TIME")
        row = box.row()
        if engine.installing is not None:
            row.progress(factor=engine.progress.fraction, text=engine.progress.stage)
            row.operator("shiage.cancel_install", text="", icon="X")
        else:
            row.operator("shiage.install_engine", text="Install Engine" if engine.status.state == "missing" else "Install Again")
            row.operator("shiage.test_engine")
        row.operator("shiage.open_install_log", text="", icon="TEXT")
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(self, "engine_python", placeholder="As installed")
        column.prop(self, "output")


register, unregister = bpy.utils.register_classes_factory((SHIAGE_preferences,))
