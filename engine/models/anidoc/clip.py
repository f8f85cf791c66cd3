"""The clip that AniDoc renders for a cel: its windows, and the figure and the conditions of each window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from ...diffusion.clip import WindowedClip, WindowedRenderer
from .pipeline import AniDocPipeline, AniDocWindow


@dataclass(frozen=True)
class AniDocClip(WindowedClip):
    """`figures` the index of each window's reference figure · `show_figure` returns the picture of a figure, uint8 (H, W, 3) ·
    `build_condition` the condition (1, F, 8 or 9, H, W) of a window and its figure, for the sparse stage if the last argument is True."""

    windows: Sequence[range]
    figures: Sequence[int]
    show_figure: Callable[[int], np.ndarray] = field(repr=False)
    build_condition: Callable[[range, int, bool], Tensor] = field(repr=False)


class AniDocRenderer(WindowedRenderer[AniDocPipeline, AniDocClip]):
    """Renders the frames of a cel with AniDoc."""

    CACHE_NAME = "anidoc-latents"

    def _encode_conditions(self, pipeline: AniDocPipeline) -> list[AniDocWindow]:
        encoded = {}
        for figure in sorted(set(self.spec.figures)):
            self.context.check()
            encoded[figure] = pipeline.encode_reference(self.spec.show_figure(figure), self.context.job.seed)
        build, sparse = self.spec.build_condition, pipeline.networks.sparse
        return [
            AniDocWindow(window, encoded[figure], lambda window=window, figure=figure: build(window, figure, sparse))
            for window, figure in zip(self.spec.windows, self.spec.figures, strict=True)
        ]
