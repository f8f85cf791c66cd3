"""Stands in for a sidebar where there is no window: draws panels as Blender does, and asks the operators and properties that they show."""

import importlib
import types

import bpy

PANELS = "bl_ext.user_default.shiage.panels"


class Layout:
    """Takes what `bpy.types.UILayout` takes. All of its parts are open, and note what they show in `texts`."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def __getattr__(self, name: str):
        return lambda *arguments, **named: self

    def label(self, *, text: str = "", **_how) -> None:
        self.texts.append(text)

    def panel(self, *_arguments, **_how) -> tuple["Layout", "Layout"]:
        return self, self

    def icon(self, _image) -> int:
        return 0

    def prop(self, data, name: str, **_how) -> None:
        getattr(data, name)

    def operator(self, name: str, **_how) -> types.SimpleNamespace:
        """A button: Blender asks the operator whether it can be pressed."""
        operator = getattr(bpy.types, name.replace("shiage.", "SHIAGE_OT_"), None)
        if hasattr(operator, "poll"):
            operator.poll(bpy.context)
        return types.SimpleNamespace()


def draw_panels(context: bpy.types.Context) -> list[str]:
    """Draw all panels of the 3D Viewport's sidebar, none of them closed; returns the texts of their labels."""
    texts: list[str] = []
    for base, _parent in importlib.import_module(PANELS).PANELS.values():
        if not hasattr(base, "poll") or base.poll(context):
            panel = base()
            panel.layout = Layout(texts)
            panel.draw(context)
    return texts


def sidebar() -> dict:
    """What `context.temp_override` takes to be in the sidebar of a 3D Viewport."""
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "VIEW_3D"
    return {"window": window, "area": area, "region": next(region for region in area.regions if region.type == "UI")}
