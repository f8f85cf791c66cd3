"""The training loop of all diffusion models.

A model's `train_model(settings)` makes a `TrainingSpec` with everything that is specific to the model, and passes it on:

    def train_model(settings):
        found = clips.find_clips(settings["data"], settings["out"] / "shots", least=15)
        nets = load_trainable(settings["weights"])                                # in single precision
        spec = TrainingSpec(
            networks={"unet": nets.unet, "controlnet": nets.controlnet},          # trained in whole or in part
            frozen=(nets.vae, nets.image_encoder),                                # not trained, moved to the device
            trainable=lambda name: "temporal" not in name,                        # for names like "unet.conv_in.weight"
            draw_batch=lambda rng, device: build_batch(nets, read(found, rng)),   # anything; computed without gradients
            compute_loss=lambda batch, rng: compute_loss(nets, batch, rng),       # a scalar, the mean over the batch
            draw_sheet=lambda batch: draw_sheet(nets, batch),                     # uint8 (H, W, 3), a sample of the current state
            save_weights=lambda folder, states: save_weights(folder, states),     # in the model's layout, readable by it
            about=f"{len(found)} clips",
        )
        yield from training.run_training(spec, training.LoopSettings.select_options(settings))

All random numbers come from `rng` and from torch's own generator. Both are seeded for each batch by the seed, the step and the process, so
a training that was stopped continues as if it had not been. Its state is in out/state/<step>, which is written under another name and
renamed, so a folder there is complete. Nothing is pickled.

`accelerate launch -m lab train …` uses several GPUs. The networks are wrapped in one module whose call is the loss.
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
TELL = 10  # steps between two lines of progress


@dataclass(frozen=True)
class LoopSettings:
    """`out` the folder of weights, sample sheets and state · `steps` of the optimizer · `rate` its learning rate · `accumulate` batches in
    each step and process · `every` so many steps everything is saved and a sheet drawn · `ema` the decay of the averaged weights · `clip`
    the largest norm of a step's gradient, 0 for no limit · `decay` of the weights, and `betas`, of the optimizer · `bf16` mixed precision,
    by default on GPUs · `checkpointing` activations are recomputed instead of kept, by networks that support it."""

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
    def select_options(given: Mapping[str, Any], **more: Any) -> "LoopSettings":
        """The settings from a command's options and from the model (`more`)."""
        known = {field.name for field in fields(LoopSettings)}
        return LoopSettings(**{name: value for name, value in given.items() if name in known and value is not None} | more)


@dataclass(frozen=True)
class TrainingSpec:
    """The model-specific part of a training; see the module's docstring.

    `save_weights` gets a folder and the whole state of each trained network, float32 on the CPU. It is called twice: for the current
    weights with `out`, and for the averaged ones with out/average_weights.
    """

    networks: Mapping[str, nn.Module]
    draw_batch: Callable[[np.random.Generator, torch.device], Any]
    compute_loss: Callable[[Any, np.random.Generator], Tensor]
    save_weights: Callable[[Path, States], None]
    draw_sheet: Callable[[Any], np.ndarray]
    trainable: Callable[[str], bool] = lambda name: True
    frozen: Sequence[nn.Module] = ()
    about: str = ""


class LossModule(nn.Module):
    """The networks of a spec as one module, whose call is the loss."""

    def __init__(self, spec: TrainingSpec) -> None:
        super().__init__()
        self.nets = nn.ModuleDict(spec.networks)
        self.spec = spec

    def forward(self, batch: Any, rng: np.random.Generator) -> Tensor:
        return self.spec.compute_loss(batch, rng)


def run_training(spec: TrainingSpec, settings: LoopSettings) -> Iterator[str]:
    """Train, or resume a stopped training. Yields lines of progress. Raises BadInput when the stopped training was a different one."""
    device = devices.choose_device("auto")
    bf16 = device.type == "cuda" if settings.bf16 is None else settings.bf16
    accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="bf16" if bf16 else "no")
    module = LossModule(spec).float().train()
    for net in spec.networks.values() if settings.checkpointing else ():
        if getattr(net, "_supports_gradient_checkpointing", False):
            net.enable_gradient_checkpointing()  # pyright: ignore[reportCallIssue]  # of diffusers' networks
    for net in spec.frozen:
        net.to(accelerator.device).requires_grad_(False)
    learned = select_parameters(module.nets, spec.trainable)
    optimizer = torch.optim.AdamW(learned.values(), lr=settings.rate, weight_decay=settings.decay, betas=settings.betas)
    module.to(accelerator.device)
    average = {name: parameter.detach().clone() for name, parameter in learned.items()}
    begin = _restore_state(settings.out, learned, average, optimizer)
    module, optimizer = accelerator.prepare(module, optimizer)
    if accelerator.is_main_process:
        yield f"{spec.about}: {sum(p.numel() for p in learned.values()):,} parameters, from step {begin}"
    losses, since, batch = [], time.monotonic(), None
    for step in range(begin, settings.steps):
        total = 0.0
        for part in range(settings.accumulate):
            rng = seed_generator(settings.seed, step, part, accelerator.process_index)
            with torch.no_grad():
                batch = spec.draw_batch(rng, accelerator.device)
            with nullcontext() if part + 1 == settings.accumulate else accelerator.no_sync(module):
                value = module(batch, rng) / settings.accumulate  # the mean over all batches of a step, whatever their number
                accelerator.backward(value)
            total += value.item()
        if settings.clip:
            accelerator.clip_grad_norm_(learned.values(), settings.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        _update_average(average, learned, min(settings.ema, (1 + step) / (10 + step)))
        losses.append(total)
        done = step + 1
        if accelerator.is_main_process and (done % TELL == 0 or done == settings.steps):
            pace = (time.monotonic() - since) / len(losses)
            yield f"step {done} of {settings.steps}: loss {np.mean(losses):.4f}, {pace:.2f} s a step"
            losses, since = [], time.monotonic()
        if accelerator.is_main_process and (done % settings.every == 0 or done == settings.steps):
            _save_state(settings.out, learned, average, optimizer, done)
            spec.save_weights(settings.out, _collect_states(spec.networks, {}))
            spec.save_weights(settings.out / "average_weights", _collect_states(spec.networks, average))
            with torch.no_grad():
                Image.fromarray(spec.draw_sheet(batch)).save(settings.out / f"samples_{done:06d}.png")
    accelerator.end_training()


def select_parameters(nets: Mapping[str, nn.Module] | nn.ModuleDict, trainable: Callable[[str], bool]) -> dict[str, nn.Parameter]:
    """The trained parameters by names such as "unet.conv_in.weight". All others are frozen."""
    chosen = {}
    for part, net in nets.items():
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(trainable(f"{part}.{name}"))
            if parameter.requires_grad:
                chosen[f"{part}.{name}"] = parameter
    return chosen


def seed_generator(*seed: int) -> np.random.Generator:
    """A generator with a seed of integers. Torch's generator is seeded too."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(int(rng.integers(1 << 62)))
    return rng


def _update_average(average: Mapping[str, Tensor], learned: Mapping[str, nn.Parameter], decay: float) -> None:
    with torch.no_grad():
        for name, parameter in learned.items():
            average[name].lerp_(parameter, 1.0 - decay)


# --- files --------------------------------------------------------------------------------------------------------


def write_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write a safetensors file atomically, in the dtype of the tensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, part)
    part.replace(path)


def _collect_states(nets: Mapping[str, nn.Module], instead: Mapping[str, Tensor]) -> States:
    """All weights of networks, some of them replaced."""
    return {
        part: {name: instead.get(f"{part}.{name}", value).cpu() for name, value in net.state_dict().items()} for part, net in nets.items()
    }


def _save_state(out: Path, learned: Mapping[str, Tensor], average: Mapping[str, Tensor], optimizer: Any, step: int) -> None:
    part = out / "state" / f"{step}.part"
    write_weights(part / "weights.safetensors", learned)
    write_weights(part / "average.safetensors", average)
    moments = {f"{key}:{name}": value for name, tensor in learned.items() for key, value in optimizer.state[tensor].items()}
    write_weights(part / "optimizer.safetensors", moments)
    whole = part.with_suffix("")
    shutil.rmtree(whole, ignore_errors=True)
    part.rename(whole)
    for other in (out / "state").iterdir():
        if other != whole:
            shutil.rmtree(other)


def _restore_state(out: Path, learned: Mapping[str, nn.Parameter], average: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> int:
    """Restore the last state and return its step, 0 when there is none. Raises BadInput when it is for other weights."""
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
