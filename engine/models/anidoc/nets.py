"""The networks of AniDoc as a set, from a folder of weights or from configurations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...diffusion import parts, weights
from ...diffusion.networks import ControlNet
from ...diffusion.parts import FILES
from ...job.errors import BadInput

CONDITION_CHANNELS = 8  # sketch RGB, points of the reference, points of the frame, reference RGB
HELP = "get them with `python -m engine weights get anidoc`, or put them there by hand as docs/anidoc.md says"
UNUSED = (
    "with_id_feature",
    "feature_channels",
    "feature_out_channels",
)  # in the published ControlNet's configuration, of a sibling project


@dataclass(frozen=True, kw_only=True)
class Nets(parts.Nets):
    """`scheduler` is the configuration of a diffusers scheduler."""

    scheduler: Mapping[str, Any]

    @property
    def sparse(self) -> bool:
        """Whether the weights are made for sketches on the first and last frame alone."""
        return self.controlnet.config["conditioning_channels"] == CONDITION_CHANNELS + 1


def build_controlnet(config: Mapping[str, Any], help: str = HELP) -> ControlNet:
    """Raises BadInput when the configuration is another ControlNet's."""
    net = parts.build_controlnet({name: value for name, value in config.items() if name not in UNUSED}, help)
    channels = net.config["conditioning_channels"]
    if channels not in (CONDITION_CHANNELS, CONDITION_CHANNELS + 1):
        raise BadInput(f"This ControlNet reads a condition of {channels} channels instead of {CONDITION_CHANNELS}: {help}.")
    return net


BUILDERS: Mapping[str, Callable] = {**parts.BUILDERS, "controlnet": build_controlnet}


def load(folder: Path, dtype: torch.dtype, tell: Callable[[str, float], None] = lambda name, part: None) -> Nets:
    """The networks of a folder, on the processor. `tell` is told which one is read next, and what share of all bytes was read.

    The VAE is in single precision, in which it encodes. Raises BadInput, naming what is wrong.
    """
    files = {name: find(folder, name) for name in FILES}
    sizes = {name: path.stat().st_size for name, path in files.items()}
    done = 0
    nets: dict[str, Any] = {}
    for name in files:
        tell(name, done / sum(sizes.values()))
        nets[name] = parts.load(folder, name, torch.float32 if name == "vae" else dtype, HELP, BUILDERS[name])
        done += sizes[name]
    scheduler = weights.read_config(folder / "scheduler" / "scheduler_config.json", HELP)
    return Nets(**nets, scheduler=scheduler, note=parts.note(folder, HELP))


def find(folder: Path, name: str) -> Path:
    """The file of a network. Raises BadInput when there is none."""
    path = parts.find(folder, name)
    if not path.is_file():
        raise BadInput(f"AniDoc's weights are not there: {path} is missing; {HELP}.")
    return path
