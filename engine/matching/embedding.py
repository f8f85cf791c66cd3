"""The trained matcher at work: tokens of a picture, made once; scores of regions for any two pictures; points found again.

What swatch a reference's region wears is nowhere looked at: it is looked up after the match.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..job.errors import EngineMissing
from .features import build_view, mirror_view
from .pair import RegionMatch
from .shapes import Shapes
from .threads import limit_threads

if TYPE_CHECKING:
    from .network import MatcherNetwork

WEIGHTS = Path(__file__).with_name("weights") / "matcher.safetensors"
SHA256 = "f2267e9cf72d184cf986e3403494e6fa550b9c808a3ce7d5d1f5177f13f4935f"
# How the network looks at a picture: the figure's px, and whether in a mirror. It was trained on 208 to 304 px; the second look helps
# with sheets, a third one no more.
AUGMENTED_VIEWS = ((304, False), (240, True))
REVISION = SHA256[:12]  # for the keys of what is kept of tokens and scores
# score = network * scores + evidence * evidence of `pair.match_regions` - none, where the lines of two pictures meet (first row) and
# where they don't (second row). Fitted on held-out toons by `train trials`.
MIX = np.array([[0.9449999928474426, 0.11699999868869781, -0.6110000014305115], [1.0440000295639038, 0.0, -1.2640000581741333]])


@dataclass(frozen=True)
class RegionTokens:
    """What the network knows of the regions of a picture: `tokens` float16 (looks, R, n), and their neighbors as in Shapes."""

    tokens: np.ndarray
    edges: np.ndarray
    traces: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        return {"tokens": self.tokens, "edges": self.edges, "traces": self.traces}

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray]) -> "RegionTokens":
        return RegionTokens(arrays["tokens"], arrays["edges"], arrays["traces"])


@dataclass(frozen=True)
class DenseFeatures:
    """What the network knows of places: `features` float32 (h, w, n), unit vectors; the middle of cell (x, y) is at
    `origin` + (x, y) * `step` in the label map."""

    features: np.ndarray
    origin: np.ndarray
    step: np.ndarray


class Matcher:
    """A network with its weights. Calls may come from several threads, and each computes in its own."""

    def __init__(self, network: "MatcherNetwork", looks: Sequence[tuple[int, bool]] = AUGMENTED_VIEWS) -> None:
        self.network = network.eval()
        self.looks = looks

    def encode(self, shapes: Shapes, tint: np.ndarray | None = None) -> RegionTokens:
        """Tokens of a picture; `tint` as from features.measure_tint, of a drawing."""
        import torch

        from .network import collate_views

        seen = [mirror_view(build_view(shapes, tint, side)) if mirror else build_view(shapes, tint, side) for side, mirror in self.looks]
        with limit_threads(), torch.inference_mode():
            tokens = torch.cat([self.network.encode(collate_views([one]))[0] for one in seen])
        return RegionTokens(tokens.half().numpy(), shapes.edges, shapes.traces)

    def scores(self, a: RegionTokens, b: RegionTokens) -> tuple[np.ndarray, np.ndarray]:
        """How A's regions fit B's, float32 (RA + 1, RB + 1), and the other way round.

        Log odds against having no match, which therefore has 0; row and column 0 are unused.
        """
        import torch

        with limit_threads(), torch.inference_mode():
            forth, back = self.network.compare(*_prepare_inputs(a), *_prepare_inputs(b))
        return _subtract_none_score(forth.mean(0).numpy()), _subtract_none_score(back.mean(0).numpy())

    def dense(self, shapes: Shapes, tint: np.ndarray | None = None) -> DenseFeatures:
        """Features of places all over the figure of a picture, one for 4x4 px of what the network sees."""
        import torch

        seen = build_view(shapes, tint, self.looks[0][0])
        height, width = (side // 4 for side in seen.labels.shape)
        y, x = np.mgrid[:height, :width].reshape(2, -1)
        xy = torch.from_numpy(np.stack([x, y], 1).astype(np.float32) * 4 + 2)
        with limit_threads(), torch.inference_mode():
            levels = self.network.pyramid(torch.from_numpy(seen.image)[None])
            features = self.network.points(levels, torch.zeros(len(xy), dtype=torch.int64), xy)
        step = seen.window[:2]
        return DenseFeatures(features.numpy().reshape(height, width, -1), seen.window[2:] + 2 * step, 4 * step)


def match_points(a: DenseFeatures, points: np.ndarray, b: DenseFeatures) -> tuple[np.ndarray, np.ndarray]:
    """Find points (N, 2) of A's label map in B's: float32 (N, 2), and how alike the places are, -1..1."""
    height, width = a.features.shape[:2]
    x, y = ((points - a.origin) / a.step).round().astype(np.int64).T
    asked = a.features[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    alike = asked @ b.features.reshape(-1, b.features.shape[-1]).T
    best = alike.argmax(1)
    row, column = np.divmod(best, b.features.shape[1])
    # Between cells: the middle of the cells around the best, by how alike they are.
    found = np.zeros((len(points), 2))
    total = np.zeros((len(points), 1))
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            near_y, near_x = np.clip(row + dy, 0, b.features.shape[0] - 1), np.clip(column + dx, 0, b.features.shape[1] - 1)
            weight = np.exp(14.0 * (np.einsum("nc,nc->n", asked, b.features[near_y, near_x]) - alike.max(1)))[:, None]
            found += weight * np.stack([near_x, near_y], 1)
            total += weight
    return (b.origin + found / total * b.step).astype(np.float32), alike.max(1)


def mix_scores(match: RegionMatch, scores: np.ndarray) -> RegionMatch:
    """What the measured evidence and the network say together."""
    network, evidence, none = match.alignment * MIX[0] + (1.0 - match.alignment) * MIX[1]
    return RegionMatch((network * scores + evidence * (match.scores - match.nothing) - none).astype(np.float32), 0.0, match.alignment)


@cache
def load_matcher(path: Path = WEIGHTS, sha256: str = SHA256) -> Matcher:
    """The matcher with the weights that belong to this version. Raises EngineMissing when they aren't there or aren't these."""
    again = "Install the extension again."
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EngineMissing(
            f"The matcher's weights (sha256 {sha256}) can't be read from {path}: {error.strerror or error}. {again}"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise EngineMissing(f"The matcher's weights at {path} are not those of this version (sha256 {sha256}) but {found}. {again}")
    from safetensors.torch import load as tensors

    from .network import MatcherNetwork

    network = MatcherNetwork()
    network.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in tensors(data).items()})
    return Matcher(network)


def _prepare_inputs(of: RegionTokens):
    import torch

    from .network import build_neighbor_table

    looks, count, _ = of.tokens.shape
    near = torch.from_numpy(build_neighbor_table(count, of.edges, of.traces)).expand(looks, -1, -1)
    return torch.from_numpy(of.tokens).float(), torch.ones(looks, count, dtype=torch.bool), near


def _subtract_none_score(scores: np.ndarray) -> np.ndarray:
    table = np.zeros((scores.shape[0] + 1, scores.shape[1]), np.float32)
    table[1:, 1:] = scores[:, :-1] - scores[:, -1:]
    return table
