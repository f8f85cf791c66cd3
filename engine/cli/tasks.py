"""The commands for tasks: colorize, inbetween, animate."""

import argparse
from pathlib import Path

from .. import models
from ..job import parse_hint, timing
from .common import Commands, parse_size


def add_task_commands(commands: Commands, model: str) -> None:
    """Add the commands. The options of `model` become options of the commands."""
    paint = (commands.folders, commands.event_options)

    colorize = commands.add("colorize", "color every drawing of a folder", *paint)
    colorize.add_argument("--sketches", required=True, type=Path, metavar="DIR", help="folder of line art, in the order of the names")
    colorize.add_argument(
        "--reference", required=True, type=Path, action="append", metavar="FILE", help="a colored picture; give several if need be"
    )
    colorize.add_argument("--out", required=True, type=Path, metavar="DIR", help="job folder: frames/NNNN.png and result.json go there")
    colorize.add_argument("--model", default=models.DEFAULT, metavar="ID", help="see the command 'models'; default %(default)s")
    colorize.add_argument("--device", choices=models.DEVICES, default="auto", help="default %(default)s")
    colorize.add_argument("--size", type=parse_size, metavar="WxH", help="size of the frames in px; sketches are fitted into it whole")
    colorize.add_argument(
        "--hint",
        action="append",
        default=[],
        metavar="FRAME,X,Y,COLOR",
        help="the region at X,Y px of a frame, counted from 0, wears #rrggbb or #rrggbbaa, 'none', or '=FRAME,X,Y' as that region does; "
        "the whole shot heeds it; give several if need be",
    )
    models.add_flags(colorize.add_argument_group(f"options of the model '{model}'"), models.info(model))
    colorize.set_defaults(command=_colorize_drawings)

    inbetween = commands.add("inbetween", "make the drawings between keys", *paint)
    for name in ("first", "last"):
        inbetween.add_argument(f"--{name}", required=True, type=Path, metavar="FILE", help=f"the {name} key")
    inbetween.add_argument("--count", required=True, type=int, metavar="N", help="how many drawings to make between them")
    inbetween.add_argument(
        "--key", action="append", default=[], type=_parse_numbered_file, metavar="K=FILE", help="one more key, in place of drawing K"
    )
    inbetween.add_argument(
        "--sketch",
        action="append",
        default=[],
        type=_parse_numbered_file,
        metavar="K=FILE",
        help="line art that drawing K of 1 to N follows",
    )
    inbetween.add_argument("--ease", choices=timing.EASINGS, default="linear", help="how drawings are spaced; default %(default)s")
    inbetween.add_argument("--chart", default="", metavar="TEXT", help="a timing chart instead, a place for each drawing: '1/8 1/4 1/2'")
    inbetween.add_argument(
        "--reference",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a colored picture; without any the keys are painted ones",
    )
    inbetween.add_argument("--out", required=True, type=Path, metavar="DIR", help="job folder: frames/NNNN.png and result.json go there")
    inbetween.add_argument(
        "--model", default=models.DEFAULTS["inbetween"], metavar="ID", help="see the command 'models'; default %(default)s"
    )
    inbetween.add_argument("--device", choices=models.DEVICES, default="auto", help="default %(default)s")
    models.add_flags(inbetween.add_argument_group(f"options of the model '{model}'"), models.info(model))
    inbetween.set_defaults(command=_make_inbetweens)

    animate = commands.add("animate", "move a character as poses say", *paint)
    animate.add_argument(
        "--poses", required=True, type=Path, metavar="DIR", help="folder of poses, JSON or pictures, in the order of the names"
    )
    animate.add_argument("--reference", required=True, type=Path, metavar="FILE", help="a colored picture of the character")
    animate.add_argument("--joints", type=Path, metavar="FILE", help="a pose that says where the joints are in the reference")
    animate.add_argument("--out", required=True, type=Path, metavar="DIR", help="job folder: frames/NNNN.png and result.json go there")
    animate.add_argument("--size", type=parse_size, metavar="WxH", help="size of the frames in px; poses are brought to it")
    animate.add_argument("--step", type=int, choices=(1, 2, 3, 4), default=1, help="on ones, twos, …; default %(default)s")
    animate.add_argument("--model", default=models.DEFAULTS["animate"], metavar="ID", help="see the command 'models'; default %(default)s")
    animate.add_argument("--device", choices=models.DEVICES, default="auto", help="default %(default)s")
    models.add_flags(animate.add_argument_group(f"options of the model '{model}'"), models.info(model))
    animate.set_defaults(command=_animate_figure)


def _parse_numbered_file(text: str) -> tuple[int, Path]:
    number, _, file = text.partition("=")
    if not number.isdecimal() or not file:
        raise argparse.ArgumentTypeError(f"'{text}' is no numbered picture: write K=FILE, 3=middle.png for instance")
    return int(number), Path(file)


def _colorize_drawings(options: argparse.Namespace) -> int:
    from ..worker.console import run_job
    from .colorize_job import build_colorize_job, link_held_frames

    model = models.info(options.model, "colorize")
    job = build_colorize_job(
        options.sketches,
        options.reference,
        options.out,
        options.model,
        options.device,
        options.size,
        models.flags(options, model),
        [parse_hint(text) for text in options.hint],
    )
    code = run_job(options.out, options.json)
    link_held_frames(job, options.out)
    return code


def _make_inbetweens(options: argparse.Namespace) -> int:
    from ..worker.console import run_job
    from . import inbetween_job as keys
    from .colorize_job import link_held_frames

    model = models.info(options.model, "inbetween")
    pictures = {0: options.first, options.count + 1: options.last, **dict(options.key)}
    job = keys.build_inbetween_job(
        pictures,
        options.count,
        options.reference,
        options.out,
        model.id,
        options.device,
        models.flags(options, model),
        dict(options.sketch),
        options.ease,
        options.chart,
    )
    code = run_job(options.out, options.json)
    link_held_frames(job, options.out)
    return code


def _animate_figure(options: argparse.Namespace) -> int:
    from ..worker.console import run_job
    from .animate_job import build_animate_job
    from .colorize_job import link_held_frames

    model = models.info(options.model, "animate")
    chosen = models.flags(options, model)
    job = build_animate_job(
        options.poses, [options.reference], options.out, model.id, options.device, options.size, options.step, chosen, options.joints
    )
    code = run_job(options.out, options.json)
    link_held_frames(job, options.out)
    return code
