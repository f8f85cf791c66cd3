"""The command colorize."""

import argparse
import time
from pathlib import Path

import bpy

from ...engine import job as jobs
from ...engine import models
from .. import colorize, references
from ..scene.read import hints
from . import common


def add_command(commands, task: argparse.ArgumentParser, model: models.ModelInfo) -> None:
    paint = commands.add_parser("colorize", parents=[task], help="color the drawings of the shot", description="Color the shot.")
    paint.add_argument(
        "--reference",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="a colored picture, may be given several times; default: the references chosen in the file",
    )
    paint.add_argument("--objects", nargs="+", metavar="NAME", help="Grease Pencil objects to color; default: the shot's own choice")
    paint.add_argument(
        "--hint",
        action="append",
        default=[],
        metavar="FRAME,X,Y,COLOR",
        help="the region at X,Y px of a frame's picture wears #rrggbb, 'none', or '=FRAME,X,Y' as that region does; the whole shot heeds "
        "it; may be given several times, and is added to the corrections in the file",
    )
    paint.add_argument("--destination", choices=("strip", "plane"), help="where the pictures go; default: the shot's own choice")
    common.add_options(paint, model)


def get_settings(scene: bpy.types.Scene) -> bpy.types.PropertyGroup:
    return scene.shiage


def run_command(given: argparse.Namespace, answer: dict) -> None:
    scene, view_layer = bpy.context.scene, bpy.context.view_layer
    common.check_save(given)
    _apply_arguments(scene, given)
    begun = time.monotonic()
    entry = colorize.start_job(
        scene, view_layer, common.find_named_objects(scene, given.objects), common.ProgressMeter("Reading the drawings").show
    )
    answer |= {"scene": scene.name, "job": str(entry.folder), "seconds": {"gather": round(time.monotonic() - begun, 3)}}
    common.warn_of_temporary(scene, entry)
    common.warn_of_colors(scene, entry, answer)
    common.follow_job(entry, answer)
    common.place_result(scene, entry, given, answer)


def _apply_arguments(scene: bpy.types.Scene, given: argparse.Namespace) -> None:
    """Put the arguments over the shot's own settings. Raises BadInput."""
    shot = scene.shiage
    if given.reference:
        images = [references.open_image(path.absolute()) for path in given.reference]
        shot.references.clear()
        for image in images:
            references.add_reference(shot, image)
    if given.frames:
        shot.range_mode = "OWN"
        shot.frame_start, shot.frame_end = given.frames
    common.apply_common_arguments(scene, given, shot)
    for hint in [jobs.parse_hint(text) for text in given.hint]:
        hints.add_hint(scene, hint)
    if given.destination:
        shot.destination = given.destination.upper()
