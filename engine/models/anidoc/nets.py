"""The networks of AniDoc as a set, from a folder of weights or from configurations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import AutoencoderKLTemporalDecoder
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from ...diffusion import weights
from ...diffusion.networks import ControlNet, UNet
from ...errors import BadInput

CONDITION_CHANNELS = 8  # sketch RGB, points of the reference, points of the frame, reference RGB
HELP = "get them with `python -m engine weights get anidoc`, or put them there by hand as docs/anidoc.md says"
UNUSED = (
    "with_id_feature",
    "feature_channels",
    "feature_out_channels",
)  # in the published ControlNet's configuration, of a sibling project
CONSTANTS = ("vision_model.embeddings.position_ids",)  # which the image encoder's file may hold, and the network computes itself

# Folder and the names, best first, that the file in it may have.
FILES = {
    "unet": ("diffusion_pytorch_model.safetensors",),
    "controlnet": ("diffusion_pytorch_model.safetensors",),
    "vae": ("diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors"),
    "image_encoder": ("model.fp16.safetensors", "model.safetensors"),
}


@dataclass(frozen=True)
class Nets:
    """`scheduler` is the configuration of a diffusers scheduler, `note` what the folder of the weights says to the person."""

    unet: UNet
    controlnet: ControlNet
    vae: Any  # their libraries' types say less than they have
    image_encoder: Any
    scheduler: Mapping[str, Any]
    note: str = ""

    @property
    def sparse(self) -> bool:
        """Whether the weights are made for sketches on the first and last frame alone."""
        return self.controlnet.config["conditioning_channels"] == CONDITION_CHANNELS + 1

    @property
    def dtype(self) -> torch.dtype:
        return self.unet.dtype

    @property
    def all(self) -> tuple[nn.Module, ...]:
        return self.unet, self.controlnet, self.vae, self.image_encoder


def build_unet(config: Mapping[str, Any]) -> Any:
    """Raises BadInput when the configuration doesn't say how many attention heads there are: no weight's shape would tell."""
    if "num_attention_heads" not in config:
        raise BadInput(f"The UNet's config.json does not give num_attention_heads: {HELP}.")
    return UNet.from_config(dict(config))


def build_controlnet(config: Mapping[str, Any]) -> ControlNet:
    """Raises BadInput when the configuration is another ControlNet's."""
    kept = {name: value for name, value in config.items() if not name.startswith("_") and name not in UNUSED}
    if "num_attention_heads" not in kept:
        raise BadInput(f"The ControlNet's config.json does not give num_attention_heads: {HELP}.")
    channels = kept.get("conditioning_channels", CONDITION_CHANNELS)
    if channels not in (CONDITION_CHANNELS, CONDITION_CHANNELS + 1):
        raise BadInput(f"This ControlNet reads a condition of {channels} channels instead of {CONDITION_CHANNELS}: {HELP}.")
    try:
        return ControlNet(**kept)
    except TypeError as error:
        raise BadInput(f"The ControlNet's config.json is another network's ({error}): {HELP}.") from error


def build_vae(config: Mapping[str, Any]) -> Any:
    return AutoencoderKLTemporalDecoder.from_config(dict(config))


def build_image_encoder(config: Mapping[str, Any]) -> Any:
    return CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(dict(config)))


BUILDERS: dict[str, Callable] = {
    "unet": build_unet,
    "controlnet": build_controlnet,
    "vae": build_vae,
    "image_encoder": build_image_encoder,
}


def load(folder: Path, dtype: torch.dtype, tell: Callable[[str, float], None] = lambda name, part: None) -> Nets:
    """The networks of a folder, on the processor. `tell` is told which one is read next, and what share of all bytes was read.

    The VAE is in single precision, in which it encodes. Raises BadInput, naming what is wrong.
    """
    files = {name: find(folder, name) for name in FILES}
    sizes = {name: path.stat().st_size for name, path in files.items()}
    done = 0
    nets: dict[str, Any] = {}
    for name, path in files.items():
        tell(name, done / sum(sizes.values()))
        config = weights.read_config(path.parent / "config.json", HELP)
        net = weights.empty(lambda name=name, config=config: BUILDERS[name](config))
        kind = torch.float32 if name == "vae" else dtype
        nets[name] = weights.load(net, path, kind, ignore=CONSTANTS if name == "image_encoder" else (), help=HELP)
        done += sizes[name]
    scheduler = weights.read_config(folder / "scheduler" / "scheduler_config.json", HELP)
    about = weights.read_config(folder / "about.json", HELP) if (folder / "about.json").is_file() else {}
    return Nets(**nets, scheduler=scheduler, note=str(about.get("note", "")))


def find(folder: Path, name: str) -> Path:
    """The file of a network. Raises BadInput when there is none."""
    names = FILES[name]
    for file in names:
        if (folder / name / file).is_file():
            return folder / name / file
    raise BadInput(f"AniDoc's weights are not there: {folder / name / names[0]} is missing; {HELP}.")
