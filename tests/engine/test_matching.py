"""Matching on puppets, whose parts are known in every pose."""

from dataclasses import replace

import numpy as np
import pytest
from puppets import Drawn, Pose, Puppet, draw, pose, puppet, redrawn
from scipy import sparse

from engine.drawing.colors import palette
from engine.drawing.colors.palette import PaintedReference
from engine.drawing.regions import CROSSINGS, segment_regions
from engine.matching import pair, shapes, shot, twin

SEEDS = range(60, 66)


def described(drawn: Drawn) -> tuple[shapes.Shapes, np.ndarray]:
    """Shapes of a drawing and the id that each region ought to wear."""
    regions = segment_regions(drawn.sketch, 0)
    traces = regions.crossing == CROSSINGS.index("trace")
    return shapes.describe_regions(regions.grown, drawn.sketch.lines, regions.count, regions.edges, traces), drawn.truth(
        regions.grown, regions.count
    )


def colored(figure: Puppet, ids: np.ndarray, swatches: np.ndarray) -> np.ndarray:
    """The swatch of each id, -1 where the palette has none."""
    table = np.concatenate([np.zeros((1, 4), np.uint8), np.insert(figure.colors.reshape(-1, 3), 3, 255, axis=1)])
    places = {tuple(c): i for i, c in enumerate(swatches.tolist())}
    return np.array([places.get(tuple(table[i].tolist()), -1) for i in ids])


def accuracy(figure: Puppet, reference: Drawn, drawing: Drawn) -> float:
    """The share of a drawing's regions that get the right swatch of a reference."""
    painted = palette.extract_palette(reference.picture())
    swatches, tables = palette.merge_palettes([painted])
    mine, truth = described(drawing)
    views = shapes.describe_reference(painted, tables[0])
    word = shot.compute_reference_probs([(pair.match_regions(mine, view)[0], view) for view in views], len(swatches), mine.count)
    expected = colored(figure, truth, swatches)[1:]
    return float((word[1:, :-1].argmax(axis=1) == expected)[expected >= 0].mean())


@pytest.mark.parametrize(("amount", "least"), [(0.08, 0.95), (0.4, 0.85), (1.0, 0.7)])
def test_regions_are_found_again_in_other_poses(amount, least):
    found = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        figure, start = puppet(seed), pose(rng, 0.4)
        found.append(accuracy(figure, draw(figure, start), draw(figure, pose(rng, amount, start))))
    assert np.mean(found) >= least


def test_a_sheet_of_another_size_and_place():
    figure = puppet(61)
    standing = pose(np.random.default_rng(1), 0.3)
    sheet = draw(figure, replace(standing, scale=1.2, shift=(-0.05, 0.03)), (1500, 1200), 3)
    assert accuracy(figure, sheet, draw(figure, standing, (640, 560))) >= 0.9


def test_each_figure_of_a_sheet_is_a_view():
    figure = puppet(62)
    views = [draw(figure, pose(np.random.default_rng(k), 0.5), (500, 600)).picture() for k in range(3)]
    painted = palette.extract_palette(np.concatenate(views, axis=1))
    found = shapes.describe_reference(painted, palette.merge_palettes([painted])[1][0])
    assert len(found) == 3
    single = shapes.describe_reference(palette.extract_palette(views[0]), np.arange(-1, 200).astype(np.int16)[1:])
    assert len(single) == 1


def test_a_part_that_the_reference_lacks_is_unknown_rather_than_wrong():
    sure, total = 0, 0
    for seed in SEEDS:
        figure = puppet(seed)
        lacking = replace(figure, parts=tuple(p for p in figure.parts if p.joint != "face"))  # eyes and mouth shut
        at = pose(np.random.default_rng(seed), 0.3)
        painted = palette.extract_palette(draw(lacking, at).picture())
        swatches, tables = palette.merge_palettes([painted])
        mine, truth = described(draw(figure, at))
        view = shapes.describe_reference(painted, tables[0])[0]
        word = shot.compute_reference_probs([(pair.match_regions(mine, view)[0], view)], len(swatches), mine.count)
        missing = colored(figure, truth, swatches)[1:] < 0
        sure += int((word[1:, :-1].max(axis=1)[missing] > 0.9).sum())
        total += int(missing.sum())
    assert total >= 20
    assert sure <= 0.35 * total


def test_confidence_is_honest():
    confidence, right = [], []
    for seed in range(200, 212):
        rng = np.random.default_rng(seed)
        figure, start = puppet(seed), pose(rng, 0.4)
        reference, drawing = draw(figure, start), draw(redrawn(figure, rng, 0.08), pose(rng, 0.5, start))
        painted = palette.extract_palette(reference.picture())
        swatches, tables = palette.merge_palettes([painted])
        mine, truth = described(drawing)
        view = shapes.describe_reference(painted, tables[0])[0]
        word = shot.compute_reference_probs([(pair.match_regions(mine, view)[0], view)], len(swatches), mine.count)[1:, :-1]
        confidence.append(word.max(axis=1))
        right.append(word.argmax(axis=1) == colored(figure, truth, swatches)[1:])
    sure, correct = np.concatenate(confidence), np.concatenate(right)
    assert correct[sure >= 0.9].mean() >= 0.94
    assert correct[sure < 0.6].mean() <= 0.75


def between(a: Pose, b: Pose, t: float) -> Pose:
    angles = {name: (1 - t) * angle + t * b.angles[name] for name, angle in a.angles.items()}
    shift = ((1 - t) * a.shift[0] + t * b.shift[0], (1 - t) * a.shift[1] + t * b.shift[1])
    return Pose(angles, (1 - t) * a.turn + t * b.turn, a.scale ** (1 - t) * b.scale**t, shift)


COUNT = 9  # drawings of a move


def test_neighboring_drawings_help_each_other():
    alone, together = [], []
    for seed in (300, 301, 302):
        rng = np.random.default_rng(seed)
        figure, first = puppet(seed), pose(rng, 0.4)
        last = pose(rng, 2.0, first)
        drawn = [described(draw(redrawn(figure, rng, 0.02), between(first, last, t))) for t in np.linspace(0, 1, COUNT)]
        ids = sorted(set(drawn[0][1][1:].tolist()))
        expected = [np.array([ids.index(i) if i in ids else -1 for i in truth]) for _, truth in drawn]
        key = replace(drawn[0][0], swatch=expected[0].astype(np.int32))
        words = [shot.compute_reference_probs([(pair.match_regions(mine, key)[0], key)], len(ids), mine.count) for mine, _ in drawn]
        links = {}
        for i, j in [(i, i + step) for step in (1, 2) for i in range(COUNT - step)]:
            links[i, j], links[j, i] = (shot.link_regions(match) for match in pair.match_regions(drawn[i][0], drawn[j][0]))
        beliefs = shot.smooth_over_shot(words, links, [i == 0 for i in range(COUNT)])
        for word, belief, truth in list(zip(words, beliefs, expected, strict=True))[1:]:
            known = truth[1:] >= 0
            alone.append((word[1:, :-1].argmax(axis=1) == truth[1:])[known].mean())
            together.append((belief[1:, :-1].argmax(axis=1) == truth[1:])[known].mean())
    assert np.mean(together) > np.mean(alone) + 0.01


def test_a_drawing_is_recognized_as_the_one_that_was_painted():
    figure = puppet(63)
    at = pose(np.random.default_rng(3), 0.5)
    drawing, other = draw(figure, at), draw(figure, pose(np.random.default_rng(4), 0.2, at))
    painted = palette.extract_palette(drawing.picture())
    swatches, tables = palette.merge_palettes([painted])
    view = shapes.describe_reference(painted, tables[0])[0]
    mine, truth = described(drawing)
    assert min(twin.measure_line_overlap(mine, view)) >= twin.MIN_LINE_OVERLAP
    regions = segment_regions(drawing.sketch, 0)
    swatch, share, figure_share = twin.read_swatches(regions.grown, regions.count, tables[0][painted.index], swatches)
    assert figure_share >= twin.MIN_PURITY
    expected = colored(figure, truth, swatches)
    large = (mine.areas > 40) & (swatch >= 0)
    assert (swatch == expected)[large].all()
    theirs = described(other)[0]
    others = segment_regions(other.sketch, 0)
    assert (
        min(twin.measure_line_overlap(theirs, view)) < twin.MIN_LINE_OVERLAP
        or twin.read_swatches(others.grown, others.count, painted.index, swatches)[2] < twin.MIN_PURITY
    )


def test_nothing_to_match_is_no_error():
    empty = shapes.describe_regions(np.ones((40, 60), np.int32), np.zeros((40, 60), bool), 1, np.zeros((0, 2), np.int32), np.zeros(0, bool))
    other = described(draw(puppet(64), Pose()))[0]
    for a, b in ((empty, other), (other, empty), (empty, empty)):
        forth, back = pair.match_regions(a, b)
        assert np.isfinite(forth.scores).all()
        assert np.isfinite(back.scores).all()


def told_chain(sure: list[float], hints: dict[int, dict[int, int]], anchored: tuple[int, ...] = ()) -> np.ndarray:
    """What drawings of three regions, all of which the references read as swatch 0, agree on: swatches (drawings, 3), from 3 swatches.
    Region r follows from r of the drawing before as surely as told, else from the next one."""
    count = len(sure) + 1
    word = np.tile(np.array([0.97, 0.01, 0.01, 0.01], np.float32), (4, 1))
    links = {}
    for i, p in enumerate(sure):
        way = np.zeros((4, 4), np.float32)
        way[1:, 1:] = p * np.eye(3) + (1 - p) * np.roll(np.eye(3), 1, axis=1)
        links[i, i + 1] = links[i + 1, i] = shot.RegionLink(sparse.csr_array(way), 1.0)
    told = shot.propagate_hints([word.shape] * count, links, [i in anchored for i in range(count)], hints)
    assert all((table.sum(axis=1) <= 1 + 1e-5).all() for table in told)
    beliefs = shot.smooth_over_shot([word] * count, links, [i in anchored for i in range(count)], told)
    return np.stack([belief[1:, :-1].argmax(axis=1) for belief in beliefs])


def test_a_hint_is_heard_wherever_its_region_goes():
    found = told_chain([0.95] * 9, {3: {2: 1}})
    assert (found[:, 1] == 1).all()
    assert (found[:, [0, 2]] == 0).all()


def test_a_hint_goes_no_further_than_the_links_are_sure():
    found = told_chain([0.95, 0.4, 0.95], {0: {2: 1}})
    assert found[:2, 1].tolist() == [1, 1]
    assert (found[2:] == 0).all()


def test_a_hint_never_overrides_another_and_the_nearer_one_is_heard():
    found = told_chain([0.97] * 8, {0: {2: 1}, 8: {2: 2}})
    assert found[:4, 1].tolist() == [1] * 4 and found[5:, 1].tolist() == [2] * 4
    between = told_chain([0.97] * 8, {0: {2: 1}, 4: {2: 0}})
    assert between[4, 1] == 0 and between[0, 1] == 1


def test_a_hint_ends_where_the_paint_is_known_but_may_correct_that_too():
    found = told_chain([0.97] * 6, {1: {2: 1}}, anchored=(4,))
    assert found[:3, 1].tolist() == [1] * 3 and (found[4] == 0).all()
    assert told_chain([0.97] * 3, {1: {2: 1}}, anchored=(1,))[:, 1].tolist() == [1] * 4


def test_a_photograph_is_no_more_than_its_largest_regions():
    noise = np.random.default_rng(0).integers(0, 4, (600, 800)).astype(np.int16)
    painted = PaintedReference(np.array([[60 * i, 0, 0, 255] for i in range(4)], np.uint8), noise, np.zeros(noise.shape, bool), flat=False)
    (view,) = shapes.describe_reference(painted, np.append(np.arange(4), -1).astype(np.int16))
    assert 100 < view.count <= 2 * shapes.MOST  # regions of the same size are kept or dropped together
    assert view.swatch is not None and set(view.swatch[1:].tolist()) == {0, 1, 2, 3}
