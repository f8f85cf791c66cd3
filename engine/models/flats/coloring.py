"""The drawings of one cel to swatches: `listen` reads the references and matches them to each drawing, and drawings to their neighbors;
`solve` brings all that to agreement, and to what a person says.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...drawing.colors import palette, reference
from ...job.files import digest
from ...matching import embedding, pair, shapes, shot, twin
from . import analysis, film
from .evidence import Evidence
from .hints import Label

if TYPE_CHECKING:
    from .pipeline import Run

REACH = 2  # a drawing hears this many others on either side
LOOKING = 0.3  # share of the time of matching that goes into looking at each drawing by itself


@dataclass(frozen=True)
class Colored:
    """The answer for a drawing: `swatches` uint8 (P, 4) of its cel, `swatch` int32 (R + 1,), -1 unknown, `confidence` float32 (R + 1,).

    `unknown` counts the regions left unpainted for doubt · `key` is of all that the paint depends on · `scene` is the film frame that
    gives texture, if one does · `told` bool (R + 1,) the regions that wear what a person said, and no texture.
    """

    swatches: np.ndarray
    swatch: np.ndarray
    confidence: np.ndarray
    unknown: int
    key: str
    told: np.ndarray
    scene: film.Film | None = None

    def colors(self) -> np.ndarray:
        """uint8 (R + 1, 4) of the regions, alpha 0 for what stays unpainted."""
        return np.concatenate([self.swatches, np.zeros((1, 4), np.uint8)])[self.swatch]


@dataclass(frozen=True)
class Source:
    """What drawings are matched to: a view on a reference, or the drawing that a reference is the paint of."""

    key: str
    shapes: shapes.Shapes
    tokens: embedding.Tokens


def listen(run: "Run", number: int, read: Mapping[str, "analysis.Analysis"]) -> Evidence:
    """What the references say of all drawings of cel `number`, given in order of appearance, and how these follow from each other."""
    drawings = [d for d in read if not read[d].empty]
    given = [reference.sha256 for reference in run.job.cels[number].references]
    key = "evidence-" + digest([read[d].key for d in drawings], given, _background(run), embedding.REVISION)[:24]
    kept = run.cache.get(key)
    if kept is not None:
        evidence = Evidence.of_arrays(drawings, kept)
        run.cache.keep(evidence.entries)
        for text in evidence.warnings:
            run.warn(text)
        run.progress("Matching", (number + 1) / len(run.job.cels))
        return evidence
    evidence = _match(run, number, {d: read[d] for d in drawings})
    if evidence.scene is None:
        run.cache.put(key, evidence.arrays())
    return evidence


def _match(run: "Run", number: int, read: Mapping[str, "analysis.Analysis"]) -> Evidence:
    drawings = list(read)
    seen: dict[str, embedding.Tokens] = {}
    for d, tokens in run.each(lambda d: analysis.tokens(run.job, run.job.drawing(d), read[d], run.folder, run.cache), drawings):
        seen[d] = tokens
        run.progress("Matching", (number + LOOKING * len(seen) / len(drawings)) / len(run.job.cels))
    swatches, sources, known, scene, warnings = _references(run, number, read, seen)
    words = {d: _word_key(read[d], sources, swatches, scene) for d in drawings}
    pairs = [(i, j) for i in range(len(drawings)) for j in range(i + 1, min(i + REACH + 1, len(drawings)))]
    tasks: list[Callable[[], Any]] = [partial(_word, run, d, read[d], seen[d], sources, swatches, scene, words[d]) for d in drawings]
    tasks += [partial(_links, run, read[a], read[b], seen[a], seen[b]) for a, b in ((drawings[i], drawings[j]) for i, j in pairs)]
    results: dict[int, Any] = {}
    for done, (task, result) in enumerate(run.each(lambda task: tasks[task](), range(len(tasks))), 1):
        results[task] = result
        run.progress("Matching", (number + LOOKING + (1.0 - LOOKING) * done / len(tasks)) / len(run.job.cels))
    links = {}
    for task, (i, j) in enumerate(pairs, len(drawings)):
        links[i, j], links[j, i] = results[task]
    return Evidence(
        drawings=drawings,
        swatches=swatches,
        words=[_certain(results[i], *known[d]) if d in known else results[i] for i, d in enumerate(drawings)],
        anchored=[d in known for d in drawings],
        links=links,
        scene=scene,
        warnings=warnings,
        entries=[
            *words.values(),
            *(analysis.tokens_key(read[d]) for d in drawings),
            *(_link_key(read[drawings[i]], read[drawings[j]]) for i, j in pairs),
        ],
    )


def solve(evidence: Evidence, labels: Sequence[Label], options: Mapping[str, object]) -> dict[str, Colored]:
    """The swatches of all drawings of a cel that have lines. `labels` are what a person says of its regions; later ones count."""
    swatches = evidence.swatches
    wanted = np.array([label.color for label in labels if label.like is None], np.uint8).reshape(-1, 4)
    places = []
    for color in wanted:
        same = (swatches == color).all(axis=1) | ((swatches[:, 3] == 0) & (color[3] == 0))
        if not same.any():  # a color that no reference has
            swatches, same = np.concatenate([swatches, color[None]]), np.append(same, True)
        places.append(int(same.argmax()))
    more = len(swatches) - len(evidence.swatches)
    words = [np.insert(word, [word.shape[1] - 1] * more, 0.0, axis=1) if more else word for word in evidence.words]
    index = {d: i for i, d in enumerate(evidence.drawings)}
    hints: dict[int, dict[int, int]] = {}
    for label, place in zip((label for label in labels if label.like is None), places, strict=True):
        hints.setdefault(index[label.drawing], {})[label.region] = place
    answers = _agree(evidence, words, swatches, hints, options)
    if any(label.like for label in labels):
        like = {(label.drawing, label.region): label.like for label in labels}
        for label in (label for label in labels if label.like is not None):
            drawing, region = _origin(label, like)
            hints.setdefault(index[label.drawing], {})[label.region] = int(answers[drawing].swatch[region])
        answers = _agree(evidence, words, swatches, hints, options)
    return answers


def _origin(label: Label, like: Mapping[tuple[str, int], tuple[str, int] | None]) -> tuple[str, int]:
    """The region whose swatch a label ends up with, which may be like another that is like another."""
    seen = set()
    place = (label.drawing, label.region)
    while like.get(place) is not None and place not in seen:
        seen.add(place)
        place = like[place] or place
    return place


def _agree(
    evidence: Evidence,
    words: Sequence[np.ndarray],
    swatches: np.ndarray,
    hints: Mapping[int, Mapping[int, int]],
    options: Mapping[str, object],
) -> dict[str, Colored]:
    told = shot.spread_hints([word.shape for word in words], evidence.links, evidence.anchored, hints)
    beliefs = shot.agree(words, evidence.links, evidence.anchored, told)
    return {
        d: _decide(belief, hint.sum(axis=1) > 0.5, swatches, options, evidence.scene)
        for d, belief, hint in zip(evidence.drawings, beliefs, told, strict=True)
    }


def blank(evidence: Evidence) -> Colored:
    """The answer for a drawing without lines."""
    return Colored(evidence.swatches, np.full(2, -1, np.int32), np.ones(2, np.float32), 0, "empty", np.zeros(2, bool))


def _background(run: "Run") -> str:
    return str(run.job.options["background"])


def _references(
    run: "Run", number: int, read: Mapping[str, "analysis.Analysis"], seen: Mapping[str, embedding.Tokens]
) -> tuple[np.ndarray, list[Source], dict[str, tuple[np.ndarray, np.ndarray]], film.Film | None, list[str]]:
    """The references of a cel: its palette, what drawings are matched to, the drawings whose paint is known, a film frame, warnings."""
    references = run.job.cels[number].references
    background = _background(run)
    pictures = [reference.read(run.folder / ref.file, ref.name) for ref in references]
    warnings = [text for picture in pictures for text in picture.warnings]
    for text in warnings:
        run.warn(text)
    painted = [palette.extract(picture.pixels, background) for picture in pictures]
    swatches, tables = palette.union(painted)
    sources: list[Source] = []
    known: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    scene = None
    for ref, picture, parts, table in zip(references, pictures, painted, tables, strict=True):
        views = shapes.of_reference(parts, table)
        key = digest(ref.sha256, background)
        whole = views[0] if len(views) == 1 else shapes.of_reference(parts, table, whole=True)[0]
        match = _twin(run, read, whole, table[parts.index], swatches)
        if scene is None and len(views) == 1:
            over = film.drawn_over(views[0], ((d, found.shapes) for d, found in read.items()))
            lines = (
                parts.lines
                if over is None
                else analysis.pixels(run.job, run.job.drawing(over), run.folder, run.cache)["paint"][..., 3] >= 128
            )
            scene = film.of_reference(digest(key, over), picture.pixels, parts, table, lines)
        if match is None:
            sources += [Source(f"{key}/{i}", view, embedding.load().encode(view)) for i, view in enumerate(views)]
        else:
            drawing, swatch, share = match
            known[drawing] = (swatch, share)
            sources.append(Source(f"{key}/{read[drawing].key}", replace(read[drawing].shapes, swatch=swatch), seen[drawing]))
    return swatches, sources, known, scene, warnings


def _twin(
    run: "Run",
    read: Mapping[str, "analysis.Analysis"],
    view: shapes.Shapes,
    index: np.ndarray,
    swatches: np.ndarray,
) -> tuple[str, np.ndarray, np.ndarray] | None:
    """The drawing that a reference, seen as a whole, is the paint of, what its regions wear and how surely, or None."""
    best = None
    purity = twin.PURITY
    for d in read:
        if min(twin.meeting(read[d].shapes, view)) >= twin.MEETS:
            grown = analysis.labels(run.job, run.job.drawing(d), run.folder, run.cache)
            swatch, share, figure = twin.read(grown, read[d].count, index, swatches)
            if figure >= purity:
                best, purity = (d, swatch, share), figure
    return best


def _word_key(found: "analysis.Analysis", sources: Sequence[Source], swatches: np.ndarray, scene: film.Film | None) -> str:
    return "word-" + digest(found.key, embedding.REVISION, [s.key for s in sources], swatches.tobytes(), scene.key if scene else None)[:24]


def _word(
    run: "Run",
    drawing: str,
    found: "analysis.Analysis",
    seen: embedding.Tokens,
    sources: Sequence[Source],
    swatches: np.ndarray,
    scene: film.Film | None,
    key: str,
) -> np.ndarray:
    """What the references say of a drawing, from the cache when they said it before."""
    kept = run.cache.get(key)
    if kept is not None:
        return kept["word"]
    matches = [(_matched(found.shapes, source.shapes, seen, source.tokens)[0], source.shapes) for source in sources]
    word = shot.from_references(matches, len(swatches), found.count)
    if scene is not None:
        pixels = analysis.pixels(run.job, run.job.drawing(drawing), run.folder, run.cache)
        way = film.flow(scene, pixels["paint"][..., 3] >= 128)
        sure = way.alignment**2 if way.alignment >= film.ALIGNED else 0.0
        word = ((1.0 - sure) * word + sure * film.votes(scene, way, pixels["grown"], found.count, len(swatches))).astype(np.float32)
    run.cache.put(key, {"word": word})
    return word


def _matched(a: shapes.Shapes, b: shapes.Shapes, seen_a: embedding.Tokens, seen_b: embedding.Tokens) -> tuple[pair.Match, pair.Match]:
    """How A's regions fit B's, by what was measured of them and by what the network saw; and the other way round."""
    forth, back = zip(pair.match(a, b), embedding.load().scores(seen_a, seen_b), strict=True)
    return embedding.mixed(*forth), embedding.mixed(*back)


def _link_key(a: "analysis.Analysis", b: "analysis.Analysis") -> str:
    return "link-" + digest(a.key, b.key, embedding.REVISION)[:24]


def _links(
    run: "Run", a: "analysis.Analysis", b: "analysis.Analysis", seen_a: embedding.Tokens, seen_b: embedding.Tokens
) -> tuple[shot.Link, shot.Link]:
    """How the regions of one drawing follow from those of another, and the other way, from the cache when neither changed."""
    key = _link_key(a, b)
    kept = run.cache.get(key)
    if kept is None:
        kept = {
            f"{way} {name}": array
            for way, match in zip(("forth", "back"), _matched(a.shapes, b.shapes, seen_a, seen_b), strict=True)
            for name, array in shot.link(match).arrays().items()
        }
        run.cache.put(key, kept)
    forth, back = ({n.split()[1]: array for n, array in kept.items() if n.startswith(way)} for way in ("forth", "back"))
    return shot.Link.of_arrays(forth), shot.Link.of_arrays(back)


def _certain(word: np.ndarray, swatch: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Probabilities of a drawing whose paint was read off a reference: as sure as its pixels agree, the rest by `word`."""
    sure = np.where(swatch >= 0, np.clip(share, 0.0, 0.995), 0.0)[:, None]
    result = word * (1.0 - sure)
    seen = np.flatnonzero(swatch >= 0)
    result[seen, swatch[seen]] += sure[seen, 0]
    return result.astype(np.float32)


def _decide(belief: np.ndarray, told: np.ndarray, swatches: np.ndarray, options: Mapping[str, object], scene: film.Film | None) -> Colored:
    known = belief[:, :-1]
    swatch = known.argmax(axis=1).astype(np.int32) if known.shape[1] else np.full(len(belief), -1, np.int32)
    confidence = known.max(axis=1).astype(np.float32) if known.shape[1] else np.zeros(len(belief), np.float32)
    if not options["best_guess"]:
        swatch[confidence < float(options["threshold"])] = -1  # type: ignore[arg-type]
    swatch[0] = -1
    unknown = int((swatch[1:] < 0).sum())
    answer = Colored(swatches, swatch, confidence, unknown, "", told, scene)
    texture = (swatch.tobytes(), told.tobytes(), scene.key) if scene else ()
    return replace(answer, key=digest(answer.colors().tobytes(), *texture))
