"""The networks of Animate Anyone as a set, from a folder of weights or from configurations.

denoising_unet  reference_unet  motion_module  pose_guider     .safetensors, or .pth as published, which are converted once
image_encoder/  config.json  model.safetensors                 or pytorch_model.bin
vae/            config.json  diffusion_pytorch_model.safetensors
unet/           config.json                                    of Stable Diffusion's UNet; 1.5's if there is none
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetConditioningEmbedding
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from ...diffusion import weights
from ...diffusion.pickles import convert
from ...job.errors import BadInput
from .networks import UNet, build_denoising, build_reference

HELP = "put the published files there as docs/animate_anyone.md says"
FILES = {
    "denoising_unet": ("denoising_unet.safetensors", "denoising_unet.pth"),
    "reference_unet": ("reference_unet.safetensors", "reference_unet.pth"),
    "motion_module": ("motion_module.safetensors", "motion_module.pth"),
    "pose_guider": ("pose_guider.safetensors", "pose_guider.pth"),
    "image_encoder": ("image_encoder/model.safetensors", "image_encoder/pytorch_model.bin"),
    "vae": ("vae/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.bin"),
}
UNET = {
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
WIDTHS = (16, 32, 96, 256)  # of the pose guider
FORKS: dict[tuple[int, ...], str] = {  # of this layout but for the pose guider, by its widths
    (16, 32, 64, 128): "novita-ai/AnimateAnyone",
}
CONSTANTS = ("vision_model.embeddings.position_ids",)  # which files may hold, and the networks compute themselves
_MOTION = (
    (".temporal_transformer", ""),
    (".norms.0", ".norm1"),
    (".norms.1", ".norm2"),
    (".ff_norm", ".norm3"),
    (".attention_blocks.0", ".attn1"),
    (".attention_blocks.1", ".attn2"),
)
_VAE = ((".query.", ".to_q."), (".key.", ".to_k."), (".value.", ".to_v."), (".proj_attn.", ".to_out.0."))


@dataclass(frozen=True)
class Nets:
    """`note` is what the folder of the weights says to the person."""

    denoising_unet: UNet
    reference_unet: Any  # their libraries' types say less than they have
    pose_guider: Any
    vae: Any
    image_encoder: Any
    note: str = ""

    @property
    def dtype(self) -> torch.dtype:
        return self.denoising_unet.dtype

    @property
    def all(self) -> tuple[nn.Module, ...]:
        return self.denoising_unet, self.reference_unet, self.pose_guider, self.vae, self.image_encoder


def build_guider(config: Mapping[str, Any]) -> Any:
    """The network that makes pictures of poses as small and wide as the denoising UNet's first layer."""
    return ControlNetConditioningEmbedding(config["conditioning_embedding_channels"], 3, tuple(config["block_out_channels"]))


def build_vae(config: Mapping[str, Any]) -> Any:
    return AutoencoderKL.from_config({name: value for name, value in config.items() if not name.startswith("_")})


def build_image_encoder(config: Mapping[str, Any]) -> Any:
    return CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(dict(config)))


def guider_config(unet: Mapping[str, Any]) -> dict[str, Any]:
    return {"conditioning_embedding_channels": unet["block_out_channels"][0], "block_out_channels": WIDTHS}


def unet_config(folder: Path) -> dict[str, Any]:
    """The configuration of the UNets. Raises BadInput."""
    path = folder / "unet" / "config.json"
    config = weights.read_config(path, HELP) if path.is_file() else UNET
    for name in ("block_out_channels", "layers_per_block", "cross_attention_dim", "attention_head_dim"):
        if name not in config:
            raise BadInput(f"{path} does not give {name}: {HELP}.")
    return config


def load(folder: Path, dtype: torch.dtype, tell: Callable[[str, float], None] = lambda name, part: None) -> Nets:
    """The networks of a folder, on the processor. `tell` is told which one is read next, and what share of all bytes was read.

    The VAE is in single precision. Raises BadInput, naming what is wrong; a file that was published as a pickle is converted first.
    """
    sizes = {name: find(folder, name).stat().st_size for name in FILES}
    config, done = unet_config(folder), 0

    def state(name: str) -> dict[str, Tensor]:
        nonlocal done
        tell(name, done / sum(sizes.values()))
        done += sizes[name]
        return read(folder, name)

    unet = weights.empty(lambda: build_denoising(config))
    fill_denoising(unet, state("denoising_unet"), state("motion_module"), dtype)
    reference = weights.empty(lambda: build_reference(config))
    weights.fill(reference, state("reference_unet"), "reference_unet", dtype, HELP)
    guider = weights.empty(lambda: build_guider(guider_config(config)))
    told = state("pose_guider")
    check_guider(told)
    weights.fill(guider, told, "pose_guider", dtype, HELP)
    tell("image_encoder", done / sum(sizes.values()))
    vae, encoder = load_encoders(folder, dtype)
    about = weights.read_config(folder / "about.json", HELP) if (folder / "about.json").is_file() else {}
    return Nets(unet, reference, guider, vae, encoder, str(about.get("note", "")))


def load_encoders(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """The VAE, in single precision, and the image encoder. Raises BadInput."""
    vae = weights.empty(lambda: build_vae(weights.read_config(folder / "vae/config.json", HELP)))
    encoder = weights.empty(lambda: build_image_encoder(weights.read_config(folder / "image_encoder/config.json", HELP)))
    weights.fill(vae, read(folder, "vae"), "vae", torch.float32, HELP)
    return vae, weights.fill(encoder, read(folder, "image_encoder"), "image_encoder", dtype, HELP)


def find(folder: Path, name: str) -> Path:
    """The file of a network, best first. Raises BadInput when there is none."""
    for file in FILES[name]:
        if (folder / file).is_file():
            return folder / file
    raise BadInput(f"Animate Anyone's weights are not there: {folder / FILES[name][0]} is missing; {HELP}.")


def read(folder: Path, name: str) -> dict[str, Tensor]:
    """The weights of a file under the names of our networks. A pickle is converted to safetensors beside it. Raises BadInput, JobFailed."""
    return {renamed(name, key): tensor for key, tensor in weights.tensors(safe(folder, name), HELP) if not constant(key)}


def safe(folder: Path, name: str) -> Path:
    """The file of a network as safetensors. Raises BadInput, JobFailed."""
    path, wanted = find(folder, name), folder / FILES[name][0]
    return path if path == wanted else convert(path, wanted, HELP)


def renamed(component: str, name: str) -> str:
    """What a tensor of a published file is called in our networks."""
    for old, new in {"motion_module": _MOTION, "vae": _VAE}.get(component, ()):
        name = name.replace(old, new)
    return name


def published(component: str, name: str) -> str:
    """What a tensor of our networks is called in a published file."""
    if component != "motion_module":
        return name
    name = re.sub(r"(motion_modules\.\d+)", r"\1.temporal_transformer", name)
    for old, new in _MOTION[1:]:
        name = name.replace(new, old)
    return name


def constant(name: str) -> bool:
    """Whether a tensor of a file is one that the networks compute themselves."""
    return name in CONSTANTS or name.endswith(".pos_encoder.pe")


def fill_denoising(unet: UNet, spatial: Mapping[str, Tensor], motion: Mapping[str, Tensor], dtype: torch.dtype) -> UNet:
    """Fill the denoising UNet from its two files: each must hold all of its part, and nothing of the other's. Raises BadInput."""
    wanted = {name: tuple(value.shape) for name, value in unet.state_dict().items()}
    for file, given, part in (("denoising_unet", spatial, False), ("motion_module", motion, True)):
        own = {name: shape for name, shape in wanted.items() if ("motion_modules" in name) is part}
        weights.compare({name: tuple(tensor.shape) for name, tensor in given.items()}, own, file, HELP)
    for table in unet.buffers():  # of positions
        table.data = table.data.to(dtype)
    return weights.fill(unet, {**spatial, **motion}, "denoising_unet", dtype, HELP)


def check_guider(state: Mapping[str, Tensor]) -> None:
    """Raise BadInput, naming the fork if it is known, when a pose guider is not that of the published weights."""
    layers = ("conv_in", "blocks.1", "blocks.3", "blocks.5")
    widths = tuple(len(state[f"{layer}.weight"]) for layer in layers if f"{layer}.weight" in state)
    if widths != WIDTHS:
        fork = FORKS.get(widths)
        whose = f"that of {fork}, a fork" if fork else "another network's"
        raise BadInput(f"The pose guider is {whose}: its layers are {_list(widths)} wide instead of {_list(WIDTHS)}; {HELP}.")


def _list(widths: tuple[int, ...]) -> str:
    return ", ".join(map(str, widths)) or "0"
