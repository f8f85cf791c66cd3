"""Panel Animate Rig: armature, picture of the character, model, button; then the model's options, the bones, and where it goes."""

import bpy

from ..operators import animate, marking, session
from ..operators.scene.rig import bones, marks, places
from . import shot
from .jobs import draw_progress
from .text import draw_sentence, translated


class Rig:
    bl_label = "Animate Rig"
    bl_description = "Make frames of a character that moves like an armature"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        scene = context.scene
        chosen = scene.shiage.rig
        layout.prop(chosen, "armature", text="")
        if chosen.reference is not None:
            layout.template_icon(icon_value=layout.icon(chosen.reference), scale=6.0)
        layout.template_ID(chosen, "reference", open="image.open")
        if chosen.reference is not None:
            self.draw_marks(layout, chosen.reference)
        layout.separator(factor=0.5)
        shot.draw_model(layout, chosen, animate.TASK)
        entry = session.find_running(scene, animate.TASK)
        if entry is not None:
            draw_progress(layout, entry, height=1.8)
            return
        row = layout.row()
        row.scale_y = 1.8
        row.operator("shiage.animate_rig", icon="ARMATURE_DATA")
        obstacle = animate.find_obstacle(scene)
        shot.draw_obstacle(layout, obstacle)
        if not obstacle:
            shot.draw_extent(layout, scene)
        shot.draw_colors(layout, scene)

    def draw_marks(self, layout, image) -> None:
        if marking.marking is not None:
            asked = marking.marking.joint_prompt
            draw_sentence(layout, translated("Click: {}").format(translated(asked)) if asked else "Drag what is not right", "CURSOR")
            return
        count = len(marks.of_image(image))
        row = layout.row(align=True)
        text = translated("Mark Joints") if not count else f"{translated('Joints')}  {count} / {len(marks.JOINTS)}"
        row.operator("shiage.mark_reference", text=text, translate=False, icon="EMPTY_AXIS")
        row.menu("SHIAGE_MT_marks", text="", icon="DOWNARROW_HLT")
        if not count:
            draw_sentence(layout, "Without joints marked on the picture the character gets the rig's proportions", "INFO")


class SHIAGE_MT_marks(bpy.types.Menu):
    """How else to say where the joints of the figure on the picture are"""

    bl_label = "Joints of the Picture"

    def draw(self, _context):
        layout = self.layout
        layout.operator("shiage.marks_from_rig", text="Guess from Rest Pose", icon="ARMATURE_DATA").use_frame = False
        layout.operator("shiage.marks_from_rig", text="Take This Frame's Pose", icon="CAMERA_DATA").use_frame = True
        layout.separator()
        layout.operator("shiage.clear_marks", icon="X")


class Motion:
    bl_label = "Motion"
    bl_description = "How the model animates"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        chosen = context.scene.shiage.rig
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(chosen, "step")
        layout.prop(chosen, "show_skeleton")
        layout.separator(factor=0.5)
        shot.draw_options(layout, context.scene, chosen.model)


class Bones:
    bl_label = "Bones"
    bl_description = "Which bone bears which joint; an empty field is found by the bones' names and how they hang together"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        armature = context.scene.shiage.rig.armature
        if armature is None:
            draw_sentence(layout, "Choose the armature that moves the character", "INFO")
            return
        by_itself = bones.find_bones(armature)
        found = bones.of_armature(armature)
        row = layout.row()
        row.label(text=by_itself.title or "Unknown Rig", icon="ARMATURE_DATA")
        if found.missing:
            row.label(text=translated("{} missing").format(len(found.missing)), icon="ERROR", translate=False)
        if found.twice:
            draw_sentence(layout, "The armature holds more than one figure: the one with most bones is taken", "ERROR")
        own = armature.shiage.bones
        column = layout.column(align=True)
        column.use_property_split = True
        column.use_property_decorate = False
        for name in (*places.BODY, *places.FACE):
            draw_bone(column, own, name, found, by_itself)
        layout.prop(own, "face")
        header, body = layout.panel("shiage_fingers", default_closed=True)
        header.label(text="Fingers")
        if body is not None:
            column = body.column(align=True)
            column.use_property_split = True
            column.use_property_decorate = False
            for name in places.PLACES:
                if name not in places.BODY and name not in places.FACE:
                    draw_bone(column, own, name, found, by_itself)


def draw_bone(layout, own, name: str, found: bones.Found, by_itself: bones.Found) -> None:
    """The field of one place, red where the body lacks it."""
    row = layout.row()
    row.alert = name in found.missing or (name not in found.names and bool(getattr(own, places.PLACES[name].identifier)))
    row.prop(own, places.PLACES[name].identifier, placeholder=by_itself.names.get(name, "–"), icon="BONE_DATA")


class RigOutput(shot.ShotOutput):
    steps = False
