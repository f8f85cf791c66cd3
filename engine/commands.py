"""The commands of `python -m engine`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from . import VERSION, models
from .errors import BadInput, ShiageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        models.__path__.extend(_model_folders(given))
        options = _parser(given).parse_args(given)
        return options.command(options)
    except ShiageError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _model_folders(given: Sequence[str]) -> list[str]:
    """`--models DIR` is read before the rest, because what the commands offer depends on the models."""
    early = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    early.add_argument("--models", action="append", default=[], type=Path)
    try:
        folders = early.parse_known_args(given)[0].models
    except argparse.ArgumentError as error:
        raise BadInput(str(error)) from error
    for folder in folders:
        if not folder.is_dir():
            raise BadInput(f"There is no folder of models at {folder}.")
    return [str(folder.resolve()) for folder in folders]


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="engine", description="Paints drawings after colored references.")
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--models", action="append", type=Path, metavar="DIR", help="a further folder of models")
    told = argparse.ArgumentParser(add_help=False)
    told.add_argument("--json", action="store_true", help="print every event as a line of JSON on stdout, and no progress")

    run = commands.add_parser("run", parents=[shared, told], help="run a job folder, or finish what an interrupted run left")
    run.add_argument("job", type=Path, metavar="JOB", help="the job folder")
    run.set_defaults(command=_run)

    serve = commands.add_parser("serve", parents=[shared], help="serve Blender until it ends; takes one JSON line on stdin")
    serve.set_defaults(command=_serve)

    listing = commands.add_parser("models", parents=[shared], help="list the models")
    listing.add_argument("--json", action="store_true", help="as JSON on stdout")
    listing.set_defaults(command=_models)
    return parser


def _run(options: argparse.Namespace) -> int:
    from .console import run_job

    return run_job(options.job, options.json)


def _serve(options: argparse.Namespace) -> int:
    from .worker import serve

    serve()
    return 0


def _models(options: argparse.Namespace) -> int:
    found = models.available()
    if options.json:
        table = [
            {
                "id": info.id,
                "title": info.title,
                "description": info.description,
                "tasks": info.tasks,
                "license": info.license,
                "commercial": info.commercial,
                "revision": info.revision,
                "needs": info.needs,
                "devices": info.devices,
                "options": {option.name: option.default for option in info.options.values()},
            }
            for info in found
        ]
        print(json.dumps(table, indent=1))
    else:
        for info in found:
            use = "commercial use allowed" if info.commercial else "no commercial use"
            print(f"{info.id:<16} {info.title}: {info.description} [{', '.join(info.tasks)}; {info.license}, {use}]")
    return 0
