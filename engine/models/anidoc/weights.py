"""AniDoc's weights: the files of a folder, read into its networks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ...diffusion import parts
from ...diffusion.parts import FILES
from ...diffusion.weights import read_config
from ...job.errors import BadInput
from .networks import BUILDERS, HELP, AniDocNetworks


def load_networks(folder: Path, dtype: torch.dtype, report: Callable[[str, float], None] = lambda name, part: None) -> AniDocNetworks:
    """Load the networks of a folder, on the CPU. `report` gets the name of the next one and the fraction of all bytes read so far.

    The VAE is in single precision, as needed for encoding. Raises BadInput, naming what is wrong.
    """
    files = {name: find_weights(folder, name) for name in FILES}
    sizes = {name: path.stat().st_size for name, path in files.items()}
    done = 0
    nets: dict[str, Any] = {}
    for name in files:
        report(name, done / sum(sizes.values()))
        nets[name] = parts.load_part(folder, name, torch.float32 if name == "vae" else dtype, HELP, BUILDERS[name])
        done += sizes[name]
    scheduler = read_config(folder / "scheduler" / "scheduler_config.json", HELP)
    return AniDocNetworks(**nets, scheduler=scheduler, note=parts.read_note(folder, HELP))


def find_weights(folder: Path, name: str) -> Path:
    """The weights file of a network. Raises BadInput when there is none."""
    path = parts.find_part(folder, name)
    if not path.is_file():
        raise BadInput(f"AniDoc's weights are not there: {path} is missing; {HELP}.")
    return path
