"""Color a shot: gather its drawings, write the job, hand it to the engine."""

from collections.abc import Callable

import bpy

from ..engine import models
from ..engine.host.client import JobState
from ..engine.job.errors import BadInput
from . import engine, session, weights
from .scene import compat, settings
from .scene.read import absence, hints, layers, references, scans
from .scene.read.request import write_job
from .scene.read.shot import gather_shot
from .starting import StartingOperator


def find_objects(scene: bpy.types.Scene, view_layer: bpy.types.ViewLayer) -> list[bpy.types.Object]:
    """The visible Grease Pencil objects that the settings let take part."""
    chosen = settings.get_objects(scene, view_layer)
    candidates = view_layer.objects if chosen is None else chosen
    return [ob for ob in candidates if ob.type == "GREASEPENCIL" and not ob.hide_render and ob.visible_get(view_layer=view_layer)]


def find_obstacle(scene: bpy.types.Scene, view_layer: bpy.types.ViewLayer) -> str:
    """Why the shot can't be colored now, and what to do; '' when nothing is known to be in the way. Looks at memory only."""
    chosen = scene.shiage
    if chosen.source == "STRIP":
        editor = scene.sequence_editor
        if editor is None or chosen.strip not in compat.get_strips(editor):
            return "Choose the strip that holds the scanned drawings"
        figures = []
    else:
        figures = find_objects(scene, view_layer)
        instancers = any(ob.instance_type != "NONE" or ob.modifiers for ob in view_layer.objects)  # of what, only gathering tells
        if not figures and not instancers:
            return "Select the Grease Pencil objects to color" if chosen.use_selected else "Add a Grease Pencil object that is visible"
        if scene.camera is None:
            return "Add a camera that sees the drawings"
        if obstacle := _find_empty_layers(figures):
            return obstacle
    if not any(item.image for item in chosen.references) and not (figures and all(_has_own(ob) for ob in figures)):
        return "Choose a reference first"
    if not chosen.model:
        return "Choose a model first"
    if engine.find_obstacle() or weights.find_obstacle(scene, chosen.model):
        return engine.find_obstacle() or weights.find_obstacle(scene, chosen.model)
    if session.find_running(scene, "colorize") is not None:
        return "This shot is being colored: wait, or cancel its job"
    return ""


def _find_empty_layers(figures: list[bpy.types.Object]) -> str:
    """That no layer which takes part has a drawing, and why; looks at no drawing."""
    reasons = {(ob.name, layer.name): layers.left_out(ob, layer) for ob in figures for layer in ob.data.layers if len(layer.frames)}
    if not reasons or not all(reasons.values()):
        return ""
    if set(reasons.values()) == {"left out"}:
        return "Let at least one layer take part, under Drawings"
    return absence.explain_left_out({name: reason for (_, name), reason in reasons.items()}).removesuffix(".")


def _has_own(ob: bpy.types.Object) -> bool:
    return any(item.image for item in ob.shiage.references)


def start_job(
    scene: bpy.types.Scene,
    view_layer: bpy.types.ViewLayer,
    figures: list[bpy.types.Object] | None,
    on_progress: Callable[[float], None],
) -> session.JobEntry:
    """Gather the shot, write its job and hand it to the engine; returns at once. `figures` are the objects to color, None for those
    that the settings choose. Raises ShiageError, and nothing is changed then."""
    chosen = scene.shiage
    folder = settings.job_folder(scene)
    running = session.find_entry(folder)
    if running is not None and running.live:
        raise BadInput("This shot is being colored: wait, or cancel its job.")
    model = models.info(chosen.model, "colorize")
    pictures = references.find_reference_files(chosen.references)
    first, last, step = settings.frame_range(scene)
    wanted = {"size": settings.get_size(scene), "frames": (first, last), "step": step, "on_progress": on_progress}
    if chosen.source == "STRIP":
        shot = scans.gather_scans(scene, chosen.strip, **wanted)
    else:
        shot = gather_shot(scene, view_layer, objects=settings.get_objects(scene, view_layer) if figures is None else figures, **wanted)
    write_job(shot, folder, model.id, settings.get_options(scene, model.id), pictures, hints=hints.of_scene(scene))
    entry = session.JobEntry(JobState(str(folder), scene.name), session.SceneOrigin.from_scene(scene), chosen.destination, shot.warnings)
    session.submit_job(entry)
    return entry


class SHIAGE_OT_colorize_shot(StartingOperator, bpy.types.Operator):
    """Color every drawing of the shot after the reference. The engine works beside Blender: go on drawing meanwhile"""

    bl_idname = "shiage.colorize_shot"
    bl_label = "Colorize Shot"

    @staticmethod
    def reason(context):
        return find_obstacle(context.scene, context.view_layer)

    def start(self, context, on_progress):
        return start_job(context.scene, context.view_layer, None, on_progress)


register, unregister = bpy.utils.register_classes_factory((SHIAGE_OT_colorize_shot,))
