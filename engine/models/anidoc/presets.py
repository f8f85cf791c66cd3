"""How much time AniDoc takes for a shot, against how near it comes to its published pictures."""

from diffusers.schedulers.scheduling_utils import AysSchedules

from .sampler import Settings

_ALIGNED = tuple(AysSchedules["StableDiffusionVideoSigmas"])  # "align your steps": ten noise levels, then 0

PRESETS = {
    "reference": Settings(steps=25),
    "fast": Settings(sigmas=_ALIGNED),
    "draft": Settings(sigmas=(*_ALIGNED[:-1:2], 0.0), guided=0.5),
}
