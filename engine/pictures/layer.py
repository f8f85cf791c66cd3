"""What the runner needs of a layer: the pictures of one cel, each known by the key of what it depends on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Counts:
    """Of a drawing's picture: `regions`, those left `unknown` and without paint, and `leaks`, the wide gaps in its lines."""

    regions: int = 0
    unknown: int = 0
    leaks: int = 0


class Layer(Protocol):
    """A cel of a job, painted by a model; `number` is its place among the job's cels. One that is a RegionLayer heeds hints."""

    number: int

    def cache_key(self, drawing: str) -> object:
        """All that a drawing's picture depends on, as JSON values. It may not take long: it is asked of pictures that are finished too."""
        ...

    def render(self, drawing: str) -> tuple[np.ndarray, Counts]:
        """A drawing's picture, uint8 (H, W, 4) of the shot's size with straight alpha. Raises BadInput, Cancelled, JobFailed."""
        ...

    def cache_keys(self) -> Sequence[str]:
        """The names of what is to stay in the cache when the job is done."""
        ...
