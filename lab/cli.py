"""The laboratory's command line: `python -m lab synth | evaluate | train | bench`. Exit codes are those of the engine."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine import models
from engine.cli import add_model_folders
from engine.cli.common import parse_size
from engine.job.errors import ShiageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _build_parser().parse_args(arguments)
    try:
        add_model_folders(getattr(options, "models", None) or [])
        return options.command(options)
    except ShiageError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="Draws what Shiage learns from, trains its networks, and measures it.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    text = "draw toon worlds: line art and paint with all that is true of them"
    synth = commands.add_parser("synth", help=text, description=text, allow_abbrev=False)
    synth.add_argument("--family", choices=("solid", "puppet"), required=True, help="figures of solid bodies, or flat puppets")
    synth.add_argument("--count", type=int, default=24, metavar="N", help="samples; default %(default)s")
    synth.add_argument("--drawings", type=int, metavar="N", help="make each a shot of so many; else most are pairs, some shots of 20")
    synth.add_argument("--out", required=True, type=Path, metavar="DIR", help="a folder for each sample goes there")
    synth.add_argument("--size", type=int, default=512, metavar="PX", help="width and height; default %(default)s")
    synth.add_argument("--seed", type=int, default=0, help="of the first sample; the next ones count on from it")
    synth.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default %(default)s")
    synth.set_defaults(command=_run_synth)

    text = "measure how good the paint is, and write a page about it"
    evaluate = commands.add_parser("evaluate", help=text, description=text, allow_abbrev=False)
    evaluate.add_argument("--models", action="append", type=Path, metavar="DIR", help="a further folder of models")
    evaluate.add_argument("--out", required=True, type=Path, metavar="DIR", help="evaluation.md and its pictures go there")
    evaluate.add_argument("--model", default=models.DEFAULT, metavar="ID", help="see `python -m engine models`; default %(default)s")
    evaluate.add_argument("--quick", action="store_true", help="measure a little, in seconds")
    evaluate.add_argument(
        "--clips", action="append", default=[], type=Path, metavar="DIR", help="a clip with true frames, or a folder of such"
    )
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    evaluate.set_defaults(command=_run_evaluate)

    text = "train a network; takes up again what was stopped"
    train = commands.add_parser("train", help=text, description=text, allow_abbrev=False)
    _add_trainings(train.add_subparsers(required=True, metavar="WHAT"))

    text = "measure how fast it is, and write docs/benchmarks.md"
    bench = commands.add_parser("bench", help=text, description=text, allow_abbrev=False)
    bench.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks; all when none is given")
    bench.set_defaults(command=_run_bench)
    return parser


def _add_trainings(train: Any) -> None:
    for what, text in (("lessons", "draw what the matcher learns from"), ("matcher", "train it"), ("trials", "measure it")):
        part = train.add_parser(what, help=text, description=text, allow_abbrev=False)
        part.add_argument("--config", required=True, type=Path, metavar="FILE", help="such as lab/matching/matcher.toml")
        part.set_defaults(command=_run_train, what=what)
    text = "train AniDoc: on toon worlds that `synth` draws, on folders of pictures, or on videos"
    part = _add_training(train, "anidoc", text, "Stable Video Diffusion, or AniDoc", size=(256, 256), frames=14, rate=1e-5)
    part.add_argument("--stage", choices=("dense", "spatial", "sparse"), required=True, help="dense first, then the others after it")
    part.add_argument("--no-matching", action="store_true", help="ablation: without points")
    part.add_argument("--no-binarization", action="store_true", help="ablation: gray sketches, backgrounds always kept")
    text = "train LVCD: on toon worlds of 15 drawings or more (`synth --drawings`), on folders of pictures, or on videos"
    part = _add_training(train, "lvcd", text, "Stable Video Diffusion, or LVCD", size=(576, 320), rate=5e-5, steps=18_000)
    part.add_argument(
        "--reference", choices=("early", "any"), default="early", help="a frame of the first quarter of those before a run, or any of them"
    )
    part.add_argument("--as-drawn", action="store_true", help="sketches as they are, as published: not thinned, thickened, or made binary")
    part.add_argument("--no-reference-attention", action="store_true", help="ablation: frames look at themselves alone")

    text = "train Animate Anyone: on toon worlds that `synth` draws, or on clips with a folder of poses in them"
    weights = "Animate Anyone, or Stable Diffusion's image variations"
    part = _add_training(train, "animate_anyone", text, weights, size=(512, 512), frames=24, rate=1e-5)
    part.add_argument("--stage", choices=("image", "motion"), required=True, help="single frames first, then motion")

    text = "train ToonCrafter: on toon worlds of 16 drawings or more (`synth --drawings`), on folders of pictures, or on videos"
    weights = "ToonCrafter, or DynamiCrafter's interpolation"
    part = _add_training(train, "tooncrafter", text, weights, size=(512, 320), steps=50_000)
    part.add_argument("--part", choices=("rectification", "decoder", "sketch"), required=True, help="what is trained")
    part.add_argument("--prompt", default="an anime scene", metavar="TEXT", help="of all clips; default '%(default)s'")
    part.add_argument(
        "--perceptual", default="", metavar="DIR", help="weights of LPIPS, for the decoder: vgg16 and lpips as .safetensors or .pth"
    )


def _add_training(
    train: Any,
    model: str,
    text: str,
    weights: str,
    *,
    size: tuple[int, int],
    frames: int | None = None,
    rate: float | None = None,
    steps: int = 100_000,
) -> argparse.ArgumentParser:
    """The command that trains a diffusion model, with the options that all of them have; see lab/diffusion/training.py."""
    part = train.add_parser(model, help=text, description=text, allow_abbrev=False)
    part.add_argument(
        "--data", required=True, type=Path, metavar="PATH", help="a folder of clips, or a video; a clip is a folder of pictures"
    )
    part.add_argument("--weights", required=True, type=Path, metavar="DIR", help=f"what to begin with: {weights}")
    part.add_argument("--out", required=True, type=Path, metavar="DIR", help="weights, sample sheets and the state go there; goes on there")
    part.add_argument("--steps", type=int, default=steps, metavar="N", help="default %(default)s")
    part.add_argument("--size", type=parse_size, default=size, metavar="WxH", help=f"of the pictures; default {size[0]}x{size[1]}")
    if frames is not None:
        part.add_argument("--frames", type=int, default=frames, metavar="N", help="of a clip; default %(default)s")
    part.add_argument("--rate", type=float, default=rate, metavar="X", help=f"learning rate; default {rate or 'that of the paper'}")
    part.add_argument("--accumulate", type=int, default=1, metavar="N", help="clips of a step, for each card; default %(default)s")
    part.add_argument("--every", type=int, default=1000, metavar="N", help="steps between two savings; default %(default)s")
    part.add_argument("--checkpointing", action="store_true", help="less memory, a third slower")
    part.add_argument("--seed", type=int, default=0)
    part.set_defaults(command=_train_model, model=model)
    return part


def _run_synth(options: argparse.Namespace) -> int:
    from .synthesis.write import write_samples

    for folder in write_samples(options.family, options.count, options.out, options.size, options.seed, options.device, options.drawings):
        print(folder, flush=True)
    return 0


def _run_evaluate(options: argparse.Namespace) -> int:
    from engine.job.files import write_json

    from .evaluation import evaluate, report

    models.info(options.model, "colorize")
    settings = evaluate.QUICK if options.quick else evaluate.FULL
    results = evaluate.evaluate_model(settings, options.model, options.clips, lambda text: print(text, file=sys.stderr, flush=True))
    if options.json:
        write_json(options.json, evaluate.summarize_results(results))
    print(report.write_report(results, options.out, f"python -m lab evaluate{' --quick' * options.quick}"))
    return 0


def _run_train(options: argparse.Namespace) -> int:
    from .matching import training, trial

    config = training.read_config(options.config)
    steps = {"lessons": training.draw_lessons, "matcher": training.train_matcher, "trials": trial.report_trials}
    for line in steps[options.what](config):
        print(line, flush=True)
    return 0


def _train_model(options: argparse.Namespace) -> int:
    training = importlib.import_module(f".models.{options.model}.train", __package__)
    settings = {name: value for name, value in vars(options).items() if name not in ("command", "model")}
    for line in training.train_model(settings):
        print(line, flush=True)
    return 0


def _run_bench(options: argparse.Namespace) -> int:
    from .bench import run

    run.main(options.names)
    return 0
