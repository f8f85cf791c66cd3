"""The parts of Stable Video Diffusion: how they are configured, found in a folder of weights, built and loaded, and how much memory they
need.

A folder has the diffusers layout: <part>/config.json and the part's file next to it.
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
from . import memory, weights
from .networks import SvdControlNet, SvdUNet
from .svd import use_channels_last, use_one_token

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

CONSTANTS = ("vision_model.embeddings.position_ids",)  # may be in the image encoder's file; the network computes them itself

# Folder, and the possible names of the file in it, best first.
FILES = {
    "unet": ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors"),
    "controlnet": ("diffusion_pytorch_model.safetensors",),
    "vae": ("diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors"),
    "image_encoder": ("model.fp16.safetensors", "model.safetensors"),
}
HELP = "get the weights again"


@dataclass(frozen=True)
class SvdNetworks:
    """The networks of a model made of Stable Video Diffusion. `note` is a text for the user from the folder of the weights."""

    unet: SvdUNet
    controlnet: SvdControlNet
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
    """Build the UNet. Raises BadInput when the configuration lacks the number of attention heads, which no weight's shape reveals."""
    if "num_attention_heads" not in config:
        raise BadInput(f"The UNet's config.json does not give num_attention_heads: {help}.")
    return SvdUNet.from_config(dict(config))


def build_controlnet(config: Mapping[str, Any], help: str = HELP) -> SvdControlNet:
    """Build the ControlNet. Raises BadInput when the configuration is another ControlNet's."""
    kept = {name: value for name, value in config.items() if not name.startswith("_")}
    if "num_attention_heads" not in kept:
        raise BadInput(f"The ControlNet's config.json does not give num_attention_heads: {help}.")
    try:
        return SvdControlNet(**kept)
    except TypeError as error:
        raise BadInput(f"The ControlNet's config.json is another network's ({error}): {help}.") from error


def build_vae(config: Mapping[str, Any], help: str = HELP) -> Any:
    """Build the autoencoder, whose decoder reads neighboring frames too."""
    return AutoencoderKLTemporalDecoder.from_config(dict(config))


def build_image_encoder(config: Mapping[str, Any], help: str = HELP) -> Any:
    """Build CLIP's image encoder, with its projection."""
    return CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(dict(config)))


BUILDERS: Mapping[str, Callable] = {
    "unet": build_unet,
    "controlnet": build_controlnet,
    "vae": build_vae,
    "image_encoder": build_image_encoder,
}


def find_part(folder: Path, part: str) -> Path:
    """The path of a part's file, or where it should be."""
    paths = [folder / part / file for file in FILES[part]]
    return next((path for path in paths if path.is_file()), paths[0])


def load_part(folder: Path, part: str, dtype: torch.dtype, help: str, build: Callable | None = None) -> Any:
    """Load a part of a folder, on the CPU, ready for inference. Raises BadInput, saying what is wrong and `help`."""
    path = find_part(folder, part)
    config = weights.read_config(path.parent / "config.json", help)
    net = weights.build_empty(lambda: (build or BUILDERS[part])(config, help))
    return weights.load_weights(net, path, dtype, ignore=CONSTANTS if part == "image_encoder" else (), help=help)


def read_note(folder: Path, help: str) -> str:
    """A folder's text for the user, '' when there is none. Raises BadInput."""
    path = folder / "about.json"
    return str(weights.read_config(path, help).get("note", "")) if path.is_file() else ""


# --- inference ----------------------------------------------------------------------------------------------------

# Memory of intermediate results: in copies of the widest layer for the latents of one frame, and for the decoder in full-size pictures.
# The feed-forward of a transformer is 8 + 4 times as wide as its layer. Skips, residuals and hints are the rest.
DENOISING = 30
DECODING = 10


def apply_shortcuts(networks: SvdNetworks, compiled: bool = False) -> None:
    """Apply exact shortcuts. With `compiled` the networks' repeated blocks are compiled, which takes a minute once."""
    for net in (networks.unet, networks.controlnet):
        use_one_token(net)
        if networks.dtype != torch.float32:
            use_channels_last(net)
        if compiled:
            net.compile_repeated_blocks()


def estimate_needs(networks: SvdNetworks, size: tuple[int, int], frames: int, at_once: int = 1, more: int = 0) -> memory.MemoryNeeds:
    """The needs of calls with `at_once` x `frames` pictures of `size` px. `more` copies of the widest layer of `frames` are kept in
    addition."""
    item = networks.unet.conv_in.weight.element_size()
    layer = networks.unet.config["block_out_channels"][0] * (size[0] // 8) * (size[1] // 8) * frames * item
    decoding = DECODING * networks.vae.config["block_out_channels"][0] * size[0] * size[1] * 4
    parts = {name: getattr(networks, name) for name in ("unet", "controlnet", "vae", "image_encoder")}
    return memory.MemoryNeeds(
        parts={name: memory.count_parameter_bytes(net) for name, net in parts.items()},
        stages=(("image_encoder", "vae"), ("unet", "controlnet"), ("vae",)),
        work=(decoding, layer * (DENOISING * at_once + more), 0),
        decoding=decoding,
        group=max(p.numel() * p.element_size() for p in networks.unet.parameters()) * 4,
    )
