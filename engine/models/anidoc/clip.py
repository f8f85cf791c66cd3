"""What AniDoc paints of a cel: its windows, the figure that each is painted after, and the conditions that they are made from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from ...diffusion.clip import WindowedClip, WindowedRenderer
from .pipeline import AniDocPipeline, AniDocWindow


@dataclass(frozen=True)
class AniDocClip(WindowedClip):
    """`figures` the number of the figure that each window is painted after · `show_figure` makes its picture uint8 (H, W, 3),
    `build_condition` the condition (1, F, 8 or 9, H, W) of a window and its figure, of the sparse stage or not."""

    windows: Sequence[range]
    figures: Sequence[int]
    show_figure: Callable[[int], np.ndarray] = field(repr=False)
    build_condition: Callable[[range, int, bool], Tensor] = field(repr=False)


class AniDocRenderer(WindowedRenderer[AniDocPipeline, AniDocClip]):
    """The frames of a cel by AniDoc."""

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
