"""The parts of Stable Video Diffusion: how they are configured, where a folder of weights has them, and how they are built and loaded.

A folder is laid out as diffusers does: <part>/config.json and the part's file beside it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import AutoencoderKLTemporalDecoder
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from ..job.errors import BadInput
from . import weights
from .networks import ControlNet, UNet

# The published networks. The UNet of 14 frames and that of 25 differ in their weights alone.
UNET = {"num_attention_heads": [5, 10, 20, 20], "cross_attention_dim": 1024, "num_frames": 25, "sample_size": 96}
VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "layers_per_block": 2,
    "sample_size": 768,
}
IMAGE_ENCODER = {
    "hidden_act": "gelu",
    "hidden_size": 1280,
    "projection_dim": 1024,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "intermediate_size": 5120,
    "image_size": 224,
    "patch_size": 14,
}
SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_type": "continuous",
    "use_karras_sigmas": True,
    "sigma_min": 0.002,
    "sigma_max": 700.0,
}

CONSTANTS = ("vision_model.embeddings.position_ids",)  # which the image encoder's file may hold, and the network computes itself

# Folder and the names, best first, that the file in it may have.
FILES = {
    "unet": ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors"),
    "controlnet": ("diffusion_pytorch_model.safetensors",),
    "vae": ("diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors"),
    "image_encoder": ("model.fp16.safetensors", "model.safetensors"),
}
HELP = "get the weights again"


@dataclass(frozen=True)
class Nets:
    """The networks of a model made of Stable Video Diffusion. `note` is what the folder of the weights says to the person."""

    unet: UNet
    controlnet: ControlNet
    vae: Any  # their libraries' types say less than they have
    image_encoder: Any
    note: str = ""

    @property
    def dtype(self) -> torch.dtype:
        return self.unet.dtype

    @property
    def all(self) -> tuple[nn.Module, ...]:
        return self.unet, self.controlnet, self.vae, self.image_encoder


def build_unet(config: Mapping[str, Any], help: str = HELP) -> Any:
    """Raises BadInput when the configuration doesn't say how many attention heads there are: no weight's shape would tell."""
    if "num_attention_heads" not in config:
        raise BadInput(f"The UNet's config.json does not give num_attention_heads: {help}.")
    return UNet.from_config(dict(config))


def build_controlnet(config: Mapping[str, Any], help: str = HELP) -> ControlNet:
    """Raises BadInput when the configuration is another ControlNet's."""
    kept = {name: value for name, value in config.items() if not name.startswith("_")}
    if "num_attention_heads" not in kept:
        raise BadInput(f"The ControlNet's config.json does not give num_attention_heads: {help}.")
    try:
        return ControlNet(**kept)
    except TypeError as error:
        raise BadInput(f"The ControlNet's config.json is another network's ({error}): {help}.") from error


def build_vae(config: Mapping[str, Any], help: str = HELP) -> Any:
    return AutoencoderKLTemporalDecoder.from_config(dict(config))


def build_image_encoder(config: Mapping[str, Any], help: str = HELP) -> Any:
    return CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(dict(config)))


BUILDERS: Mapping[str, Callable] = {
    "unet": build_unet,
    "controlnet": build_controlnet,
    "vae": build_vae,
    "image_encoder": build_image_encoder,
}


def find(folder: Path, part: str) -> Path:
    """The file of a part, or where it should be."""
    paths = [folder / part / file for file in FILES[part]]
    return next((path for path in paths if path.is_file()), paths[0])


def load(folder: Path, part: str, dtype: torch.dtype, help: str, build: Callable | None = None) -> Any:
    """A part of a folder, on the processor, ready for inference. Raises BadInput, saying what is wrong and `help`."""
    path = find(folder, part)
    config = weights.read_config(path.parent / "config.json", help)
    net = weights.empty(lambda: (build or BUILDERS[part])(config, help))
    return weights.load(net, path, dtype, ignore=CONSTANTS if part == "image_encoder" else (), help=help)


def note(folder: Path, help: str) -> str:
    """What a folder of weights says to the person, '' when that is nothing. Raises BadInput."""
    path = folder / "about.json"
    return str(weights.read_config(path, help).get("note", "")) if path.is_file() else ""
