"""The commands that run jobs: run, serve, selftest."""

import argparse
from pathlib import Path

from .common import Commands


def add_process_commands(commands: Commands) -> None:
    run = commands.add("run", "run a job folder, or finish what an interrupted run left", commands.folders, commands.event_options)
    run.add_argument("job", type=Path, metavar="JOB", help="the job folder")
    run.set_defaults(command=_run_folder)

    serve = commands.add("serve", "serve Blender until it ends; takes one JSON line on stdin", commands.folders)
    serve.set_defaults(command=_serve_blender)

    test = commands.add("selftest", "paint a circle, to see that the installation is whole")
    test.set_defaults(command=_print_selftest)


def _run_folder(options: argparse.Namespace) -> int:
    from ..worker.console import run_job

    return run_job(options.job, options.json)


def _serve_blender(options: argparse.Namespace) -> int:
    from ..worker.serve import serve_jobs

    serve_jobs()
    return 0


def _print_selftest(options: argparse.Namespace) -> int:
    from .selftest import run_selftest

    print(run_selftest())
    return 0
