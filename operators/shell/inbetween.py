"""The command inbetween."""

import argparse
import time

import bpy

from ...engine import models
from ...engine.job import timing
from ...engine.job.errors import BadInput
from .. import inbetween
from ..scene.inbetween import betweens
from ..scene.settings.inbetween import MAX_COUNT, STEPS
from . import common


def add_command(commands, task: argparse.ArgumentParser, model: models.ModelInfo) -> None:
    fill = commands.add_parser(
        "inbetween",
        parents=[task],
        help="make the drawings between keys",
        description="Make the drawings between keys: all that lie in --frames, or those around the present frame.",
    )
    fill.add_argument("--objects", nargs="+", metavar="NAME", help="Grease Pencil objects to fill; default: the shot's own choice")
    spacing = fill.add_mutually_exclusive_group()
    spacing.add_argument("--step", type=int, choices=(1, 2, 3), help="a drawing at every N frames: ones, twos or threes")
    spacing.add_argument("--count", type=int, metavar="N", help="so many drawings between two keys")
    spacing.add_argument(
        "--chart", metavar="PLACES", help="a timing chart, a place for each drawing: '1/8 1/4 1/2', '25%% 50%%' or '0.25 0.5'"
    )
    fill.add_argument("--ease", choices=timing.EASINGS, help="how the movement is spread over the drawings")
    fill.add_argument("--own-layer", action=argparse.BooleanOptionalAction, help="put the drawings on a layer of their own")
    fill.add_argument("--guide", metavar="LAYER", help="a layer with sketches to follow, for models that do")
    fill.add_argument("--destination", choices=("strip", "plane"), help="where pictures go, of models that make no strokes")
    common.add_options(fill, model)


def get_settings(scene: bpy.types.Scene) -> bpy.types.PropertyGroup:
    return scene.shiage.inbetween


def run_command(given: argparse.Namespace, answer: dict) -> None:
    scene, view_layer = bpy.context.scene, bpy.context.view_layer
    common.check_save(given)
    _apply_arguments(scene, given)
    begun = time.monotonic()
    entry = inbetween.start_job(scene, view_layer, _find_objects(scene, view_layer, given), common.ProgressMeter("Reading the keys").show)
    answer |= {"scene": scene.name, "job": str(entry.folder), "seconds": {"gather": round(time.monotonic() - begun, 3)}}
    common.warn_of_colors(scene, entry, answer)
    common.follow_job(entry, answer)
    common.place_result(scene, entry, given, answer)


def _apply_arguments(scene: bpy.types.Scene, given: argparse.Namespace) -> None:
    """Put the arguments over the shot's own settings. Raises BadInput."""
    fill = scene.shiage.inbetween
    if given.frames:
        fill.keys = "RANGE"
        fill.frame_start, fill.frame_end = given.frames
    if given.step:
        fill.spacing = next(name for name, step in STEPS.items() if step == given.step)
    if given.count is not None:
        if not 1 <= given.count <= MAX_COUNT:
            raise BadInput(f"There can be 1 to {MAX_COUNT} drawings between two keys, not {given.count}.")
        fill.spacing, fill.count = "COUNT", given.count
    if given.chart is not None:
        timing.parse_timing_chart(given.chart)
        fill.spacing, fill.chart = "CHART", given.chart
    if given.ease:
        fill.easing = given.ease
    if given.own_layer is not None:
        fill.destination = "OWN" if given.own_layer else "SAME"
    if given.guide is not None:
        fill.guide = given.guide
    if given.destination:
        scene.shiage.destination = given.destination.upper()
    common.apply_common_arguments(scene, given, fill)


def _find_objects(scene: bpy.types.Scene, view_layer: bpy.types.ViewLayer, given: argparse.Namespace) -> list[bpy.types.Object] | None:
    """The objects to fill: the named ones, else the shot's choice, else all that there are. Raises BadInput."""
    named = common.find_named_objects(scene, given.objects)
    if named is None:
        if betweens.find_objects(scene.shiage.inbetween, view_layer):
            return None
        named = [ob for ob in view_layer.objects if ob.type == "GREASEPENCIL" and ob.visible_get(view_layer=view_layer)]
    for ob in named:
        if ob.type != "GREASEPENCIL":
            raise BadInput(f"{ob.name} is no Grease Pencil object: name one, or an object that is.")
    return named
