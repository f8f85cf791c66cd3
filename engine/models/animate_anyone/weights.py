"""Loads Animate Anyone's weights from the files of a folder.

denoising_unet  reference_unet  motion_module  pose_guider     .safetensors, or the published .pth, which are converted once
image_encoder/  config.json  model.safetensors                 or pytorch_model.bin
vae/            config.json  diffusion_pytorch_model.safetensors
unet/           config.json                                    of Stable Diffusion's UNet, 1.5's if it is missing
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...diffusion.pickles import convert_pickle
from ...diffusion.weights import build_empty, compare_shapes, fill_weights, read_config, read_tensors
from ...job.errors import BadInput
from .networks import (
    UNET,
    WIDTHS,
    AnimateAnyoneNetworks,
    DenoisingUNet,
    build_denoising,
    build_guider,
    build_guider_config,
    build_image_encoder,
    build_reference,
    build_vae,
)

HELP = "put the published files there as docs/animate_anyone.md says"
FILES = {
    "denoising_unet": ("denoising_unet.safetensors", "denoising_unet.pth"),
    "reference_unet": ("reference_unet.safetensors", "reference_unet.pth"),
    "motion_module": ("motion_module.safetensors", "motion_module.pth"),
    "pose_guider": ("pose_guider.safetensors", "pose_guider.pth"),
    "image_encoder": ("image_encoder/model.safetensors", "image_encoder/pytorch_model.bin"),
    "vae": ("vae/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.bin"),
}
FORKS: dict[tuple[int, ...], str] = {  # same layout except for the pose guider, by its widths
    (16, 32, 64, 128): "novita-ai/AnimateAnyone",
}
CONSTANTS = ("vision_model.embeddings.position_ids",)  # may be in the files; the networks compute them themselves
_MOTION = (
    (".temporal_transformer", ""),
    (".norms.0", ".norm1"),
    (".norms.1", ".norm2"),
    (".ff_norm", ".norm3"),
    (".attention_blocks.0", ".attn1"),
    (".attention_blocks.1", ".attn2"),
)
_VAE = ((".query.", ".to_q."), (".key.", ".to_k."), (".value.", ".to_v."), (".proj_attn.", ".to_out.0."))


def read_unet_config(folder: Path) -> dict[str, Any]:
    """The configuration of the UNets. Raises BadInput."""
    path = folder / "unet" / "config.json"
    config = read_config(path, HELP) if path.is_file() else UNET
    for name in ("block_out_channels", "layers_per_block", "cross_attention_dim", "attention_head_dim"):
        if name not in config:
            raise BadInput(f"{path} does not give {name}: {HELP}.")
    return config


def load_networks(
    folder: Path, dtype: torch.dtype, report: Callable[[str, float], None] = lambda name, part: None
) -> AnimateAnyoneNetworks:
    """Load the networks of a folder, on the CPU. `report` gets the name of the next one and the fraction of all bytes read so far.

    The VAE is in single precision. A file that was published as a pickle is converted first. Raises BadInput, naming what is wrong.
    """
    sizes = {name: find_weights(folder, name).stat().st_size for name in FILES}
    config, done = read_unet_config(folder), 0

    def state(name: str) -> dict[str, Tensor]:
        nonlocal done
        report(name, done / sum(sizes.values()))
        done += sizes[name]
        return read_weights(folder, name)

    unet = build_empty(lambda: build_denoising(config))
    fill_denoising(unet, state("denoising_unet"), state("motion_module"), dtype)
    reference = build_empty(lambda: build_reference(config))
    fill_weights(reference, state("reference_unet"), "reference_unet", dtype, HELP)
    guider = build_empty(lambda: build_guider(build_guider_config(config)))
    guider_state = state("pose_guider")
    check_guider(guider_state)
    fill_weights(guider, guider_state, "pose_guider", dtype, HELP)
    report("image_encoder", done / sum(sizes.values()))
    vae, encoder = load_encoders(folder, dtype)
    about = read_config(folder / "about.json", HELP) if (folder / "about.json").is_file() else {}
    return AnimateAnyoneNetworks(unet, reference, guider, vae, encoder, str(about.get("note", "")))


def load_encoders(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """The VAE, in single precision, and the image encoder. Raises BadInput."""
    vae = build_empty(lambda: build_vae(read_config(folder / "vae/config.json", HELP)))
    encoder = build_empty(lambda: build_image_encoder(read_config(folder / "image_encoder/config.json", HELP)))
    fill_weights(vae, read_weights(folder, "vae"), "vae", torch.float32, HELP)
    return vae, fill_weights(encoder, read_weights(folder, "image_encoder"), "image_encoder", dtype, HELP)


def find_weights(folder: Path, name: str) -> Path:
    """The best weights file of a network. Raises BadInput when there is none."""
    for file in FILES[name]:
        if (folder / file).is_file():
            return folder / file
    raise BadInput(f"Animate Anyone's weights are not there: {folder / FILES[name][0]} is missing; {HELP}.")


def read_weights(folder: Path, name: str) -> dict[str, Tensor]:
    """The weights of a file under our names. A pickle is converted to a safetensors file next to it. Raises BadInput, JobFailed."""
    return {rename_tensor(name, key): tensor for key, tensor in read_tensors(convert_weights(folder, name), HELP) if not is_constant(key)}


def convert_weights(folder: Path, name: str) -> Path:
    """The file of a network as safetensors. Raises BadInput, JobFailed."""
    path, wanted = find_weights(folder, name), folder / FILES[name][0]
    return path if path == wanted else convert_pickle(path, wanted, HELP)


def rename_tensor(component: str, name: str) -> str:
    """The name in our networks of a tensor of a published file."""
    for old, new in {"motion_module": _MOTION, "vae": _VAE}.get(component, ()):
        name = name.replace(old, new)
    return name


def publish_name(component: str, name: str) -> str:
    """The name in a published file of a tensor of our networks."""
    if component != "motion_module":
        return name
    name = re.sub(r"(motion_modules\.\d+)", r"\1.temporal_transformer", name)
    for old, new in _MOTION[1:]:
        name = name.replace(new, old)
    return name


def is_constant(name: str) -> bool:
    """Whether a tensor of a file is one that the networks compute themselves."""
    return name in CONSTANTS or name.endswith(".pos_encoder.pe")


def fill_denoising(unet: DenoisingUNet, spatial: Mapping[str, Tensor], motion: Mapping[str, Tensor], dtype: torch.dtype) -> DenoisingUNet:
    """Fill the denoising UNet from its two files. Each must have exactly its own part. Raises BadInput."""
    wanted = {name: tuple(value.shape) for name, value in unet.state_dict().items()}
    for file, given, part in (("denoising_unet", spatial, False), ("motion_module", motion, True)):
        own = {name: shape for name, shape in wanted.items() if ("motion_modules" in name) is part}
        compare_shapes({name: tuple(tensor.shape) for name, tensor in given.items()}, own, file, HELP)
    for table in unet.buffers():  # position tables
        table.data = table.data.to(dtype)
    return fill_weights(unet, {**spatial, **motion}, "denoising_unet", dtype, HELP)


def check_guider(state: Mapping[str, Tensor]) -> None:
    """Raise BadInput, naming the fork if it is known, when a pose guider differs from the published one."""
    layers = ("conv_in", "blocks.1", "blocks.3", "blocks.5")
    widths = tuple(len(state[f"{layer}.weight"]) for layer in layers if f"{layer}.weight" in state)
    if widths != WIDTHS:
        fork = FORKS.get(widths)
        whose = f"that of {fork}, a fork" if fork else "another network's"
        raise BadInput(f"The pose guider is {whose}: its layers are {_list_widths(widths)} wide instead of {_list_widths(WIDTHS)}; {HELP}.")


def _list_widths(widths: tuple[int, ...]) -> str:
    return ", ".join(map(str, widths)) or "0"
