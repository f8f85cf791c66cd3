"""The references of a cel and its drawings: what the references say of each drawing, and how drawings follow from their neighbors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ...drawing.colors import palette, reference
from ...job.files import compute_digest
from ...matching import embedding, shapes, shot, twin
from ...pictures.context import JobContext
from ...pictures.drawings import Analysis, DrawingStore
from ...pictures.figure_match import match_regions
from . import film
from .evidence import Evidence
from .gaps import REVISION as GAPS
from .gaps import Source, WideGaps, gaps_key, judge_gaps
from .pool import WorkerPool

REACH = 2  # a drawing hears this many others on either side
LOOKING = 0.3  # share of the time of matching that goes into looking at each drawing by itself


@dataclass(frozen=True)
class References:
    """The references of a cel: its palette `swatches` uint8 (P, 4) · `sources` that drawings are matched to · `known` what the regions of
    drawings wear whose paint a reference is, and how surely · `scene` a film frame that gives texture ·
    `warnings` for a person."""

    swatches: np.ndarray
    sources: Sequence[Source]
    known: Mapping[str, tuple[np.ndarray, np.ndarray]]
    scene: film.FilmFrame | None
    warnings: Sequence[str]


@dataclass(frozen=True)
class CelMatcher:
    """Gathers what is known of the drawings of cel `number`."""

    context: JobContext
    store: DrawingStore
    pool: WorkerPool
    number: int

    @property
    def _background(self) -> str:
        return str(self.context.job.options["background"])

    def _report_progress(self, part: float) -> None:
        self.context.progress("Matching", (self.number + part) / len(self.context.job.cels))

    def gather_evidence(self, analyses: Mapping[str, Analysis]) -> Evidence:
        """What the references say of all drawings of the cel, given in order of appearance, and how these follow from each other."""
        cache = self.context.cache
        drawings = [d for d in analyses if not analyses[d].empty]
        given = [reference.sha256 for reference in self.context.job.cels[self.number].references]
        pockets = [self.store.find_pockets(d).joins.tobytes().hex() for d in drawings]
        about_gaps = (GAPS, pockets) if any(pockets) else ()
        keys = [analyses[d].key for d in drawings]
        key = "evidence-" + compute_digest(keys, given, self._background, embedding.REVISION, *about_gaps)[:24]
        kept = cache.get(key)
        if kept is not None:
            evidence = Evidence.from_arrays(drawings, kept)
            for d, gaps in evidence.gaps.items():
                self.store.cut_drawing(d, gaps.cuts)
            cache.keep(evidence.entries)
            for text in evidence.warnings:
                self.context.warn(text)
            self._report_progress(1.0)
            return evidence
        evidence = self._match_drawings({d: analyses[d] for d in drawings})
        if evidence.scene is None:
            cache.put(key, evidence.arrays())
        return evidence

    def _match_drawings(self, analyses: Mapping[str, Analysis]) -> Evidence:
        drawings = list(analyses)
        seen: dict[str, embedding.RegionTokens] = {}
        for d, tokens in self.pool.map_unordered(self.store.load_tokens, drawings):
            seen[d] = tokens
            self._report_progress(LOOKING * len(seen) / len(drawings))
        found = self._read_references(analyses, seen)
        gaps = self._judge_gaps(analyses, found)
        about_gaps = [gaps_key(analyses[d], found.sources, found.swatches) for d in gaps]
        for d in (d for d in gaps if len(gaps[d].cuts)):
            self.store.cut_drawing(d, gaps[d].cuts)
            analyses = {**analyses, d: self.store.analyze(d)}
            seen[d] = self.store.load_tokens(d)
        keys = {d: _probs_key(analyses[d], found) for d in drawings}
        pairs = [(i, j) for i in range(len(drawings)) for j in range(i + 1, min(i + REACH + 1, len(drawings)))]
        tasks: list[Callable[[], Any]] = [partial(self._match_references, d, analyses[d], seen[d], found, keys[d]) for d in drawings]
        tasks += [
            partial(self._link_drawings, analyses[a], analyses[b], seen[a], seen[b])
            for a, b in ((drawings[i], drawings[j]) for i, j in pairs)
        ]
        results: dict[int, Any] = {}
        for done, (task, result) in enumerate(self.pool.map_unordered(lambda task: tasks[task](), range(len(tasks))), 1):
            results[task] = result
            self._report_progress(LOOKING + (1.0 - LOOKING) * done / len(tasks))
        links = {}
        for task, (i, j) in enumerate(pairs, len(drawings)):
            links[i, j], links[j, i] = results[task]
        return Evidence(
            drawings=drawings,
            swatches=found.swatches,
            reference_probs=[_mix_known(results[i], *found.known[d]) if d in found.known else results[i] for i, d in enumerate(drawings)],
            anchored=[d in found.known for d in drawings],
            links=links,
            gaps=gaps,
            scene=found.scene,
            warnings=found.warnings,
            entries=[
                *keys.values(),
                *about_gaps,
                *(self.store.tokens_key(d) for d in drawings),
                *(_link_key(analyses[drawings[i]], analyses[drawings[j]]) for i, j in pairs),
            ],
        )

    def _read_references(self, analyses: Mapping[str, Analysis], seen: Mapping[str, embedding.RegionTokens]) -> References:
        references = self.context.job.cels[self.number].references
        pictures = [reference.read_reference(self.context.folder / ref.file, ref.name) for ref in references]
        warnings = [text for picture in pictures for text in picture.warnings]
        for text in warnings:
            self.context.warn(text)
        painted = [palette.extract_palette(picture.pixels, self._background) for picture in pictures]
        swatches, tables = palette.merge_palettes(painted)
        sources: list[Source] = []
        known: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        scene = None
        for ref, picture, parts, table in zip(references, pictures, painted, tables, strict=True):
            views = shapes.describe_reference(parts, table)
            key = compute_digest(ref.sha256, self._background)
            whole = views[0] if len(views) == 1 else shapes.describe_reference(parts, table, whole=True)[0]
            match = self._find_drawing(analyses, whole, table[parts.index], swatches)
            if scene is None and len(views) == 1:
                over = film.find_drawing_over(views[0], ((d, found.shapes) for d, found in analyses.items()))
                lines = parts.lines if over is None else self.store.load_pixels(over)["paint"][..., 3] >= 128
                scene = film.find_film_frame(compute_digest(key, over), picture.pixels, parts, table, lines, over)
            if match is None:
                sources += [Source(f"{key}/{i}", view, embedding.load_matcher().encode(view)) for i, view in enumerate(views)]
            else:
                drawing, swatch, share = match
                known[drawing] = (swatch, share)
                worn = replace(analyses[drawing].shapes, swatch=swatch)
                sources.append(Source(f"{key}/{analyses[drawing].key}", worn, seen[drawing]))
        return References(swatches, sources, known, scene, warnings)

    def _find_drawing(
        self, analyses: Mapping[str, Analysis], view: shapes.Shapes, index: np.ndarray, swatches: np.ndarray
    ) -> tuple[str, np.ndarray, np.ndarray] | None:
        """The drawing that a reference, seen as a whole, is the paint of, what its regions wear and how surely, or None."""
        best = None
        purity = twin.MIN_PURITY
        for d, found in analyses.items():
            if min(twin.measure_line_overlap(found.shapes, view)) >= twin.MIN_LINE_OVERLAP:
                swatch, share, figure = twin.read_swatches(self.store.load_labels(d), found.count, index, swatches)
                if figure >= purity:
                    best, purity = (d, swatch, share), figure
        return best

    def _judge_gaps(self, analyses: Mapping[str, Analysis], found: References) -> dict[str, WideGaps]:
        """The wide gaps of drawings that have some. Film frames show what lies behind them anyway."""
        if found.scene is not None:
            return {}

        def judge(drawing: str) -> WideGaps | None:
            return judge_gaps(self.store, drawing, analyses[drawing], found.sources, found.swatches)

        judged = dict(self.pool.map_unordered(judge, [d for d in analyses if d not in found.known]))
        return {d: gaps for d in analyses if (gaps := judged.get(d)) is not None}

    def _match_references(self, drawing: str, analysis: Analysis, seen: embedding.RegionTokens, found: References, key: str) -> np.ndarray:
        """Probabilities by the references for a drawing, float32 (R + 1, P + 1), from the cache when they were matched before."""
        kept = self.context.cache.get(key)
        if kept is not None:
            return kept["word"]
        matches = [(match_regions(analysis.shapes, s.shapes, seen, s.tokens)[0], s.shapes) for s in found.sources]
        probs, scene = shot.compute_reference_probs(matches, len(found.swatches), analysis.count), found.scene
        if scene is not None:
            pixels = self.store.load_pixels(drawing)
            way = film.align_lines(scene, pixels["paint"][..., 3] >= 128)
            sure = way.alignment**2 if way.alignment >= film.ALIGNED else 0.0
            votes = film.count_votes(scene, way, pixels["grown"], analysis.count, len(found.swatches))
            probs = ((1.0 - sure) * probs + sure * votes).astype(np.float32)
        self.context.cache.put(key, {"word": probs})
        return probs

    def _link_drawings(
        self, a: Analysis, b: Analysis, seen_a: embedding.RegionTokens, seen_b: embedding.RegionTokens
    ) -> tuple[shot.RegionLink, shot.RegionLink]:
        """How the regions of one drawing follow from those of another, and the other way, from the cache when neither changed."""
        key = _link_key(a, b)
        kept = self.context.cache.get(key)
        if kept is None:
            kept = {
                f"{way} {name}": array
                for way, match in zip(("forth", "back"), match_regions(a.shapes, b.shapes, seen_a, seen_b), strict=True)
                for name, array in shot.link_regions(match).arrays().items()
            }
            self.context.cache.put(key, kept)
        forth, back = ({n.split()[1]: array for n, array in kept.items() if n.startswith(way)} for way in ("forth", "back"))
        return shot.RegionLink.from_arrays(forth), shot.RegionLink.from_arrays(back)


def _probs_key(analysis: Analysis, found: References) -> str:
    scene = found.scene.key if found.scene else None
    return "word-" + compute_digest(analysis.key, embedding.REVISION, [s.key for s in found.sources], found.swatches.tobytes(), scene)[:24]


def _link_key(a: Analysis, b: Analysis) -> str:
    return "link-" + compute_digest(a.key, b.key, embedding.REVISION)[:24]


def _mix_known(probs: np.ndarray, swatch: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Probabilities of a drawing whose paint was read off a reference: as sure as its pixels agree, the rest by `probs`."""
    sure = np.where(swatch >= 0, np.clip(share, 0.0, 0.995), 0.0)[:, None]
    result = probs * (1.0 - sure)
    seen = np.flatnonzero(swatch >= 0)
    result[seen, swatch[seen]] += sure[seen, 0]
    return result.astype(np.float32)
