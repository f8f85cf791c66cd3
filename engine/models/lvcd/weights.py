"""Loads LVCD's weights from published files, or from a folder that training has written.

A folder has Stable Video Diffusion, in one file (svd.safetensors) or in the diffusers layout (unet/, vae/, image_encoder/), and LVCD on top
of it: lvcd-fp16.safetensors or lvcd.ckpt, the ControlNet and the UNet's self-attention. Training writes a whole unet/ and controlnet/.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...diffusion import parts, pickles
from ...diffusion.parts import SvdNetworks
from ...diffusion.weights import build_empty, compare_shapes, fill_weights, read_config, read_tensors
from ...job.errors import BadInput
from . import naming, slots
from .networks import BUILDERS, HELP, build_controlnet

WHOLE = ("svd-fp16.safetensors", "svd.safetensors")  # Stable Video Diffusion in one file
HALF = "lvcd-fp16.safetensors"  # the checkpoint is converted to this file once
OVER = ("lvcd.ckpt", HALF, "lvcd.safetensors")  # what LVCD's authors trained; the first that is there is what pictures are known by
CONFIGS: Mapping[str, Mapping[str, Any]] = {"unet": parts.UNET, "vae": parts.VAE, "image_encoder": parts.IMAGE_ENCODER}  # of one file


def load_networks(folder: Path, dtype: torch.dtype, report: Callable[[str, float], None] = lambda name, part: None) -> SvdNetworks:
    """Load the networks of a folder, on the CPU. `report` gets the name of the next part and the fraction read so far.

    The VAE is in single precision, as needed for encoding and decoding. Raises BadInput, naming what is wrong, JobFailed.
    """
    found, nets = find_files(folder), {}
    report("lvcd", 0.0)
    if "lvcd" in found and found["lvcd"].suffix == ".ckpt":
        half = folder / HALF
        found["lvcd"] = half if half.is_file() else pickles.convert_pickle(found["lvcd"], half, HELP)
    over = dict(read_tensors(found["lvcd"], HELP)) if "lvcd" in found else {}
    for place, name in enumerate(("unet", "vae", "image_encoder"), 1):
        report(name, place / 5)
        config, state = _read_base(folder, found, name)
        net = build_empty(lambda name=name, config=config: BUILDERS[name](config))
        file = found[name if name in found else "svd"].name
        if name == "unet":
            unet_config = config
            if over:
                state |= _read_tuned(net, over, found["lvcd"].name)
        nets[name] = fill_weights(net, state, file, torch.float32 if name == "vae" else dtype, HELP)
    report("controlnet", 0.8)
    if over:
        net = build_empty(lambda: build_controlnet(unet_config))
        state = naming.rename_denoisers(
            {name.removeprefix(naming.CONTROL): t for name, t in over.items() if not name.startswith(naming.UNET)}
        )
        nets["controlnet"] = fill_weights(net, state, found["lvcd"].name, dtype, HELP)
    else:
        nets["controlnet"] = parts.load_part(folder, "controlnet", dtype, HELP, build_controlnet)
    return SvdNetworks(**nets, note=parts.read_note(folder, HELP))


def find_files(folder: Path) -> dict[str, Path]:
    """The weights files of a folder: `svd`, or `unet`, `vae` and `image_encoder`; `lvcd` or `controlnet`.

    Raises BadInput when a part is missing.
    """
    found = {name: path for name in parts.FILES if (path := parts.find_part(folder, name)).is_file()}
    over = next((folder / name for name in OVER if (folder / name).is_file()), None)
    if over is not None:
        found = {name: path for name, path in found.items() if name != "controlnet"} | {"lvcd": over}
    elif "controlnet" not in found:
        raise BadInput(f"LVCD's weights are not there: {folder / HALF} is missing; {HELP}.")
    lacking = [name for name in ("unet", "vae", "image_encoder") if name not in found]
    whole = next((folder / name for name in WHOLE if (folder / name).is_file()), None)
    if lacking and whole is None:
        part = parts.find_part(folder, lacking[0])
        raise BadInput(
            f"LVCD's weights are there, but not those of Stable Video Diffusion, which it is made over: {part} or "
            f"{folder / WHOLE[1]} is missing; {HELP}."
        )
    return found | ({"svd": whole} if lacking and whole is not None else {})


def _read_base(folder: Path, found: Mapping[str, Path], part: str) -> tuple[Mapping[str, Any], dict[str, Tensor]]:
    """The configuration and the weights of a part of Stable Video Diffusion."""
    if part in found:
        config = read_config(folder / part / "config.json", HELP)
        ignored = parts.CONSTANTS if part == "image_encoder" else ()
        return config, dict(read_tensors(found[part], HELP, ignored))
    prefix, rename = naming.PARTS[part]
    others = tuple(other for name, (other, _) in naming.PARTS.items() if name != part) + naming.UNUSED
    return CONFIGS[part], rename({name.removeprefix(prefix): t for name, t in read_tensors(found["svd"], HELP, others)})


def _read_tuned(net: Any, over: Mapping[str, Tensor], file: str) -> dict[str, Tensor]:
    """LVCD's weights for the UNet, which must be exactly those of its self-attention. Raises BadInput."""
    state = naming.rename_denoisers({name.removeprefix(naming.UNET): t for name, t in over.items() if name.startswith(naming.UNET)})
    wanted = {name: tuple(parameter.shape) for name, parameter in slots.list_self_attention(net)}
    compare_shapes({name: tuple(tensor.shape) for name, tensor in state.items()}, wanted, file, HELP)
    return state
