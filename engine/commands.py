"""The commands of `python -m engine`."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from . import VERSION, models, timing
from .errors import BadInput, ShiageError
from .job import parse_hint


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        early = _early(given)
        models.__path__.extend(str(folder.resolve()) for folder in early.models)
        options = _parser(early.model).parse_args(given)
        return options.command(options)
    except ShiageError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _early(given: Sequence[str]) -> argparse.Namespace:
    """`--models DIR` and `--model ID` are read before the rest, because the options that there are depend on them."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--models", action="append", default=[], type=Path)
    parser.add_argument("--model", default=next((models.DEFAULTS[word] for word in given if word in models.DEFAULTS), models.DEFAULT))
    try:
        early = parser.parse_known_args(given)[0]
    except argparse.ArgumentError as error:
        raise BadInput(f"{error}.") from error
    for folder in early.models:
        if not folder.is_dir():
            raise BadInput(f"There is no folder of models at {folder}.")
    return early


def _parser(model: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="engine", description="Paints drawings after colored references.")
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, parents: list[argparse.ArgumentParser], text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=parents, help=text, description=text, allow_abbrev=False)

    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--models", action="append", type=Path, metavar="DIR", help="a further folder of models")
    told = argparse.ArgumentParser(add_help=False)
    told.add_argument("--json", action="store_true", help="print every event as a line of JSON on stdout, and no progress")

    colorize = add("colorize", [shared, told], "color every drawing of a folder")
    colorize.add_argument("--sketches", required=True, type=Path, metavar="DIR", help="folder of line art, in the order of the names")
    colorize.add_argument(
        "--reference", required=True, type=Path, action="append", metavar="FILE", help="a colored picture; give several if need be"
    )
    colorize.add_argument("--out", required=True, type=Path, metavar="DIR", help="job folder: frames/NNNN.png and result.json go there")
    colorize.add_argument("--model", default=models.DEFAULT, metavar="ID", help="see the command 'models'; default %(default)s")
    colorize.add_argument("--device", choices=models.DEVICES, default="auto", help="default %(default)s")
    colorize.add_argument("--size", type=_size, metavar="WxH", help="size of the frames in px; sketches are fitted into it whole")
    colorize.add_argument(
        "--hint",
        action="append",
        default=[],
        metavar="FRAME,X,Y,COLOR",
        help="the region at X,Y px of a frame, counted from 0, wears #rrggbb or #rrggbbaa, 'none', or '=FRAME,X,Y' as that region does; "
        "the whole shot heeds it; give several if need be",
    )
    models.add_flags(colorize.add_argument_group(f"options of the model '{model}'"), models.info(model))
    colorize.set_defaults(command=_colorize)

    inbetween = add("inbetween", [shared, told], "make the drawings between keys")
    for name in ("first", "last"):
        inbetween.add_argument(f"--{name}", required=True, type=Path, metavar="FILE", help=f"the {name} key")
    inbetween.add_argument("--count", required=True, type=int, metavar="N", help="how many drawings to make between them")
    inbetween.add_argument(
        "--key", action="append", default=[], type=_numbered, metavar="K=FILE", help="one more key, in place of drawing K"
    )
    inbetween.add_argument(
        "--sketch", action="append", default=[], type=_numbered, metavar="K=FILE", help="line art that drawing K of 1 to N follows"
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
    inbetween.set_defaults(command=_inbetween)

    animate = add("animate", [shared, told], "move a character as poses say")
    animate.add_argument(
        "--poses", required=True, type=Path, metavar="DIR", help="folder of poses, JSON or pictures, in the order of the names"
    )
    animate.add_argument("--reference", required=True, type=Path, metavar="FILE", help="a colored picture of the character")
    animate.add_argument("--joints", type=Path, metavar="FILE", help="a pose that says where the joints are in the reference")
    animate.add_argument("--out", required=True, type=Path, metavar="DIR", help="job folder: frames/NNNN.png and result.json go there")
    animate.add_argument("--size", type=_size, metavar="WxH", help="size of the frames in px; poses are brought to it")
    animate.add_argument("--step", type=int, choices=(1, 2, 3, 4), default=1, help="on ones, twos, …; default %(default)s")
    animate.add_argument("--model", default=models.DEFAULTS["animate"], metavar="ID", help="see the command 'models'; default %(default)s")
    animate.add_argument("--device", choices=models.DEVICES, default="auto", help="default %(default)s")
    models.add_flags(animate.add_argument_group(f"options of the model '{model}'"), models.info(model))
    animate.set_defaults(command=_animate)

    run = add("run", [shared, told], "run a job folder, or finish what an interrupted run left")
    run.add_argument("job", type=Path, metavar="JOB", help="the job folder")
    run.set_defaults(command=_run)

    serve = add("serve", [shared], "serve Blender until it ends; takes one JSON line on stdin")
    serve.set_defaults(command=_serve)

    listing = add("models", [shared], "list the models")
    listing.add_argument("--json", action="store_true", help="as JSON on stdout")
    listing.set_defaults(command=_models)

    test = add("selftest", [], "paint a circle, to see that the installation is whole")
    test.set_defaults(command=_selftest)

    synth = add("synth", [], "draw toon worlds: line art and paint with all that is true of them")
    synth.add_argument("--family", choices=("solid", "puppet"), required=True, help="figures of solid bodies, or flat puppets")
    synth.add_argument("--count", type=int, default=24, metavar="N", help="samples; default %(default)s")
    synth.add_argument("--drawings", type=int, metavar="N", help="make each a shot of so many; else most are pairs, some shots of 20")
    synth.add_argument("--out", required=True, type=Path, metavar="DIR", help="a folder for each sample goes there")
    synth.add_argument("--size", type=int, default=512, metavar="PX", help="width and height; default %(default)s")
    synth.add_argument("--seed", type=int, default=0, help="of the first sample; the next ones count on from it")
    synth.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default %(default)s")
    synth.set_defaults(command=_synth)

    evaluate = add("evaluate", [shared], "measure how good the paint is, and write a page about it")
    evaluate.add_argument("--out", required=True, type=Path, metavar="DIR", help="evaluation.md and its pictures go there")
    evaluate.add_argument("--model", default=models.DEFAULT, metavar="ID", help="see the command 'models'; default %(default)s")
    evaluate.add_argument("--quick", action="store_true", help="measure a little, in seconds")
    evaluate.add_argument(
        "--clips", action="append", default=[], type=Path, metavar="DIR", help="a clip with true frames, or a folder of such"
    )
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    evaluate.set_defaults(command=_evaluate)

    train = add("train", [], "train a network; takes up again what was stopped").add_subparsers(required=True, metavar="WHAT")
    for what, text in (("lessons", "draw what the matcher learns from"), ("matcher", "train it"), ("trials", "measure it")):
        part = train.add_parser(what, help=text, description=text, allow_abbrev=False)
        part.add_argument("--config", required=True, type=Path, metavar="FILE", help="such as engine/matching/matcher.toml")
        part.set_defaults(command=_train, what=what)
    text = "train AniDoc: on toon worlds that `synth` draws, on folders of pictures, or on videos"
    part = _training(train, "anidoc", text, "Stable Video Diffusion, or AniDoc", size=(256, 256), frames=14, rate=1e-5)
    part.add_argument("--stage", choices=("dense", "spatial", "sparse"), required=True, help="dense first, then the others after it")
    part.add_argument("--no-matching", action="store_true", help="ablation: without points")
    part.add_argument("--no-binarization", action="store_true", help="ablation: gray sketches, backgrounds always kept")
    text = "train LVCD: on toon worlds of 15 drawings or more (`synth --drawings`), on folders of pictures, or on videos"
    part = _training(train, "lvcd", text, "Stable Video Diffusion, or LVCD", size=(576, 320), rate=5e-5, steps=18_000)
    part.add_argument(
        "--reference", choices=("early", "any"), default="early", help="a frame of the first quarter of those before a run, or any of them"
    )
    part.add_argument("--as-drawn", action="store_true", help="sketches as they are, as published: not thinned, thickened, or made binary")
    part.add_argument("--no-reference-attention", action="store_true", help="ablation: frames look at themselves alone")

    text = "train Animate Anyone: on toon worlds that `synth` draws, or on clips with a folder of poses in them"
    weights = "Animate Anyone, or Stable Diffusion's image variations"
    part = _training(train, "animate_anyone", text, weights, size=(512, 512), frames=24, rate=1e-5)
    part.add_argument("--stage", choices=("image", "motion"), required=True, help="single frames first, then motion")

    text = "train ToonCrafter: on toon worlds of 16 drawings or more (`synth --drawings`), on folders of pictures, or on videos"
    weights = "ToonCrafter, or DynamiCrafter's interpolation"
    part = _training(train, "tooncrafter", text, weights, size=(512, 320), steps=50_000)
    part.add_argument("--part", choices=("rectification", "decoder", "sketch"), required=True, help="what is trained")
    part.add_argument("--prompt", default="an anime scene", metavar="TEXT", help="of all clips; default '%(default)s'")
    part.add_argument(
        "--perceptual", default="", metavar="DIR", help="weights of LPIPS, for the decoder: vgg16 and lpips as .safetensors or .pth"
    )

    fetch = add("weights", [shared], "the weights of models: fetch them, or say where they go")
    fetch.add_argument("what", choices=("get", "where"), help="fetch what is missing, or name the files and their places")
    fetch.add_argument("id", metavar="MODEL", help="see the command 'models'")
    fetch.add_argument("--accept-license", action="store_true", help="you have read the licenses and accept them; asked for once")
    fetch.set_defaults(command=_weights)
    return parser


def _training(
    commands,
    model: str,
    text: str,
    weights: str,
    *,
    size: tuple[int, int],
    frames: int | None = None,
    rate: float | None = None,
    steps: int = 100_000,
) -> argparse.ArgumentParser:
    """The command that trains a diffusion model, with the options that all of them have; see engine/diffusion/training.py."""
    part = commands.add_parser(model, help=text, description=text, allow_abbrev=False)
    part.add_argument(
        "--data", required=True, type=Path, metavar="PATH", help="a folder of clips, or a video; a clip is a folder of pictures"
    )
    part.add_argument("--weights", required=True, type=Path, metavar="DIR", help=f"what to begin with: {weights}")
    part.add_argument("--out", required=True, type=Path, metavar="DIR", help="weights, sample sheets and the state go there; goes on there")
    part.add_argument("--steps", type=int, default=steps, metavar="N", help="default %(default)s")
    part.add_argument("--size", type=_size, default=size, metavar="WxH", help=f"of the pictures; default {size[0]}x{size[1]}")
    if frames is not None:
        part.add_argument("--frames", type=int, default=frames, metavar="N", help="of a clip; default %(default)s")
    part.add_argument("--rate", type=float, default=rate, metavar="X", help=f"learning rate; default {rate or 'that of the paper'}")
    part.add_argument("--accumulate", type=int, default=1, metavar="N", help="clips of a step, for each card; default %(default)s")
    part.add_argument("--every", type=int, default=1000, metavar="N", help="steps between two savings; default %(default)s")
    part.add_argument("--checkpointing", action="store_true", help="less memory, a third slower")
    part.add_argument("--seed", type=int, default=0)
    part.set_defaults(command=_train_model, model=model)
    return part


def _numbered(text: str) -> tuple[int, Path]:
    number, _, file = text.partition("=")
    if not number.isdecimal() or not file:
        raise argparse.ArgumentTypeError(f"'{text}' is no numbered picture: write K=FILE, 3=middle.png for instance")
    return int(number), Path(file)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)[xX×](\d+)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size: give it as in 1920x1080")
    return int(match[1]), int(match[2])


# The engine's own modules are imported by the command that needs them: `serve` must be up at once, and without any library.


def _colorize(options: argparse.Namespace) -> int:
    from .console import run_job
    from .gather import gather, spread

    model = models.info(options.model, "colorize")
    job = gather(
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
    spread(job, options.out)
    return code


def _inbetween(options: argparse.Namespace) -> int:
    from . import keys
    from .console import run_job

    model = models.info(options.model, "inbetween")
    pictures = {0: options.first, options.count + 1: options.last, **dict(options.key)}
    keys.gather(
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
    return run_job(options.out, options.json)


def _animate(options: argparse.Namespace) -> int:
    from .animate import gather
    from .console import run_job
    from .gather import spread

    model = models.info(options.model, "animate")
    chosen = models.flags(options, model)
    job = gather(
        options.poses, [options.reference], options.out, model.id, options.device, options.size, options.step, chosen, options.joints
    )
    code = run_job(options.out, options.json)
    spread(job, options.out)
    return code


def _run(options: argparse.Namespace) -> int:
    from .console import run_job

    return run_job(options.job, options.json)


def _serve(options: argparse.Namespace) -> int:
    from .worker import serve

    serve()
    return 0


def _selftest(options: argparse.Namespace) -> int:
    from .selftest import selftest

    print(selftest())
    return 0


def _synth(options: argparse.Namespace) -> int:
    from .synthesis.write import write

    for folder in write(options.family, options.count, options.out, options.size, options.seed, options.device, options.drawings):
        print(folder, flush=True)
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from .evaluation import evaluate, report
    from .job import write_json

    models.info(options.model, "colorize")
    settings = evaluate.QUICK if options.quick else evaluate.FULL
    results = evaluate.evaluate(settings, options.model, options.clips, lambda text: print(text, file=sys.stderr, flush=True))
    if options.json:
        write_json(options.json, evaluate.summary(results))
    print(report.write(results, options.out, f"python -m engine evaluate{' --quick' * options.quick}"))
    return 0


def _train(options: argparse.Namespace) -> int:
    from .matching import training, trial

    config = training.configured(options.config)
    steps = {"lessons": training.draw, "matcher": training.train, "trials": trial.report}
    for line in steps[options.what](config):
        print(line, flush=True)
    return 0


def _train_model(options: argparse.Namespace) -> int:
    from .models import training

    settings = {name: value for name, value in vars(options).items() if name not in ("command", "model")}
    for line in training(options.model)(settings):
        print(line, flush=True)
    return 0


def _weights(options: argparse.Namespace) -> int:
    from .download import get, where

    info = models.info(options.id)
    if options.what == "where":
        print(where(info))
        return 0
    shown = {}

    def tell(file: str, done: int, size: int) -> None:
        part = 10 * done // max(size, 1)
        if shown.get(file) != part:
            shown[file] = part
            print(f"{file}: {done >> 20} of {size >> 20} MB", file=sys.stderr, flush=True)

    print(get(info, options.accept_license, tell))
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
