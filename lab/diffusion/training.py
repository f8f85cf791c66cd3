"""The training loop of all diffusion models, to be read in a sitting.

A model's `train(settings)` makes a `Course`, which is all that is its own, and hands it over:

    def train(settings):
        found = clips.find(settings["data"], settings["out"] / "shots", least=15)
        nets = begin(settings["weights"])                                       # in single precision
        course = Course(
            nets={"unet": nets.unet, "controlnet": nets.controlnet},            # what is trained, in whole or in part
            frozen=(nets.vae, nets.image_encoder),                              # what only has to be on the device
            trainable=lambda name: "temporal" not in name,                      # of "unet.conv_in.weight" and so on
            lesson=lambda rng, device: lesson(nets, read(found, rng), rng),     # anything; computed without gradients
            loss=lambda lesson, rng: loss(nets, lesson, rng),                   # a number, the mean over the lesson
            sheet=lambda lesson: sheet(nets, lesson),                           # uint8 (H, W, 3), what it is now
            save=lambda folder, states: save(folder, states, nets),             # in the model's layout, `load` must read it
            about=f"{len(found)} clips",
        )
        yield from training.run(course, training.Settings.of(settings))

All chance comes from `rng` and from torch's own generator, both seeded anew for each lesson by the seed, the step and the process; so a
training that was stopped goes on as if it had not been. What it needs for that is in out/state/<step>, written beside and renamed: a
folder there is whole. Nothing is pickled.

`accelerate launch -m lab train …` uses several cards. The networks are wrapped together, with the loss as their one call.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.diffusion import device as devices
from engine.job.errors import BadInput

States = Mapping[str, Mapping[str, Tensor]]  # by network and name
TELL = 10  # steps between two lines


@dataclass(frozen=True)
class Settings:
    """`out` the folder of weights, sample sheets and state · `steps` of the optimizer · `rate` its learning rate · `accumulate` lessons in
    each step and process · `every` so many steps all is saved and a sheet drawn · `ema` the decay of the averaged weights · `clip` the
    largest norm of a step's gradient, 0 for any · `decay` of the weights, and `betas`, the optimizer's · `bf16` mixed precision; without a
    say, on graphics cards · `checkpointing` activations are computed again instead of kept, by networks that can."""

    out: Path
    steps: int
    rate: float
    seed: int = 0
    accumulate: int = 1
    every: int = 1000
    ema: float = 0.9999
    clip: float = 1.0
    decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    bf16: bool | None = None
    checkpointing: bool = False

    @staticmethod
    def of(given: Mapping[str, Any], **more: Any) -> "Settings":
        """Those of a command's options that are among them, and what the model itself sets."""
        known = {field.name for field in fields(Settings)}
        return Settings(**{name: value for name, value in given.items() if name in known and value is not None} | more)


@dataclass(frozen=True)
class Course:
    """What a model gives to be trained; see the module's docstring.

    `save` is given a folder and the whole state of each trained network, float32 on the processor: once the weights as they are, into
    `out`, once averaged, into out/average_weights.
    """

    nets: Mapping[str, nn.Module]
    lesson: Callable[[np.random.Generator, torch.device], Any]
    loss: Callable[[Any, np.random.Generator], Tensor]
    save: Callable[[Path, States], None]
    sheet: Callable[[Any], np.ndarray]
    trainable: Callable[[str], bool] = lambda name: True
    frozen: Sequence[nn.Module] = ()
    about: str = ""


class Student(nn.Module):
    """The networks of a course as one, whose call is the loss."""

    def __init__(self, course: Course) -> None:
        super().__init__()
        self.nets = nn.ModuleDict(course.nets)
        self.course = course

    def forward(self, lesson: Any, rng: np.random.Generator) -> Tensor:
        return self.course.loss(lesson, rng)


def run(course: Course, settings: Settings) -> Iterator[str]:
    """Train, or take up what was stopped; yields lines about the progress. Raises BadInput when what was stopped was something else."""
    device = devices.choose("auto")
    bf16 = device.type == "cuda" if settings.bf16 is None else settings.bf16
    accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="bf16" if bf16 else "no")
    student = Student(course).float().train()
    for net in course.nets.values() if settings.checkpointing else ():
        if getattr(net, "_supports_gradient_checkpointing", False):
            net.enable_gradient_checkpointing()  # pyright: ignore[reportCallIssue]  # of diffusers' networks
    for net in course.frozen:
        net.to(accelerator.device).requires_grad_(False)
    learned = select(student.nets, course.trainable)
    optimizer = torch.optim.AdamW(learned.values(), lr=settings.rate, weight_decay=settings.decay, betas=settings.betas)
    student.to(accelerator.device)
    average = {name: parameter.detach().clone() for name, parameter in learned.items()}
    begin = _restore(settings.out, learned, average, optimizer)
    student, optimizer = accelerator.prepare(student, optimizer)
    if accelerator.is_main_process:
        yield f"{course.about}: {sum(p.numel() for p in learned.values()):,} parameters, from step {begin}"
    losses, since, lesson = [], time.monotonic(), None
    for step in range(begin, settings.steps):
        total = 0.0
        for part in range(settings.accumulate):
            rng = seeded(settings.seed, step, part, accelerator.process_index)
            with torch.no_grad():
                lesson = course.lesson(rng, accelerator.device)
            with nullcontext() if part + 1 == settings.accumulate else accelerator.no_sync(student):
                value = student(lesson, rng) / settings.accumulate  # the mean over all lessons of a step, whatever their number
                accelerator.backward(value)
            total += value.item()
        if settings.clip:
            accelerator.clip_grad_norm_(learned.values(), settings.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        _follow(average, learned, min(settings.ema, (1 + step) / (10 + step)))
        losses.append(total)
        done = step + 1
        if accelerator.is_main_process and (done % TELL == 0 or done == settings.steps):
            pace = (time.monotonic() - since) / len(losses)
            yield f"step {done} of {settings.steps}: loss {np.mean(losses):.4f}, {pace:.2f} s a step"
            losses, since = [], time.monotonic()
        if accelerator.is_main_process and (done % settings.every == 0 or done == settings.steps):
            _keep(settings.out, learned, average, optimizer, done)
            course.save(settings.out, _states(course.nets, {}))
            course.save(settings.out / "average_weights", _states(course.nets, average))
            with torch.no_grad():
                Image.fromarray(course.sheet(lesson)).save(settings.out / f"samples_{done:06d}.png")
    accelerator.end_training()


def select(nets: Mapping[str, nn.Module] | nn.ModuleDict, trainable: Callable[[str], bool]) -> dict[str, nn.Parameter]:
    """The parameters that are learned, by names such as "unet.conv_in.weight"; all others are frozen."""
    chosen = {}
    for part, net in nets.items():
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(trainable(f"{part}.{name}"))
            if parameter.requires_grad:
                chosen[f"{part}.{name}"] = parameter
    return chosen


def seeded(*seed: int) -> np.random.Generator:
    """A generator for these whole numbers, after which torch's is seeded as well."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(int(rng.integers(1 << 62)))
    return rng


def _follow(average: Mapping[str, Tensor], learned: Mapping[str, nn.Parameter], decay: float) -> None:
    with torch.no_grad():
        for name, parameter in learned.items():
            average[name].lerp_(parameter, 1.0 - decay)


# --- files --------------------------------------------------------------------------------------------------------


def write(path: Path, state: Mapping[str, Tensor]) -> None:
    """A safetensors file, float32 or what the tensors are, beside its place and renamed: it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, part)
    part.replace(path)


def _states(nets: Mapping[str, nn.Module], instead: Mapping[str, Tensor]) -> States:
    """All weights of networks, some of them replaced."""
    return {
        part: {name: instead.get(f"{part}.{name}", value).cpu() for name, value in net.state_dict().items()} for part, net in nets.items()
    }


def _keep(out: Path, learned: Mapping[str, Tensor], average: Mapping[str, Tensor], optimizer: Any, step: int) -> None:
    part = out / "state" / f"{step}.part"
    write(part / "weights.safetensors", learned)
    write(part / "average.safetensors", average)
    moments = {f"{key}:{name}": value for name, tensor in learned.items() for key, value in optimizer.state[tensor].items()}
    write(part / "optimizer.safetensors", moments)
    whole = part.with_suffix("")
    shutil.rmtree(whole, ignore_errors=True)
    part.rename(whole)
    for other in (out / "state").iterdir():
        if other != whole:
            shutil.rmtree(other)


def _restore(out: Path, learned: Mapping[str, nn.Parameter], average: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> int:
    """Put the last state in place, and return its step; 0 when there is none. Raises BadInput when it is of other weights."""
    steps = [int(path.name) for path in (out / "state").glob("*") if path.name.isdecimal()]
    if not steps:
        return 0
    folder = out / "state" / f"{max(steps)}"
    weights, smooth, moments = (load_file(folder / f"{name}.safetensors") for name in ("weights", "average", "optimizer"))
    shapes = ({name: value.shape for name, value in state.items()} for state in (weights, learned))
    if next(shapes) != next(shapes):
        raise BadInput(f"Another training was begun in {out}: choose another output folder, or remove {folder.parent} to begin anew there.")
    with torch.no_grad():
        for name, parameter in learned.items():
            parameter.copy_(weights[name])
            average[name].copy_(smooth[name])
    for key, value in moments.items():
        kind, _, name = key.partition(":")
        optimizer.state[learned[name]][kind] = value if kind == "step" else value.to(learned[name].device)
    return max(steps)
