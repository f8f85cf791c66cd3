"""The commands of `python -m engine`. A command imports what it needs when it runs: `serve` must start at once, and without libraries."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import VERSION, models
from ..job.errors import BadInput, ShiageError
from . import catalog, process, tasks
from .common import Commands

IN_LABORATORY = ("synth", "evaluate", "train")  # commands that have moved from the engine to the lab


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given and given[0] in IN_LABORATORY:
            raise BadInput(f"The engine has no command '{given[0]}': in a clone of the repository, run `python -m lab {given[0]}`.")
        early = _parse_early_options(given)
        add_model_folders(early.models)
        options = _build_parser(early.model).parse_args(given)
        return options.command(options)
    except ShiageError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _parse_early_options(given: Sequence[str]) -> argparse.Namespace:
    """Parse `--models DIR` and `--model ID` before the rest, because the other options depend on them."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--models", action="append", default=[], type=Path)
    parser.add_argument(
        "--model", default=next((models.DEFAULTS[argument] for argument in given if argument in models.DEFAULTS), models.DEFAULT)
    )
    try:
        early = parser.parse_known_args(given)[0]
    except argparse.ArgumentError as error:
        raise BadInput(f"{error}.") from error
    return early


def add_model_folders(folders: Sequence[Path]) -> None:
    """Add folders to the search path of models. Raises BadInput when one is missing."""
    for folder in folders:
        if not folder.is_dir():
            raise BadInput(f"There is no folder of models at {folder}.")
    models.__path__.extend(str(folder.resolve()) for folder in folders)


def _build_parser(model: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="engine", description="Paints drawings after colored references.")
    parser.add_argument("--version", action="version", version=VERSION)
    folders = argparse.ArgumentParser(add_help=False)
    folders.add_argument("--models", action="append", type=Path, metavar="DIR", help="a further folder of models")
    event_options = argparse.ArgumentParser(add_help=False)
    event_options.add_argument("--json", action="store_true", help="print every event as a line of JSON on stdout, and no progress")
    commands = Commands(parser.add_subparsers(title="commands", required=True, metavar="COMMAND"), folders, event_options)
    tasks.add_task_commands(commands, model)
    process.add_process_commands(commands)
    catalog.add_model_commands(commands)
    return parser
