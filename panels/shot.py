"""Sub-panel Shot: reference, model, button; then what is colored, how, and where it goes. In the 3D Viewport and in the Sequencer."""

import bpy

from .. import __package__ as EXTENSION
from ..operators import colorize, engine, session
from ..operators.scene import colors, compat, settings
from ..operators.scene.read import layers
from ..operators.scene.settings import options
from .jobs import draw_progress
from .text import draw_sentence, translated


class SHIAGE_UL_references(bpy.types.UIList):
    def draw_item(self, _context, layout, _data, item, _icon, _active_data, _active_property, _index):
        if item.image is None:
            layout.label(text="Removed from the file", icon="ERROR")
        else:
            layout.label(text=item.image.name, icon_value=layout.icon(item.image), translate=False)


class SHIAGE_MT_add_reference(bpy.types.Menu):
    """Pictures from files, or those that this file already has"""

    bl_label = "Add Reference"
    owner = "SCENE"

    def draw(self, _context):
        layout = self.layout
        layout.operator("shiage.open_references", text="Open Pictures…", icon="FILE_FOLDER").owner = self.owner
        images = [image for image in bpy.data.images if image.type not in {"RENDER_RESULT", "COMPOSITING"}]
        if images:
            layout.separator()
        for image in images:
            button = layout.operator("shiage.add_reference", text=image.name, icon_value=layout.icon(image), translate=False)
            button.owner, button.image = self.owner, image.name


class SHIAGE_MT_add_own_reference(SHIAGE_MT_add_reference):
    """Pictures for the active object alone"""

    owner = "OBJECT"


def draw_references(layout, chosen, owner: str, large: bool) -> None:
    """The references of a shot or of an object: pictures first, an empty list is a single button."""
    menu = "SHIAGE_MT_add_reference" if owner == "SCENE" else "SHIAGE_MT_add_own_reference"
    if not chosen.references:
        row = layout.row()
        row.scale_y = 1.3 if large else 1.0
        row.operator("shiage.open_references", text="Choose Reference…", icon="IMAGE_REFERENCE").owner = owner
        row.menu(menu, text="", icon="DOWNARROW_HLT")
        return
    active = chosen.references[min(chosen.active_reference, len(chosen.references) - 1)].image
    if large and active is not None:
        layout.template_icon(icon_value=layout.icon(active), scale=6.0)
    row = layout.row()
    row.template_list("SHIAGE_UL_references", owner, chosen, "references", chosen, "active_reference", rows=2, maxrows=4, sort_lock=True)
    column = row.column(align=True)
    column.menu(menu, text="", icon="ADD")
    button = column.operator("shiage.remove_reference", text="", icon="REMOVE")
    button.owner, button.index = owner, chosen.active_reference


def draw_model(layout, chosen, task: str) -> None:
    """The choice of a model, its terms, and what is to be known of it for a task."""
    row = layout.row()
    row.use_property_split = True
    row.use_property_decorate = False
    row.prop(chosen, "model")
    model = options.find_model(chosen.model)
    if model is not None:
        column = layout.column()
        column.active = False
        terms = "commercial use" if model.commercial else "no commercial use"
        draw_sentence(column, f"{model.license}, {translated(terms)}")
        if task in model.notes:
            draw_sentence(layout, model.notes[task], "INFO")
    layout.separator(factor=0.5)


def draw_options(layout, scene, model: str) -> None:
    """The options that a model has."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    own = getattr(scene.shiage.options, model, None)
    if own is not None:
        for prop in own.bl_rna.properties:
            if prop.identifier not in {"rna_type", "name"}:
                layout.prop(own, prop.identifier)


def draw_obstacle(layout, obstacle: str) -> None:
    """What keeps the button from being pressed."""
    if engine.find_obstacle():
        draw_sentence(layout, engine.find_obstacle(), "ERROR")
        layout.operator("preferences.addon_show", text="Open Preferences", icon="PREFERENCES").module = EXTENSION
    elif obstacle:
        draw_sentence(layout, obstacle, "INFO")


def draw_colors(layout, scene) -> None:
    """That the scene shows strips and planes in other colors than they have, and the button that mends it."""
    difference = colors.find_difference(scene)
    if difference:
        draw_sentence(layout, difference, "ERROR")
        layout.operator("shiage.show_exact_colors", icon="COLOR")


def draw_extent(layout, scene) -> None:
    """Which frames are made, and how large."""
    width, height = settings.get_size(scene)
    first, last, _step = settings.frame_range(scene)
    row = layout.row()
    row.active = False
    row.alignment = "CENTER"
    row.label(text=f"{first}–{last}  ·  {width} × {height} px", translate=False)


class Shot:
    bl_label = "Shot"
    bl_description = "Color the drawings of this scene after a reference"

    def draw(self, context):
        layout = self.layout
        chosen = context.scene.shiage
        layout.label(text="Reference")
        draw_references(layout, chosen, "SCENE", large=True)
        layout.separator(factor=0.5)
        draw_model(layout, chosen, "colorize")
        entry = session.find_running(context.scene, "colorize")
        if entry is not None:
            draw_progress(layout, entry, height=1.8)
            return
        row = layout.row()
        row.scale_y = 1.8
        row.operator("shiage.colorize_shot", icon="BRUSH_DATA")
        obstacle = colorize.find_obstacle(context.scene, context.view_layer)
        draw_obstacle(layout, obstacle)
        if not obstacle:
            draw_extent(layout, context.scene)
        draw_colors(layout, context.scene)


class Drawings:
    bl_label = "Drawings"
    bl_description = "What is colored: objects, layers, and their own references"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        scene = context.scene
        chosen = scene.shiage
        layout.row().prop(chosen, "source", expand=True)
        if chosen.source == "STRIP":
            if scene.sequence_editor is None:
                draw_sentence(layout, "Lay the scanned drawings into the Sequencer as an image strip first", "INFO")
            else:
                layout.prop_search(chosen, "strip", scene.sequence_editor, compat.STRIPS, text="", icon="FILE_IMAGE")
            return
        layout.prop(chosen, "use_selected")
        figures = colorize.find_objects(scene, context.view_layer)
        if not figures:
            draw_sentence(
                layout, "No Grease Pencil object is visible" if not chosen.use_selected else "No Grease Pencil object is selected", "INFO"
            )
        for ob in figures:
            self.draw_object(layout.box(), ob, ob == context.active_object)

    def draw_object(self, box, ob, active: bool) -> None:
        own = sum(item.image is not None for item in ob.shiage.references)
        row = box.row()
        row.label(text=ob.name, icon="OUTLINER_OB_GREASEPENCIL", translate=False)
        if own:
            row.label(text="", icon="IMAGE_REFERENCE")
        column = box.column(align=True)
        for layer in reversed(ob.data.layers):
            reason = layers.left_out(ob, layer)
            row = column.row()
            row.active = not reason
            icon = "CHECKBOX_DEHLT" if reason else "CHECKBOX_HLT"
            if reason in ("", "left out"):
                button = row.operator("shiage.toggle_layer", text="", icon=icon, emboss=False)
                button.object, button.layer = ob.name, layer.name
            else:
                row.label(text="", icon=icon)
            row.label(text=layer.name, translate=False)
            if reason and reason != "left out":
                end = row.row()
                end.alignment = "RIGHT"
                end.label(text=reason)
        if active:
            box.label(text="Own Reference" if not own else "Own References")
            draw_references(box, ob.shiage, "OBJECT", large=False)


class Paint:
    bl_label = "Paint"
    bl_description = "How the model paints"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        draw_options(self.layout, context.scene, context.scene.shiage.model)


class ShotOutput:
    bl_label = "Output"
    bl_description = "Which frames, at what size, and where they go"
    bl_options = {"DEFAULT_CLOSED"}
    steps = True  # whether the shot's step counts

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        scene = context.scene
        chosen = scene.shiage
        layout.prop(chosen, "range_mode")
        column = layout.column(align=True)
        if chosen.range_mode == "OWN":
            column.prop(chosen, "frame_start")
            column.prop(chosen, "frame_end")
        if self.steps:
            column.prop(chosen, "frame_step")
        layout.prop(chosen, "size_mode")
        column = layout.column(align=True)
        if chosen.size_mode == "OWN":
            column.prop(chosen, "width")
            column.prop(chosen, "height")
        else:
            column.prop(chosen, "percentage", slider=True)
        layout.prop(chosen, "destination")
        layout.prop(chosen, "output", placeholder=settings.get_output(scene))
        if settings.output_is_temporary(scene):
            draw_sentence(layout, "This file was never saved: the pictures go to a folder that is deleted when Blender ends", "ERROR")
