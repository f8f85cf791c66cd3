"""The networks of LVCD as a set, from published files or from a folder as training leaves it.

A folder has Stable Video Diffusion, in one file (svd.safetensors) or as diffusers lays it out (unet/, vae/, image_encoder/), and LVCD
over it: lvcd-fp16.safetensors or lvcd.ckpt, the ControlNet and the UNet's self-attention. A training leaves unet/ and controlnet/ whole.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...diffusion import parts, pickles, weights
from ...diffusion.networks import ControlNet
from ...diffusion.parts import Nets
from ...job.errors import BadInput
from . import naming, slots

HELP = "docs/lvcd.md says which files go where"
CHANNELS = 3  # of a sketch, all alike: 1 on lines, 0 on paper
WHOLE = ("svd-fp16.safetensors", "svd.safetensors")  # Stable Video Diffusion in one file
HALF = "lvcd-fp16.safetensors"  # what the checkpoint is made into once
OVER = ("lvcd.ckpt", HALF, "lvcd.safetensors")  # what LVCD's authors trained; the first that is there is what pictures are known by
CONFIGS: Mapping[str, Mapping[str, Any]] = {"unet": parts.UNET, "vae": parts.VAE, "image_encoder": parts.IMAGE_ENCODER}  # of one file


def build_unet(config: Mapping[str, Any], help: str = HELP) -> Any:
    """A UNet of Stable Video Diffusion that works in slots. Raises BadInput."""
    return slots.install(parts.build_unet(config, help))


def build_controlnet(config: Mapping[str, Any], help: str = HELP) -> Any:
    """A ControlNet that reads sketches and works in slots, of its own configuration or of the UNet's. Raises BadInput."""
    return slots.install(parts.build_controlnet({**config, "conditioning_channels": CHANNELS}, help))


def controlnet_of(unet: Any) -> Any:
    """A ControlNet to be trained: a copy of the UNet's down path and middle that adds nothing yet."""
    return slots.install(ControlNet.of_unet(unet, CHANNELS))


BUILDERS: Mapping[str, Callable] = {**parts.BUILDERS, "unet": build_unet, "controlnet": build_controlnet}


def load(folder: Path, dtype: torch.dtype, tell: Callable[[str, float], None] = lambda name, part: None) -> Nets:
    """The networks of a folder, on the processor. `tell` is told what is read next, and what share was read.

    The VAE is in single precision, in which it encodes and decodes. Raises BadInput, naming what is wrong, JobFailed.
    """
    found, nets = files(folder), {}
    tell("lvcd", 0.0)
    if "lvcd" in found and found["lvcd"].suffix == ".ckpt":
        half = folder / HALF
        found["lvcd"] = half if half.is_file() else pickles.convert(found["lvcd"], half, HELP)
    over = dict(weights.tensors(found["lvcd"], HELP)) if "lvcd" in found else {}
    for place, name in enumerate(("unet", "vae", "image_encoder"), 1):
        tell(name, place / 5)
        config, state = _base(folder, found, name)
        net = weights.empty(lambda name=name, config=config: BUILDERS[name](config))
        file = found[name if name in found else "svd"].name
        if name == "unet":
            unet_config = config
            if over:
                state |= _tuned(net, over, found["lvcd"].name)
        nets[name] = weights.fill(net, state, file, torch.float32 if name == "vae" else dtype, HELP)
    tell("controlnet", 0.8)
    if over:
        net = weights.empty(lambda: build_controlnet(unet_config))
        state = naming.denoisers({name.removeprefix(naming.CONTROL): t for name, t in over.items() if not name.startswith(naming.UNET)})
        nets["controlnet"] = weights.fill(net, state, found["lvcd"].name, dtype, HELP)
    else:
        nets["controlnet"] = parts.load(folder, "controlnet", dtype, HELP, build_controlnet)
    return Nets(**nets, note=parts.note(folder, HELP))


def files(folder: Path) -> dict[str, Path]:
    """The files that a folder's networks are read from: `svd`, or `unet`, `vae` and `image_encoder`; `lvcd` or `controlnet`.

    Raises BadInput when a part is missing.
    """
    found = {name: path for name in parts.FILES if (path := parts.find(folder, name)).is_file()}
    over = next((folder / name for name in OVER if (folder / name).is_file()), None)
    if over is not None:
        found = {name: path for name, path in found.items() if name != "controlnet"} | {"lvcd": over}
    elif "controlnet" not in found:
        raise BadInput(f"LVCD's weights are not there: {folder / HALF} is missing; {HELP}.")
    lacking = [name for name in ("unet", "vae", "image_encoder") if name not in found]
    whole = next((folder / name for name in WHOLE if (folder / name).is_file()), None)
    if lacking and whole is None:
        raise BadInput(
            f"LVCD's weights are there, but not those of Stable Video Diffusion, which it is made over: {parts.find(folder, lacking[0])} "
            f"or {folder / WHOLE[1]} is missing; {HELP}."
        )
    return found | ({"svd": whole} if lacking and whole is not None else {})


def _base(folder: Path, found: Mapping[str, Path], part: str) -> tuple[Mapping[str, Any], dict[str, Tensor]]:
    """The configuration and the weights of a part of Stable Video Diffusion."""
    if part in found:
        config = weights.read_config(folder / part / "config.json", HELP)
        ignored = parts.CONSTANTS if part == "image_encoder" else ()
        return config, dict(weights.tensors(found[part], HELP, ignored))
    prefix, rename = naming.PARTS[part]
    others = tuple(other for name, (other, _) in naming.PARTS.items() if name != part) + naming.UNUSED
    return CONFIGS[part], rename({name.removeprefix(prefix): t for name, t in weights.tensors(found["svd"], HELP, others)})


def _tuned(net: Any, over: Mapping[str, Tensor], file: str) -> dict[str, Tensor]:
    """LVCD's weights of the UNet, which are all of its self-attention and nothing else. Raises BadInput."""
    state = naming.denoisers({name.removeprefix(naming.UNET): t for name, t in over.items() if name.startswith(naming.UNET)})
    wanted = {name: tuple(parameter.shape) for name, parameter in slots.self_attentions(net)}
    weights.compare({name: tuple(tensor.shape) for name, tensor in state.items()}, wanted, file, HELP)
    return state
