"""The set of AniDoc's networks, and how they are built."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...diffusion import parts
from ...diffusion.networks import SvdControlNet
from ...diffusion.parts import SvdNetworks
from ...job.errors import BadInput

CONDITION_CHANNELS = 8  # sketch RGB, points of the reference, points of the frame, reference RGB
HELP = "get them with `python -m engine weights get anidoc`, or put them there by hand as docs/anidoc.md says"
UNUSED = (
    "with_id_feature",
    "feature_channels",
    "feature_out_channels",
)  # in the published ControlNet's configuration, of a sibling project


@dataclass(frozen=True, kw_only=True)
class AniDocNetworks(SvdNetworks):
    """`scheduler` is the configuration of a diffusers scheduler."""

    scheduler: Mapping[str, Any]

    @property
    def sparse(self) -> bool:
        """Whether the weights are for sketches on the first and last frame only."""
        return self.controlnet.config["conditioning_channels"] == CONDITION_CHANNELS + 1


def build_controlnet(config: Mapping[str, Any], help: str = HELP) -> SvdControlNet:
    """Build the ControlNet. Raises BadInput when the configuration is another ControlNet's."""
    net = parts.build_controlnet({name: value for name, value in config.items() if name not in UNUSED}, help)
    channels = net.config["conditioning_channels"]
    if channels not in (CONDITION_CHANNELS, CONDITION_CHANNELS + 1):
        raise BadInput(f"This ControlNet reads a condition of {channels} channels instead of {CONDITION_CHANNELS}: {help}.")
    return net


BUILDERS: Mapping[str, Callable] = {**parts.BUILDERS, "controlnet": build_controlnet}
