"""What is drawn. No logic, no changes of data, nothing slower than a look at memory."""

import bpy

from . import corrections, inbetween, jobs, models, preferences, rig, shot

SPACES = {"VIEW_3D": "SHIAGE_PT_", "SEQUENCE_EDITOR": "SHIAGE_PT_sequencer_"}
PANELS = {
    "shot": (shot.Shot, None),
    "drawings": (shot.Drawings, "shot"),
    "paint": (shot.Paint, "shot"),
    "output": (shot.ShotOutput, "shot"),
    "corrections": (corrections.Corrections, None),
    "inbetween": (inbetween.Inbetween, None),
    "inbetween_options": (inbetween.Options, "inbetween"),
    "inbetween_strokes": (inbetween.MatchedStrokes, "inbetween"),
    "rig": (rig.Rig, None),
    "rig_motion": (rig.Motion, "rig"),
    "rig_bones": (rig.Bones, "rig"),
    "rig_output": (rig.RigOutput, "rig"),
    "jobs": (jobs.Jobs, None),
    "models": (models.Models, None),
}


def _make_panel(name: str, space: str) -> type:
    """The panel of one kind of editor. The drawing is the same in all."""
    base, parent = PANELS[name]
    place = {"bl_space_type": space, "bl_region_type": "UI", "bl_category": "Shiage", "bl_idname": SPACES[space] + name}
    if parent:
        place["bl_parent_id"] = SPACES[space] + parent
    return type(SPACES[space] + name, (base, bpy.types.Panel), place)


CLASSES = (
    shot.SHIAGE_UL_references,
    shot.SHIAGE_MT_add_reference,
    shot.SHIAGE_MT_add_own_reference,
    corrections.SHIAGE_UL_hints,
    preferences.SHIAGE_preferences,
    rig.SHIAGE_MT_marks,
    *(_make_panel(name, space) for space in SPACES for name in PANELS),
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
