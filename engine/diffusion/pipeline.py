"""The interface of a model's pipeline: encode a reference, denoise the windows of a clip, decode its frames."""

from collections.abc import Iterator
from typing import Protocol, TypeVar

import numpy as np
from torch import Tensor

from .sampling import DenoisingHooks, DenoisingState

Encoded = TypeVar("Encoded", covariant=True)
Conditions = TypeVar("Conditions", contravariant=True)


class VideoPipeline(Protocol[Encoded, Conditions]):
    """A pipeline of latent video diffusion. For each stage it moves its networks to the device, by their placement.

    `Encoded` is what a model keeps of a reference, `Conditions` what all windows of a clip are made from. Models whose clips are connected
    in another way have pipelines of their own: LVCD's chains of segments, ToonCrafter's clips between two keys.
    """

    @property
    def step_count(self) -> int:
        """Steps of denoising."""
        ...

    def draw_noise(self, count: int, size: tuple[int, int], seed: int) -> Tensor:
        """Noise of variance 1, float32 (1, count, 4, h / 8, w / 8), for frames of `size` (width, height) px. Depends on the seed alone."""
        ...

    def encode_reference(self, picture: np.ndarray, seed: int) -> Encoded:
        """Encode a reference uint8 (H, W, 3) of the size of the frames."""
        ...

    def denoise_clip(self, conditions: Conditions, noise: Tensor, hooks: DenoisingHooks, begin: DenoisingState | None = None) -> Tensor:
        """Latents (1, N, 4, h, w) of a clip, from noise of that shape or from the cached state of an earlier run. Raises Cancelled."""
        ...

    def decode_latents(self, latents: Tensor, chunk: int) -> Iterator[Tensor]:
        """Decode latents (1, N, 4, h, w) to frames float32 (n, 3, 8 h, 8 w) in 0..1, on the CPU, `chunk` at a time."""
        ...
