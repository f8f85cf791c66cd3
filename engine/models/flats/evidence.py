"""All that is known of a cel's drawings before they are brought to agreement. Kept whole, so that a hint needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy import sparse

from ...matching.shot import RegionLink
from .film import FilmFrame
from .gaps import WideGaps

_GAPS = tuple(f.name for f in fields(WideGaps))


@dataclass(frozen=True)
class Evidence:
    """`drawings` their ids, those that have lines, in order of appearance · `swatches` uint8 (P, 4) of the cel · `reference_probs`, `links`
    and `anchored` as `matching.shot.smooth_over_shot` takes them · `gaps` of drawings with wide ones ·
    `scene` the film frame that gives texture, if one does · `warnings` about the references · `entries` of the cache that this was made
    from.
    """

    drawings: Sequence[str]
    swatches: np.ndarray
    reference_probs: Sequence[np.ndarray]
    anchored: Sequence[bool]
    links: Mapping[tuple[int, int], RegionLink]
    gaps: Mapping[str, WideGaps]
    scene: FilmFrame | None
    warnings: Sequence[str]
    entries: Sequence[str]

    def arrays(self) -> dict[str, np.ndarray]:
        """For the cache, of evidence without a film frame."""
        ways = [link.way for link in self.links.values()]
        return {
            "swatches": self.swatches,
            "words": np.concatenate([np.zeros((0, len(self.swatches) + 1), np.float32), *self.reference_probs]),
            "lengths": np.array([len(probs) for probs in self.reference_probs], np.int64),
            "anchored": np.array(self.anchored, bool),
            "pairs": np.array(list(self.links), np.int32).reshape(-1, 2),
            "alignment": np.array([link.alignment for link in self.links.values()], np.float64),
            "sizes": np.array([way.nnz for way in ways], np.int64),
            "values": np.concatenate([np.zeros(0, np.float32), *(way.data for way in ways)]),
            "columns": np.concatenate([np.zeros(0, np.int32), *(way.indices.astype(np.int32) for way in ways)]),
            "starts": np.concatenate([np.zeros(0, np.int32), *(way.indptr.astype(np.int32) for way in ways)]),
            "warnings": np.array(self.warnings, np.str_),
            "entries": np.array(self.entries, np.str_),
            **self._pack_gaps(),
        }

    def _pack_gaps(self) -> dict[str, np.ndarray]:
        if not self.gaps:
            return {}
        rows = [list(self.drawings).index(drawing) for drawing in self.gaps]
        tables = {f"{name}_{index}": getattr(gaps, name) for index, gaps in enumerate(self.gaps.values()) for name in _GAPS}
        return {"gapped": np.array(rows, np.int64), **tables}

    @staticmethod
    def from_arrays(drawings: list[str], arrays: Mapping[str, np.ndarray]) -> "Evidence":
        lengths = arrays["lengths"].tolist()
        links = {}
        start = row = 0
        for (i, j), size, alignment in zip(arrays["pairs"].tolist(), arrays["sizes"].tolist(), arrays["alignment"].tolist(), strict=True):
            part, rows = slice(start, start + size), slice(row, row + lengths[i] + 1)
            table = (arrays["values"][part], arrays["columns"][part], arrays["starts"][rows])
            links[i, j] = RegionLink(sparse.csr_array(table, shape=(lengths[i], lengths[j])), alignment)
            start, row = part.stop, rows.stop
        return Evidence(
            drawings=drawings,
            swatches=arrays["swatches"],
            reference_probs=np.split(arrays["words"], np.cumsum(lengths)[:-1]) if lengths else [],
            anchored=arrays["anchored"].tolist(),
            links=links,
            gaps={
                drawings[row]: WideGaps(**{name: arrays[f"{name}_{index}"] for name in _GAPS})
                for index, row in enumerate(arrays["gapped"].tolist() if "gapped" in arrays else ())
            },
            scene=None,
            warnings=arrays["warnings"].tolist(),
            entries=arrays["entries"].tolist(),
        )
