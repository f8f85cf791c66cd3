"""The commands for models: models, weights."""

import argparse
import json
import sys

from .. import models
from .common import Commands


def add_model_commands(commands: Commands) -> None:
    listing = commands.add("models", "list the models", commands.folders)
    listing.add_argument("--json", action="store_true", help="as JSON on stdout")
    listing.set_defaults(command=_list_models)

    fetch = commands.add("weights", "the weights of models: fetch them, or say where they go", commands.folders)
    fetch.add_argument("what", choices=("get", "where"), help="fetch what is missing, or name the files and their places")
    fetch.add_argument("id", metavar="MODEL", help="see the command 'models'")
    fetch.add_argument("--accept-license", action="store_true", help="you have read the licenses and accept them; asked for once")
    fetch.set_defaults(command=_manage_weights)


def _list_models(options: argparse.Namespace) -> int:
    found = models.available()
    if options.json:
        table = [
            {
                "id": info.id,
                "title": info.title,
                "description": info.description,
                "tasks": info.tasks,
                "notes": dict(info.notes),
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
            for task, note in info.notes.items():
                print(f"{'':<16} {task}: {note}")
    return 0


def _manage_weights(options: argparse.Namespace) -> int:
    from ..worker.download import describe_placement, download_weights

    info = models.info(options.id)
    if options.what == "where":
        print(describe_placement(info))
        return 0
    shown = {}

    def print_progress(file: str, done: int, size: int) -> None:
        part = 10 * done // max(size, 1)
        if shown.get(file) != part:
            shown[file] = part
            print(f"{file}: {done >> 20} of {size >> 20} MB", file=sys.stderr, flush=True)

    print(download_weights(info, options.accept_license, print_progress))
    return 0
