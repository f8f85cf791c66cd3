"""How the drawings of a cel fit the figures of its references, and each other: what guides a network, and what is likely where."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..job.files import compute_digest
from ..matching import embedding, pair, shapes, shot
from .drawings import DrawingStore
from .figures import Figure

SURE = 0.5  # probability above which a region is taken for another's


@dataclass(frozen=True)
class FigureFit:
    """How a drawing's regions fit a figure's: `region` int64 (R + 1,) of the figure, -1 where none is likely · `share` of the drawing's
    area, its largest region left out, that is surely found in the figure."""

    region: np.ndarray
    share: float


@dataclass(frozen=True)
class DrawingMatch:
    """What is kept of a drawing while the shot is painted: `lines` packed bits of bool (H, W) · `reference_probs` float32 (R + 1, P + 1)
    how likely each region wears which swatch, the last column for none · `fits` how it fits each figure · `forth`, `back` how the drawing
    before follows from this one and this one from that; None for the first."""

    lines: np.ndarray
    reference_probs: np.ndarray
    fits: tuple[FigureFit, ...]
    forth: shot.RegionLink | None
    back: shot.RegionLink | None

    def unpack_lines(self, size: tuple[int, int]) -> np.ndarray:
        """The lines, bool (H, W), of a picture of `size` (width, height)."""
        return np.unpackbits(self.lines, count=size[0] * size[1]).astype(bool).reshape(size[1], size[0])

    def arrays(self) -> dict[str, np.ndarray]:
        arrays = {"lines": self.lines, "word": self.reference_probs, "share": np.array([fit.share for fit in self.fits])}
        arrays |= {f"region_{i}": fit.region for i, fit in enumerate(self.fits)}
        for name, link in (("forth", self.forth), ("back", self.back)):
            arrays |= {f"{name}_{key}": value for key, value in link.arrays().items()} if link else {}
        return arrays

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray]) -> "DrawingMatch":
        fits = tuple(FigureFit(arrays[f"region_{i}"], float(share)) for i, share in enumerate(arrays["share"]))
        links = []
        for name in ("forth", "back"):
            own = {key.removeprefix(f"{name}_"): value for key, value in arrays.items() if key.startswith(f"{name}_")}
            links.append(shot.RegionLink.from_arrays(own) if own else None)
        return DrawingMatch(arrays["lines"], arrays["word"], fits, *links)


def match_drawing(
    store: DrawingStore, drawing: str, before: str | None, fingerprint: str, load_figures: Callable[[], tuple[np.ndarray, Sequence[Figure]]]
) -> DrawingMatch:
    """Match a drawing with figures and with the drawing before, or load what is kept of it. `load_figures` gives the palette uint8 (P, 4)
    and the figures, when needed; `fingerprint` is what they depend on. Raises BadInput."""
    key = match_key(fingerprint, drawing, before)
    kept = store.cache.get(key)
    if kept is not None:
        return DrawingMatch.from_arrays(kept)
    seen, tokens = store.describe_drawing(drawing)
    swatches, figures = load_figures()
    matches = [match_regions(seen, figure.shapes, tokens, figure.tokens)[0] for figure in figures]
    probs = shot.compute_reference_probs(list(zip(matches, [f.shapes for f in figures], strict=True)), len(swatches), seen.count)
    forth = back = None
    if before is not None:
        old, old_tokens = store.describe_drawing(before)
        forth, back = (shot.link_regions(match) for match in match_regions(old, seen, old_tokens, tokens))
    fits = tuple(_fit_figure(match, seen.areas) for match in matches)
    match = DrawingMatch(np.packbits(store.read_lines(drawing)), probs, fits, forth, back)
    store.cache.put(key, match.arrays())
    return match


def match_regions(
    a: shapes.Shapes, b: shapes.Shapes, tokens_a: embedding.RegionTokens, tokens_b: embedding.RegionTokens
) -> tuple[pair.RegionMatch, pair.RegionMatch]:
    """How A's regions fit B's, by what was measured of them and by what the network saw; and how B's fit A's."""
    forth, back = zip(pair.match_regions(a, b), embedding.load_matcher().scores(tokens_a, tokens_b), strict=True)
    return embedding.mix_scores(*forth), embedding.mix_scores(*back)


def match_key(fingerprint: str, drawing: str, before: str | None) -> str:
    """The name in the cache of how a drawing fits, of a cel whose figures have this fingerprint."""
    return "read-" + compute_digest(fingerprint, drawing, before)[:24]


def _fit_figure(match: pair.RegionMatch, areas: np.ndarray) -> FigureFit:
    """Of a drawing with regions of such `areas` (R + 1,)."""
    likely = pair.compute_probabilities(match.scores, match.nothing)
    sure = likely.max(axis=1)
    region = np.where(sure > SURE, likely.argmax(axis=1), -1)
    region[0] = -1
    weights = areas.astype(np.float64)
    weights[0] = weights[weights.argmax()] = 0.0
    return FigureFit(region, float((weights * sure).sum() / max(weights.sum(), 1.0)))
