"""The shell: blender -b shot.blend -c shiage colorize --reference sheet.png --save

Says on stderr what goes on, and with --json FILE writes what a program wants to know. Exit status: 0 done, 2 bad input, 3 engine
missing, 4 job failed, 130 cancelled.
"""

import argparse
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import bpy

from ..engine import job as jobs
from ..engine import models
from ..engine.errors import BadInput, Cancelled, EngineMissing, JobFailed, ShiageError
from . import colorize, references, session
from .jobs import find_jobs, import_pictures
from .scene import hints, settings

_ERRORS = {error.kind: error for error in (BadInput, EngineMissing, JobFailed)}
_USAGE = "blender -b FILE.blend -c shiage"


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)[xX×](\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is no size: write WIDTHxHEIGHT, 1920x1080 for instance")
    return int(match[1]), int(match[2])


def _frames(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(-?\d+)(?:-(-?\d+))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is no frame range: write FIRST-LAST, 1-48 for instance")
    return int(match[1]), int(match[2] or match[1])


def parser(model: models.ModelInfo) -> argparse.ArgumentParser:
    """`model` is the one that a shot is colored by, whose options are arguments too."""
    main = argparse.ArgumentParser(prog=_USAGE, description="Paint 2-D animation from one colored reference.")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", type=Path, metavar="FILE", help="write the outcome to FILE, for programs")

    task = argparse.ArgumentParser(add_help=False, parents=[common])
    task.add_argument("--model", metavar="ID", help="the model to use; `models` lists them")
    task.add_argument("--frames", type=_frames, metavar="A-B", help="first and last frame; default: the shot's own choice")
    task.add_argument("--size", type=_size, metavar="WxH", help="size of the pictures in pixels; default: the shot's own choice")
    task.add_argument("--output", type=Path, metavar="DIR", help="folder that takes the job folder; default: the shot's own choice")
    task.add_argument(
        "--save", nargs="?", const="", metavar="PATH", help="save the .blend with the result in it, in place or to PATH; default: don't"
    )

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
    models.add_flags(paint.add_argument_group(f"options of the model '{model.id}', over the shot's own"), model)

    commands.add_parser("inbetween", parents=[task], help="make the frames between keys", description="Make the frames between keys.")
    commands.add_parser("animate", parents=[task], help="drive a character by an armature", description="Animate a character.")
    commands.add_parser("models", parents=[common], help="list the models there are", description="List the models there are.")
    commands.add_parser("jobs", parents=[common], help="list the jobs of this file's scenes", description="List the jobs of this file.")
    return main


def main(arguments: list[str]) -> int:
    """What `blender -c shiage` calls; returns the exit status."""
    try:
        given = parser(_model(arguments)).parse_args(arguments)
    except SystemExit as end:  # argparse has said what is wrong, or has given help
        return int(end.code or 0)
    answer: dict[str, object] = {"command": given.command}
    with _interruptible():
        try:
            _COMMANDS[given.command](given, answer)
            status = 0
        except ShiageError as error:
            _say(f"{'Cancelled' if isinstance(error, Cancelled) else 'Error'}: {error}")
            answer |= {"kind": error.kind, "text": str(error)}
            answer.setdefault("status", "cancelled" if isinstance(error, Cancelled) else "failed")
            status = error.exit_code
        except KeyboardInterrupt:
            _say("Cancelled")
            answer |= {"status": "cancelled", "kind": Cancelled.kind, "text": "Cancelled."}
            status = Cancelled.exit_code
        finally:
            session.close()
    if given.json:
        try:
            jobs.write_json(given.json, answer | {"exit_code": status})
        except JobFailed as error:
            _say(f"Error: {error}")
            status = status or error.exit_code
    return status


def _model(arguments: list[str]) -> models.ModelInfo:
    """The model that is meant, read before the rest, because the options that there are depend on it; the default for an unknown one."""
    early = argparse.ArgumentParser(prog=_USAGE, add_help=False, allow_abbrev=False)
    early.add_argument("--model", default=bpy.context.scene.shiage.model)
    wanted = early.parse_known_args(arguments)[0].model
    return next((model for model in models.available() if model.id == wanted), models.info(models.DEFAULT))


# --- commands -------------------------------------------------------------------------------------------------------


def _colorize(given: argparse.Namespace, answer: dict) -> None:
    scene, view_layer = bpy.context.scene, bpy.context.view_layer
    _check_save(given)
    _apply(scene, given)
    begun = time.monotonic()
    entry = colorize.start(scene, view_layer, _objects(scene, given.objects), _Meter("Reading the drawings").show)
    gathered = time.monotonic()
    if settings.output_is_temporary(scene):
        _say(f"Warning: this file was never saved: the pictures go to {entry.folder}, which is deleted when Blender ends; give --output")
    answer |= {"scene": scene.name, "job": str(entry.folder), "seconds": {"gather": round(gathered - begun, 3)}}
    meter = _Meter("Starting the engine")
    session.wait(entry, lambda entry: meter.show(entry.job.fraction, entry.job.remaining, entry.job.stage))
    meter.end()
    result = session.read_result(entry)
    answer |= {"status": entry.job.state, "warnings": list(entry.warnings), "pictures": result.get("pictures", [])}
    answer["frames"] = result.get("frames", [])
    answer["notes"] = [asdict(note) for note in entry.notes]
    answer["seconds"]["engine"] = round(time.monotonic() - gathered, 3)
    for text in (*entry.warnings, *(note.text for note in entry.notes if note.text)):
        _say(f"Warning: {text}")
    if entry.job.state == "cancelled":
        raise Cancelled(entry.job.text)
    if entry.job.state == "failed":
        raise _ERRORS.get(entry.job.kind, JobFailed)(entry.job.text)
    finished = time.monotonic()
    answer[entry.destination.lower()] = import_pictures(entry, scene).name
    answer["seconds"]["import"] = round(time.monotonic() - finished, 3)
    _say(f"{entry.job.text} {entry.remark}")
    if given.save is not None:
        answer["blend"] = _save(given.save)


def _other(given: argparse.Namespace, _answer: dict) -> None:
    able = [model.id for model in models.available() if given.command in model.tasks]
    if not able:
        raise BadInput(f"No installed model can {given.command} yet: `models` lists what there is.")
    raise BadInput(f"The shell can't {given.command} yet, although {', '.join(able)} could.")


def _models(_given: argparse.Namespace, answer: dict) -> None:
    found = models.available()
    answer["models"] = [
        {"id": m.id, "title": m.title, "tasks": list(m.tasks), "license": m.license, "commercial": m.commercial, "needs": list(m.needs)}
        for m in found
    ]
    for model in found:
        terms = "commercial use allowed" if model.commercial else "not for commercial use"
        _say(f"{model.id}: {model.title} ({', '.join(model.tasks)}; {model.license}, {terms}). {model.description}", sys.stdout)


def _jobs(_given: argparse.Namespace, answer: dict) -> None:
    find_jobs()
    answer["jobs"] = []
    for entry in session.entries:
        answer["jobs"].append(
            {
                "scene": entry.origin.name,
                "job": str(entry.folder),
                "status": entry.job.state,
                "text": entry.job.text,
                "pictures": entry.pictures,
            }
        )
        _say(f"{entry.origin.name}: {entry.job.state}. {entry.job.text} {entry.folder}", sys.stdout)
    if not session.entries:
        _say("No scene of this file has been colored.", sys.stdout)


_COMMANDS = {"colorize": _colorize, "inbetween": _other, "animate": _other, "models": _models, "jobs": _jobs}


# --- what the arguments mean ------------------------------------------------------------------------------------------


def _apply(scene: bpy.types.Scene, given: argparse.Namespace) -> None:
    """Put the arguments over the shot's own settings. Raises BadInput."""
    chosen = scene.shiage
    if given.model:
        models.info(given.model, "colorize")
        chosen.model = given.model
    if given.reference:
        images = [references.open_image(path.absolute()) for path in given.reference]
        chosen.references.clear()
        for image in images:
            references.add(chosen, image)
    if given.frames:
        chosen.range_mode = "OWN"
        chosen.frame_start, chosen.frame_end = given.frames
    if given.size:
        if not all(4 <= side <= jobs.MAX_SIDE for side in given.size):
            raise BadInput(f"The size {given.size[0]}x{given.size[1]} can't be made: each side must lie between 4 and {jobs.MAX_SIDE}.")
        chosen.size_mode = "OWN"
        chosen.width, chosen.height = given.size
    if given.output:
        chosen.output = str(given.output.absolute())
    model = models.info(chosen.model)
    own = models.flags(given, model)
    for name, value in model.resolve(own).items():
        if name in own:
            setattr(getattr(chosen.options, model.id), name, value)
    for hint in [jobs.parse_hint(text) for text in given.hint]:
        hints.add(scene, hint)
    if given.destination:
        chosen.destination = given.destination.upper()


def _objects(scene: bpy.types.Scene, names: list[str] | None) -> list[bpy.types.Object] | None:
    """The named objects, None for the shot's own choice. Raises BadInput."""
    for name in names or ():
        if name not in scene.objects:
            raise BadInput(f"The scene '{scene.name}' has no object '{name}': check the name.")
    return [scene.objects[name] for name in names] if names else None


def _check_save(given: argparse.Namespace) -> None:
    if given.save == "" and not bpy.data.filepath:
        raise BadInput("This file has no name yet: give --save a PATH.")
    if given.save and not Path(given.save).absolute().parent.is_dir():
        raise BadInput(f"The folder of {given.save} does not exist: make it, or save elsewhere.")


def _save(path: str) -> str:
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(Path(path).absolute()) if path else bpy.data.filepath)
    except RuntimeError as error:
        raise JobFailed(f"The pictures are ready, but the file could not be saved: {str(error).strip()}") from error
    return bpy.data.filepath


class _Meter:
    """Progress on stderr: one line that is written over on a terminal, a line a second elsewhere."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._shown = 0.0
        self._terminal = sys.stderr.isatty()

    def show(self, fraction: float, remaining: float = -1.0, stage: str = "") -> None:
        now = time.monotonic()
        changed = bool(stage) and stage != self._stage
        self._stage = stage or self._stage
        if not changed and now - self._shown < (0.1 if self._terminal else 1.0):
            return
        self._shown = now
        left = f", {remaining:.0f} s left" if remaining >= 0 else ""
        line = f"{self._stage}: {fraction:.0%}{left}"
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{line}")
        else:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def end(self) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[K")


def _say(text: str, stream=None) -> None:
    print(text, file=stream or sys.stderr, flush=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C is a KeyboardInterrupt, where Blender in the background would note it for a render and go on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


_command = None


def register() -> None:
    global _command
    _command = bpy.utils.register_cli_command("shiage", main)


def unregister() -> None:
    bpy.utils.unregister_cli_command(_command)
