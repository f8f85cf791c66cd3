"""The clip that Animate Anyone renders for a cel: its windows, the reference, and the poses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...diffusion.clip import WindowedClip, WindowedRenderer
from .pipeline import AnimateAnyonePipeline, PosedWindows


@dataclass(frozen=True)
class AnimateAnyoneClip(WindowedClip):
    """`show_reference` returns the picture of the reference, uint8 (H, W, 3), `draw_poses` the pictures of the poses of given frames,
    uint8 (F, H, W, 3)."""

    show_reference: Callable[[], np.ndarray] = field(repr=False)
    draw_poses: Callable[[Sequence[int]], np.ndarray] = field(repr=False)


class AnimateAnyoneRenderer(WindowedRenderer[AnimateAnyonePipeline, AnimateAnyoneClip]):
    """Renders the frames of a cel with Animate Anyone."""

    CACHE_NAME = "animate-latents"

    def _encode_conditions(self, pipeline: AnimateAnyonePipeline) -> PosedWindows:
        picture = self.spec.show_reference()
        self.context.check()
        return PosedWindows(pipeline.encode_reference(picture), self.spec.windows, self.spec.draw_poses)
