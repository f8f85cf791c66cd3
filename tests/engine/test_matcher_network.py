"""The network and its training, on toons."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from engine.job.errors import BadInput, EngineMissing, JobFailed
from engine.matching import embedding, features
from engine.matching.network import MatcherNetwork, collate_views
from lab.matching import lessons, training, trial
from lab.matching.training import MatcherConfig, compute_group_loss, prepare_lesson, read_config, train_matcher
from lab.synthesis import ToonPlan


@pytest.fixture(scope="module")
def taught() -> lessons.MatcherLesson:
    plan = ToonPlan("solid", (256, 256), drawings=2, relation="near", references=1, damage=0.2)
    return lessons.draw_lesson(3, plan, painted=1.0)


@pytest.fixture(scope="module")
def matcher() -> embedding.Matcher:
    torch.manual_seed(0)
    return embedding.Matcher(MatcherNetwork(), ((128, False), (96, True)))


def test_a_lesson_is_kept_as_it_was(taught, tmp_path):
    lessons.save_lesson(tmp_path / "lesson.npz", taught)
    kept = lessons.load_lesson(tmp_path / "lesson.npz")
    assert np.array_equal(kept.points, taught.points)
    for one, other in zip(kept.pictures, taught.pictures, strict=True):
        assert one.painted == other.painted
        for name in ("labels", "distance", "areas", "edges", "traces"):
            assert np.array_equal(getattr(one.shapes, name), getattr(other.shapes, name))
        assert np.array_equal(one.swatch, other.swatch) and np.array_equal(one.part, other.part)


def test_a_damaged_lesson_is_named(tmp_path):
    path = tmp_path / "solid-1.npz"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(JobFailed, match="solid-1.npz"):
        lessons.load_lesson(path)


def test_points_show_the_same_part_in_both_pictures(taught):
    first = taught.pictures[0]
    rows = taught.points[(taught.points[:, 0] == 0) & (taught.points[:, 3] == 1)]
    assert len(rows) > 50

    def part(picture, xy):
        x, y = xy.astype(int).T
        return picture.part[picture.shapes.labels[y.clip(0, 255), x.clip(0, 255)]]

    assert (part(first, rows[:, 1:3]) == part(taught.pictures[1], rows[:, 4:6])).mean() > 0.8


def test_every_region_is_seen_however_small_the_view(taught):
    for picture in taught.pictures:
        for side in (128, 250):
            seen = features.build_view(picture.shapes, None, side)
            batch = collate_views([seen])
            inside = np.bincount(seen.labels.ravel(), minlength=picture.shapes.count + 1)[1:] > 0
            assert inside.mean() > 0.9
            for _, region, weight in batch.pools:
                total = np.bincount(region.numpy(), weight.numpy(), picture.shapes.count)
                assert np.isclose(total[inside], 1.0, atol=1e-5).mean() > 0.95  # two may share a cell


def test_paint_is_no_input(taught, matcher):
    shapes = taught.pictures[2].shapes
    assert shapes.swatch is not None
    painted_anew = replace(shapes, swatch=np.roll(shapes.swatch, 1))
    assert np.array_equal(matcher.encode(shapes).tokens, matcher.encode(painted_anew).tokens)


def test_a_mirrored_view_is_the_view_of_a_mirrored_picture(taught):
    shapes = taught.pictures[0].shapes
    height, width = shapes.labels.shape
    # Nothing of the figure near the edge: there a window is cut off at whole pixels, which differ by one in a mirror.
    shapes = replace(shapes, points=shapes.points[np.abs(shapes.points / (width, height) - 0.5).max(1) < 0.35])
    flipped = replace(
        shapes,
        labels=np.ascontiguousarray(shapes.labels[:, ::-1]),
        distance=np.ascontiguousarray(shapes.distance[:, ::-1]),
        points=shapes.points * (-1, 1) + (width - 1, 0),
        centers=shapes.centers * (-1, 1) + (width - 1, 0),
    )
    expected, found = features.build_view(flipped, None, 160), features.mirror_view(features.build_view(shapes, None, 160))
    assert np.allclose(expected.geometry[:, :9], found.geometry[:, :9], atol=1e-3)
    assert np.abs(expected.geometry - found.geometry).mean() < 0.02
    assert np.allclose(expected.image[:2].sum((1, 2)), found.image[:2].sum((1, 2)), rtol=0.02)


def test_scores_count_from_having_no_match(taught, matcher):
    a, b = (matcher.encode(picture.shapes) for picture in taught.pictures[:2])
    forth, back = matcher.scores(a, b)
    assert forth.shape == (a.tokens.shape[1] + 1, b.tokens.shape[1] + 1) and back.shape == forth.T.shape
    assert np.isfinite(forth).all() and np.isfinite(back).all()
    again, _ = matcher.scores(embedding.RegionTokens.from_arrays(a.arrays()), b)
    assert np.array_equal(again, forth)


def test_the_loss_is_of_regions_painted_alike_or_of_none():
    scores = torch.tensor([[[5.0, 5.0, -5.0, 0.0], [-5.0, -5.0, -5.0, 5.0], [0.0, 0.0, 0.0, 0.0]]])
    there = torch.tensor([[4, 4, 6]])
    assert compute_group_loss(scores, torch.tensor([[4, 9, -1]]), there) < 0.02
    assert compute_group_loss(scores, torch.tensor([[6, 4, -1]]), there) > 8


def test_training_learns_and_goes_on_where_it_was(tmp_path, monkeypatch):
    # A clock that counts steps: what is learned must not depend on how busy the machine is.
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=itertools.count().__next__))
    folder = tmp_path / "lessons"
    for seed in range(2):
        plan = ToonPlan("puppet", (160, 160), drawings=2, relation="near", references=0, damage=0.0)
        folder.mkdir(exist_ok=True)
        lessons.save_lesson(folder / f"puppet-{seed:08d}.npz", lessons.draw_lesson(seed, plan))
    config = MatcherConfig(folder, tmp_path / "out", ("puppet",), minutes=0.3, together=1, side=(96, 96), threads=1)
    list(train_matcher(config))
    first = (tmp_path / "out" / "weights.safetensors").read_bytes()
    lines = list(train_matcher(replace(config, minutes=0.7)))
    assert (tmp_path / "out" / "weights.safetensors").read_bytes() != first
    assert "parameters" in lines[0]
    sample = cv2.imread(str(tmp_path / "out" / "sample.png"))
    assert sample is not None and sample.ndim == 3 and sample.std() > 20
    learned = embedding.load_matcher(tmp_path / "out" / "weights.safetensors", _sha256(tmp_path / "out" / "weights.safetensors"))
    torch.manual_seed(0)
    assert _surprise(learned.network, folder) < 0.8 * _surprise(MatcherNetwork().eval(), folder)


def _surprise(network: MatcherNetwork, folder) -> float:
    values = []
    for path in folder.glob("*.npz"):
        given = prepare_lesson(lessons.load_lesson(path), (96, 96))
        with torch.no_grad():
            tokens, _ = network.encode(given.batch)
            scores = network.similar(tokens[:1], tokens[1:]).masked_fill(
                ~torch.nn.functional.pad(given.batch.valid[1:], (0, 1), value=True)[:, None], -1e4
            )
            values.append(float(compute_group_loss(scores, given.part[:1], given.part[1:])))
    return float(np.mean(values))


def _sha256(path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_checkpoint_that_is_none_is_named(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "checkpoint.safetensors").write_bytes(b"nothing")
    with pytest.raises(JobFailed, match="checkpoint"):
        list(train_matcher(MatcherConfig(tmp_path, tmp_path / "out", minutes=0.01)))


@pytest.mark.parametrize(
    "text", ["lessons = 3 4", "out = 'x'", "lessons = 'a'\nout = 'b'\nspeed = 3", "lessons='a'\nout='b'\nfamilies=['cubist']"]
)
def test_a_wrong_configuration_is_refused(tmp_path, text):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match="wrong.toml"):
        read_config(path)


def test_training_without_lessons_says_what_to_do(tmp_path):
    with pytest.raises(BadInput, match="train lessons"):
        list(train_matcher(MatcherConfig(tmp_path / "none", tmp_path / "out", minutes=1)))


# --- the weights that are shipped -------------------------------------------------------------------------------------


def test_the_weights_are_those_of_this_version():
    embedding.load_matcher()


@pytest.mark.parametrize("harm", ["missing", "truncated", "other"])
def test_weights_that_are_not_are_refused(tmp_path, harm):
    path = tmp_path / "matcher.safetensors"
    if harm != "missing":
        data = embedding.WEIGHTS.read_bytes()
        path.write_bytes(data[: len(data) // 2] if harm == "truncated" else data[:-4] + b"1234")
    with pytest.raises(EngineMissing, match=embedding.SHA256):
        embedding.load_matcher(path)


def test_regions_of_new_figures_are_found_again():
    right = []
    for seed in range(4):
        plan = ToonPlan(("solid", "puppet")[seed % 2], (512, 512), drawings=2, relation="near", references=0, damage=0.3)
        old, new = lessons.draw_lesson(lessons.HELD_OUT + 900 + seed, plan).pictures
        scores, _ = embedding.load_matcher().scores(
            embedding.load_matcher().encode(new.shapes, new.tint), embedding.load_matcher().encode(old.shapes, old.tint)
        )
        table, kinds = trial.compute_swatch_odds(torch.from_numpy(scores[1:, 1:]), torch.from_numpy(old.swatch[1:].astype(np.int64)))
        right.append((kinds[table.argmax(1)].numpy() == new.swatch[1:])[new.swatch[1:] >= 0])
    assert np.concatenate(right).mean() > 0.8


def test_places_are_found_again():
    plan = ToonPlan("solid", (512, 512), drawings=2, relation="near", references=0, damage=0.2)
    taught = lessons.draw_lesson(lessons.HELD_OUT + 950, plan)
    one, two = (embedding.load_matcher().dense(picture.shapes, picture.tint) for picture in taught.pictures)
    rows = taught.points[taught.points[:, 0] == 0]
    found, alike = embedding.match_points(one, rows[:, 1:3], two)
    assert np.median(np.linalg.norm(found - rows[:, 4:6], axis=1)) < 12
    assert (np.abs(alike) <= 1.001).all()


def test_thousands_of_regions_fit_in_memory(matcher):
    shapes = _grid(50)
    tokens = matcher.encode(shapes)
    forth, _ = matcher.scores(tokens, tokens)
    assert forth.shape == (2501, 2501)


def _grid(side: int):
    from engine.matching.shapes import describe_regions

    labels = (np.arange(side).repeat(8)[:, None] * side + np.arange(side).repeat(8)[None] + 1).astype(np.int32)
    lines = np.zeros(labels.shape, bool)
    lines[::8] = lines[:, ::8] = True
    number = np.arange(side * side).reshape(side, side) + 1
    edges = np.concatenate(
        [np.stack([number[:, :-1], number[:, 1:]], -1).reshape(-1, 2), np.stack([number[:-1], number[1:]], -1).reshape(-1, 2)]
    )
    return describe_regions(labels, lines, side * side, edges.astype(np.int32), np.zeros(len(edges), bool))
