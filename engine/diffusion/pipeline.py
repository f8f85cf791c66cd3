"""What a model's pipeline does between pictures and tensors: encode a reference, denoise the windows of a clip, decode its frames."""

from collections.abc import Iterator
from typing import Protocol, TypeVar

import numpy as np
from torch import Tensor

from .sampling import DenoisingHooks, DenoisingState

Encoded = TypeVar("Encoded", covariant=True)
Conditions = TypeVar("Conditions", contravariant=True)


class VideoPipeline(Protocol[Encoded, Conditions]):
    """A pipeline of latent video diffusion. It brings its networks to the device for each stage, as they were placed.

    `Encoded` is what a model keeps of a reference, `Conditions` what all windows of a clip are made from. Models whose clips hang together
    otherwise have pipelines of their own: LVCD's chains of segments, ToonCrafter's clips between two keys.
    """

    @property
    def step_count(self) -> int:
        """Steps of denoising."""
        ...

    def draw_noise(self, count: int, size: tuple[int, int], seed: int) -> Tensor:
        """Noise of variance 1, float32 (1, count, 4, h / 8, w / 8), for frames of `size` (width, height) px; the seed alone decides it."""
        ...

    def encode_reference(self, picture: np.ndarray, seed: int) -> Encoded:
        """What is kept of a reference uint8 (H, W, 3) in the size of the frames."""
        ...

    def denoise_clip(self, conditions: Conditions, noise: Tensor, hooks: DenoisingHooks, begin: DenoisingState | None = None) -> Tensor:
        """Latents (1, N, 4, h, w) of a clip, from noise of that shape or from where an earlier run has come. Raises Cancelled."""
        ...

    def decode_latents(self, latents: Tensor, chunk: int) -> Iterator[Tensor]:
        """Frames float32 (n, 3, 8 h, 8 w) in 0..1, on the processor, of latents (1, N, 4, h, w), `chunk` at a time."""
        ...
