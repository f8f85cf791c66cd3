"""The set of ToonCrafter's networks, and how they are loaded from the files of a folder.

model.safetensors                        everything in one file, as published, or without CLIP; see NAMES for other names
sketch_encoder.safetensors               only for sketches
text_encoder/, image_encoder/            model.safetensors of CLIP ViT-H/14, if the first file lacks it
tokenizer/                               vocab.json, merges.txt; only for custom prompts
config.json                              {network: {setting: value}} for networks of another size; "note": a text for the user
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModel

from ...diffusion import pickles
from ...diffusion.weights import build_empty, fill_weights, load_weights, read_config, read_tensors
from ...job.errors import BadInput
from . import layout
from .networks import ImageProjector, SketchEncoder, ToonCrafterUNet
from .vae import ToonCrafterVae

HELP = "docs/tooncrafter.md says which files go where"
NAMES = {
    "model": (
        "model.safetensors",
        "tooncrafter_512_interp-fp16.safetensors",
        "tooncrafter_512_interp-pruned-fp16.safetensors",
        "model.ckpt",
    ),
    "sketch_encoder": ("sketch_encoder.safetensors", "sketch_encoder-fp16.safetensors", "sketch_encoder.ckpt"),
    "text_encoder": ("text_encoder/model.fp16.safetensors", "text_encoder/model.safetensors"),
    "image_encoder": ("image_encoder/model.fp16.safetensors", "image_encoder/model.safetensors"),
}
TOWERS = {"text_encoder": "text_model", "image_encoder": "vision_model"}  # what transformers calls them
CONFIGS: dict[str, dict[str, Any]] = {
    "unet": {
        "in_channels": 8,
        "out_channels": 4,
        "block_out_channels": [320, 640, 1280, 1280],
        "cross_attention_dim": 1024,
        "attention_head_dim": 64,
    },
    "vae": {
        "block_out_channels": [128, 256, 512, 512],
        "layers_per_block": 2,
        "latent_channels": 4,
        "down_block_types": ["DownEncoderBlock2D"] * 4,
    },
    "text_encoder": {
        "vocab_size": 49408,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 23,
        "num_attention_heads": 16,
        "hidden_act": "gelu",
        "max_position_embeddings": 77,
    },
    "image_encoder": {
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "image_size": 224,
        "patch_size": 14,
        "hidden_act": "gelu",
    },
    "projector": {"dim": 1024, "depth": 4, "dim_head": 64, "heads": 12, "embedding_dim": 1280, "output_dim": 1024, "ff_mult": 4},
    "sketch_encoder": {
        "in_channels": 4,
        "conditioning_channels": 1,
        "block_out_channels": [320, 640, 1280, 1280],
        "cross_attention_dim": 1024,
        "attention_head_dim": [5, 10, 20, 20],
        "use_linear_projection": True,
    },
}


@dataclass(frozen=True)
class ToonCrafterNetworks:
    """`sketch_encoder` may be None · `folder` of their weights · `note` a text for the user from its config.json."""

    unet: ToonCrafterUNet
    vae: ToonCrafterVae
    text_encoder: Any  # their library's types say less than they have
    image_encoder: Any
    projector: ImageProjector
    sketch_encoder: SketchEncoder | None
    folder: Path
    note: str = ""

    @property
    def dtype(self) -> torch.dtype:
        return self.unet.dtype

    @property
    def all(self) -> tuple[nn.Module, ...]:
        nets = (self.unet, self.vae, self.text_encoder, self.image_encoder, self.projector, self.sketch_encoder)
        return tuple(net for net in nets if net is not None)


def build_image_encoder(config: Mapping[str, Any]) -> Any:
    """Build CLIP's image encoder, all of whose tokens are read."""
    net: Any = CLIPVisionModel(CLIPVisionConfig.from_dict(dict(config)))
    net.post_layernorm = nn.Identity()  # for a token that is not used
    return net


BUILDERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "unet": lambda config: ToonCrafterUNet(**config),
    "vae": lambda config: ToonCrafterVae(**config),
    "text_encoder": lambda config: CLIPTextModel(CLIPTextConfig.from_dict(dict(config))),
    "image_encoder": build_image_encoder,
    "projector": lambda config: ImageProjector(**config),
    "sketch_encoder": lambda config: SketchEncoder(**config),
}


def read_configs(folder: Path) -> tuple[dict[str, dict[str, Any]], str]:
    """The networks' settings, where those of config.json override the published ones, and its note. Raises BadInput."""
    path = folder / "config.json"
    given = read_config(path, HELP) if path.is_file() else {}
    return {name: config | given.get(name, {}) for name, config in CONFIGS.items()}, str(given.get("note", ""))


def load_networks(
    folder: Path,
    dtype: torch.dtype,
    sketches: bool = False,
    plain: bool = False,
    report: Callable[[str, float], None] = lambda name, part: None,
) -> ToonCrafterNetworks:
    """Load the networks of a folder, on the CPU, with the sketch encoder if there are `sketches`. With `plain` a decoder that does not
    attend to the keys, such as DynamiCrafter's, is accepted, for training. `report` gets the name of what is read and the fraction read so
    far. Raises BadInput, naming what is wrong."""
    wanted, note = read_configs(folder)
    main = convert_weights(find_weights(folder, "model"))
    sketching = convert_weights(find_weights(folder, "sketch_encoder")) if sketches else None
    states: dict[str, dict[str, Tensor]] = {name: {} for name in ("", *layout.PREFIXES)}
    whole, done = main.stat().st_size, 0
    text_blocks = wanted["text_encoder"]["num_hidden_layers"]
    for part, name, tensor in layout.assign_tensors(read_tensors(main, HELP), text_blocks):
        states[part][name] = tensor.to(dtype)
        before, done = done, done + tensor.numel() * tensor.element_size()
        if done >> 26 > before >> 26:
            report("model", done / whole)
    if plain and states["vae"]:
        states["vae"] = ToonCrafterVae(**wanted["vae"]).init_lacking(states["vae"]) | states["vae"]
    check_parts(main.name, states)
    files = dict.fromkeys(layout.PREFIXES, main.name)
    for part, tower in TOWERS.items():
        if not states[part]:
            path = find_weights(folder, part)
            files[part] = f"{part}/{path.name}"
            states[part] = _read_tower(path, tower, wanted[part], dtype)
    nets: dict[str, Any] = {}
    for part, file in files.items():
        net = build_empty(lambda part=part: BUILDERS[part](wanted[part]))
        nets[part] = fill_weights(net, states.pop(part), file, dtype, HELP)
    nets["sketch_encoder"] = None
    if sketching is not None:
        net = build_empty(lambda: BUILDERS["sketch_encoder"](wanted["sketch_encoder"]))
        nets["sketch_encoder"] = load_weights(net, sketching, dtype, layout.rename_sketch_encoder, help=HELP)
    return ToonCrafterNetworks(**nets, folder=folder, note=note)


def check_parts(file: str, states: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise BadInput, naming what is missing, when a file is not a checkpoint of ToonCrafter."""
    if states[""]:
        some = ", ".join(sorted(states[""])[:3])
        raise BadInput(f"{file} is no checkpoint of ToonCrafter: it has weights that it does not know, {some}; {HELP}.")
    if not any(name.startswith("decoder.attn_refinement.") for name in states["vae"]):
        what = "is of DynamiCrafter" if any("to_k_ip" in name for name in states["unet"]) else "is no checkpoint of ToonCrafter"
        raise BadInput(f"{file} {what}: it lacks the decoder that looks at both keys (first_stage_model.decoder.attn_refinement); {HELP}.")


def _read_tower(path: Path, tower: str, config: Mapping[str, Any], dtype: torch.dtype) -> dict[str, Tensor]:
    """Read one encoder of CLIP, without unused text blocks."""
    last = f"encoder.layers.{config['num_hidden_layers']}."
    found = layout.select_tower(read_tensors(path, HELP), tower)
    return {name: tensor.to(dtype) for name, tensor in found if tower != "text_model" or not name.startswith(last)}


def find_weights(folder: Path, name: str) -> Path:
    """The weights file of a network. Raises BadInput when there is none."""
    for file in NAMES[name]:
        if (folder / file).is_file():
            return folder / file
    if name == "sketch_encoder":
        raise BadInput(f"Sketches between keys need the sketch encoder: {folder / NAMES[name][0]} is missing; {HELP}.")
    raise BadInput(f"ToonCrafter's weights are not there: {folder / NAMES[name][0]} is missing; {HELP}.")


def convert_weights(path: Path) -> Path:
    """The safetensors file of some weights: the file itself, or the one next to a pickle, which is converted once. Raises BadInput,
    JobFailed."""
    target = path.with_suffix(".safetensors")
    return target if target.is_file() else pickles.convert_pickle(path, target, HELP)
