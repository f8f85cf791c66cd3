"""The shell: blender -b shot.blend -c shiage colorize --reference sheet.png --save

Says on stderr what goes on, and with --json FILE writes what a program wants to know. Exit status: 0 done, 2 bad input, 3 engine
missing, 4 job failed, 130 cancelled.
"""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import bpy

from ...engine import models
from ...engine.job.errors import JobCancelled, JobFailed, ShiageError
from ...engine.job.files import write_json
from .. import session
from ..jobs import find_jobs
from . import animate, colorize, inbetween
from .common import parse_frames, parse_size, print_text

_TASKS = {"colorize": colorize, "inbetween": inbetween, "animate": animate}
_USAGE = "blender -b FILE.blend -c shiage"


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The options of the models that the arguments choose are arguments too."""
    main = argparse.ArgumentParser(prog=_USAGE, description="Paint 2-D animation from one colored reference.")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", type=Path, metavar="FILE", help="write the outcome to FILE, for programs")

    task = argparse.ArgumentParser(add_help=False, parents=[common])
    task.add_argument("--model", metavar="ID", help="the model to use; `models` lists them")
    task.add_argument("--frames", type=parse_frames, metavar="A-B", help="first and last frame; default: the shot's own choice")
    task.add_argument("--size", type=parse_size, metavar="WxH", help="size of the pictures in pixels; default: the shot's own choice")
    task.add_argument("--output", type=Path, metavar="DIR", help="folder that takes the job folder; default: the shot's own choice")
    task.add_argument(
        "--exact-colors",
        action="store_true",
        help="let the scene show colors as the pictures have them: its view transform becomes Standard",
    )
    task.add_argument(
        "--save", nargs="?", const="", metavar="PATH", help="save the .blend with the result in it, in place or to PATH; default: don't"
    )

    for name, command in _TASKS.items():
        command.add_command(commands, task, _read_model(name, command.get_settings(bpy.context.scene).model, arguments))
    commands.add_parser("models", parents=[common], help="list the models there are", description="List the models there are.")
    commands.add_parser("jobs", parents=[common], help="list the jobs of this file's scenes", description="List the jobs of this file.")
    return main


def main(arguments: list[str]) -> int:
    """What `blender -c shiage` calls; returns the exit status."""
    try:
        given = build_parser(arguments).parse_args(arguments)
    except SystemExit as end:  # argparse has said what is wrong, or has given help
        return int(end.code or 0)
    answer: dict[str, object] = {"command": given.command}
    with _raise_interrupts():
        try:
            _COMMANDS[given.command](given, answer)
            status = 0
        except ShiageError as error:
            print_text(f"{'Cancelled' if isinstance(error, JobCancelled) else 'Error'}: {error}")
            answer |= {"kind": error.kind, "text": str(error)}
            answer.setdefault("status", "cancelled" if isinstance(error, JobCancelled) else "failed")
            status = error.exit_code
        except KeyboardInterrupt:
            print_text("Cancelled")
            answer |= {"status": "cancelled", "kind": JobCancelled.kind, "text": "Cancelled."}
            status = JobCancelled.exit_code
        finally:
            session.close_engine()
    if given.json:
        try:
            write_json(given.json, answer | {"exit_code": status})
        except JobFailed as error:
            print_text(f"Error: {error}")
            status = status or error.exit_code
    return status


def _read_model(task: str, chosen: str, arguments: Sequence[str]) -> models.ModelInfo:
    """The model that a task is to use, read before the rest, because the arguments that there are depend on it."""
    early = argparse.ArgumentParser(prog=_USAGE, add_help=False, allow_abbrev=False)
    early.add_argument("--model", default=chosen)
    wanted = early.parse_known_args(arguments)[0].model
    able = [model for model in models.available() if task in model.tasks]
    return next((model for model in able if model.id == wanted), able[0] if able else models.info(models.DEFAULT))


# --- commands -------------------------------------------------------------------------------------------------------


def _list_models(_given: argparse.Namespace, answer: dict) -> None:
    found = models.available()
    answer["models"] = [
        {"id": m.id, "title": m.title, "tasks": list(m.tasks), "license": m.license, "commercial": m.commercial, "needs": list(m.needs)}
        for m in found
    ]
    for model in found:
        terms = "commercial use allowed" if model.commercial else "not for commercial use"
        print_text(f"{model.id}: {model.title} ({', '.join(model.tasks)}; {model.license}, {terms}). {model.description}", sys.stdout)


def _list_jobs(_given: argparse.Namespace, answer: dict) -> None:
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
        print_text(f"{entry.origin.name}: {entry.job.state}. {entry.job.text} {entry.folder}", sys.stdout)
    if not session.entries:
        print_text("No scene of this file has been colored.", sys.stdout)


_COMMANDS = {**{name: command.run_command for name, command in _TASKS.items()}, "models": _list_models, "jobs": _list_jobs}


@contextmanager
def _raise_interrupts() -> Iterator[None]:
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
