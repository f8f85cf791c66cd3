"""Fill between keys: gather them, write the job, hand it to the engine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.app.handlers import persistent
from bpy.app.translations import pgettext_rpt as translated
from bpy.props import BoolProperty

from ..engine import models
from ..engine.host.client import JobState
from ..engine.job.errors import BadInput
from . import engine, jobs, session, weights
from .scene import compat, settings
from .scene.inbetween import betweens, fills, matches, pictures
from .scene.inbetween.keys import KeyPair
from .scene.inbetween.matches import Arc, StrokeMatch
from .scene.settings import inbetween, options
from .starting import StartingOperator

TASK = "inbetween"
BUSY = "Inbetweens of this scene are being made: wait, or cancel their job"

# What the last run of a job folder has made one of, and how it moves: kept here, so that drawing looks at no disk.
found: dict[Path, tuple[StrokeMatch, ...]] = {}
ways: dict[Path, tuple[Arc, ...]] = {}


def makes_strokes(scene: bpy.types.Scene) -> bool:
    """Whether the chosen model makes strokes; others make pictures."""
    model = options.find_model(scene.shiage.inbetween.model)
    return model is not None and "strokes" in model.needs


def find_obstacle(scene: bpy.types.Scene, view_layer: bpy.types.ViewLayer) -> str:
    """Why nothing can be filled now, and what to do; '' when nothing is known to be in the way. Looks at memory only."""
    chosen = scene.shiage.inbetween
    obs = betweens.find_objects(chosen, view_layer)
    if not obs:
        return "Select the Grease Pencil object to fill"
    if not chosen.model:
        return "Choose a model first"
    if not makes_strokes(scene) and scene.camera is None:
        return "Add a camera that sees the drawings"
    reason = _plan(scene, obs).reason
    if reason:
        return reason.removesuffix(".")
    if engine.find_obstacle() or weights.find_obstacle(scene, chosen.model):
        return engine.find_obstacle() or weights.find_obstacle(scene, chosen.model)
    return BUSY if session.find_running(scene, TASK) is not None else ""


def start_job(
    scene: bpy.types.Scene,
    view_layer: bpy.types.ViewLayer,
    obs: list[bpy.types.Object] | None,
    on_progress: Callable[[float], None],
    again: bool = False,
) -> session.JobEntry:
    """Gather the keys, write the job and hand it to the engine; returns at once. `obs` are the objects to fill, None for those that the
    settings choose; `again` fills what was filled last. Raises ShiageError, and nothing is changed then."""
    chosen = scene.shiage.inbetween
    if session.find_running(scene, TASK) is not None:
        raise BadInput(f"{BUSY}.")
    model = models.info(chosen.model, TASK)
    folder = settings.job_folder(scene, TASK)
    obs = betweens.find_objects(chosen, view_layer) if obs is None else obs
    if not obs:
        raise BadInput("There is no Grease Pencil object to fill: select one.")
    if "strokes" in model.needs:
        parts = betweens.parts_again(scene, folder) if again else betweens.find_parts(scene, obs)
        request, warnings = betweens.write_job(scene, parts, folder, model.id)
        destination = "STROKES"
    else:
        folder, request, warnings = pictures.write_job(scene, view_layer, betweens.find_parts(scene, obs), folder, model, on_progress)
        destination = scene.shiage.destination
    title = f"{scene.name} {request.frames[0].frame}–{request.frames[-1].frame}"
    entry = session.JobEntry(JobState(str(folder), title), session.SceneOrigin.from_scene(scene), destination, warnings, task=TASK)
    session.submit_job(entry)
    return entry


def summarize_drawings(scene: bpy.types.Scene, view_layer: bpy.types.ViewLayer) -> str:
    """The keys and how many drawings there will be: '1 → 17  ·  7 drawings'. Raises BadInput where there is an obstacle."""
    plan = _plan(scene, betweens.find_objects(scene.shiage.inbetween, view_layer))
    if plan.reason:
        raise BadInput(plan.reason)
    named = [f"{pair.first} → {pair.last}" for pair in plan.pairs]
    if len(named) > 3:
        named = [named[0], "…", named[-1]]
    return f"{', '.join(named)}  ·  " + translated("{} drawings").format(plan.count)


# --- what would be filled now ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """The pairs of keys to be filled and how many drawings that makes, or the `reason` why it can't be done, a sentence."""

    pairs: tuple[KeyPair, ...] = ()
    count: int = 0
    reason: str = ""


MOST_PLANS = 500
_plans: dict[tuple, Plan] = {}  # by all that they depend on but for the drawings: once one has changed or moved, there are none


def _plan(scene: bpy.types.Scene, obs: list[bpy.types.Object]) -> Plan:
    """What would be filled now. Looks at the drawings only when something has changed."""
    chosen = scene.shiage.inbetween
    frame = scene.frame_current if chosen.keys == "PLAYHEAD" else None
    values = tuple(getattr(chosen, name) for name in inbetween.SETTINGS)
    now = scene.session_uid, frame, values, *map(betweens.state, obs)
    if now not in _plans:
        if len(_plans) >= MOST_PLANS:
            _plans.clear()
        _plans[now] = _make_plan(scene, obs)
    return _plans[now]


def _make_plan(scene: bpy.types.Scene, obs: list[bpy.types.Object]) -> Plan:
    try:
        filled = [pair for part in betweens.find_parts(scene, obs) for pair in part.pairs]
        counts = {pair: len(inbetween.list_drawings(scene.shiage.inbetween, pair)) for pair in filled}
    except BadInput as error:
        return Plan(reason=str(error))
    pairs = tuple(sorted(counts))
    return Plan(pairs, sum(counts[pair] for pair in (filled if makes_strokes(scene) else pairs)))


@persistent
def _on_update(_scene, depsgraph) -> None:
    if any(isinstance(update.id, compat.GREASE_PENCIL) for update in depsgraph.updates):
        _plans.clear()


@persistent
def _on_undo(_scene) -> None:
    _plans.clear()


# --- what was filled ------------------------------------------------------------------------------------------------


def get_last_matches(scene: bpy.types.Scene) -> tuple[StrokeMatch, ...]:
    """What the scene's last job has made one of."""
    return found.get(_get_job_folder(scene), ())


def get_last_arcs(scene: bpy.types.Scene) -> tuple[Arc, ...]:
    """How the scene's last job moves strokes."""
    return ways.get(_get_job_folder(scene), ())


def _get_job_folder(scene: bpy.types.Scene) -> Path:
    try:
        return settings.job_folder(scene, TASK)
    except BadInput:  # no output folder is set: nothing was made
        return Path()


def refresh_matches() -> None:
    """See what the jobs of this file have found."""
    found.clear()
    ways.clear()
    for folder in map(_get_job_folder, bpy.data.scenes):
        if fills.has_strokes(folder):
            found[folder], ways[folder] = matches.read_matches(folder), matches.read_arcs(folder)


class SHIAGE_OT_fill_inbetweens(StartingOperator, bpy.types.Operator):
    """Make the drawings between two keys. The engine works beside Blender: go on drawing meanwhile"""

    bl_idname = "shiage.fill_inbetweens"
    bl_label = "Fill Inbetweens"

    again: BoolProperty(name="Again", description="Fill what was filled last", options={"HIDDEN", "SKIP_SAVE"})

    @staticmethod
    def reason(context):
        return find_obstacle(context.scene, context.view_layer)

    def start(self, context, on_progress):
        return start_job(context.scene, context.view_layer, None, on_progress, self.again)


@persistent
def _on_load(_path) -> None:
    _plans.clear()
    refresh_matches()


_HANDLERS = (
    (bpy.app.handlers.load_post, _on_load),
    (bpy.app.handlers.depsgraph_update_post, _on_update),
    (bpy.app.handlers.undo_post, _on_undo),
    (bpy.app.handlers.redo_post, _on_undo),
)


def register() -> None:
    bpy.utils.register_class(SHIAGE_OT_fill_inbetweens)
    for handlers, function in _HANDLERS:
        handlers.append(function)
    jobs.on_import.append(refresh_matches)


def unregister() -> None:
    jobs.on_import.remove(refresh_matches)
    for handlers, function in _HANDLERS:
        handlers.remove(function)
    bpy.utils.unregister_class(SHIAGE_OT_fill_inbetweens)
    for kept in (found, ways, _plans):
        kept.clear()
