"""The networks of LVCD: those of Stable Video Diffusion, patched to work in slots."""

from collections.abc import Callable, Mapping
from typing import Any

from ...diffusion import parts
from ...diffusion.networks import SvdControlNet
from . import slots

HELP = "docs/lvcd.md says which files go where"
CHANNELS = 3  # of a sketch, all the same: 1 on lines, 0 on paper


def build_unet(config: Mapping[str, Any], help: str = HELP) -> Any:
    """Build a UNet of Stable Video Diffusion that works in slots. Raises BadInput."""
    return slots.patch_attention(parts.build_unet(config, help))


def build_controlnet(config: Mapping[str, Any], help: str = HELP) -> Any:
    """Build a ControlNet that reads sketches and works in slots, from its own configuration or from the UNet's. Raises BadInput."""
    return slots.patch_attention(parts.build_controlnet({**config, "conditioning_channels": CHANNELS}, help))


def copy_controlnet(unet: Any) -> Any:
    """Build a ControlNet to be trained: a copy of the UNet's down path and middle block whose residuals are 0."""
    return slots.patch_attention(SvdControlNet.from_unet(unet, CHANNELS))


BUILDERS: Mapping[str, Callable] = {**parts.BUILDERS, "unet": build_unet, "controlnet": build_controlnet}
