"""Blender's own Interpolate Sequence, as the bench of vector inbetweens runs it and reads it back."""

import numpy as np

from lab.bench import inbetween as bench
from lab.evaluation.inbetween import measure_gaps, measure_matches
from lab.synthesis.keys import draw_key_pair


def test_blender_makes_the_middle_of_strokes_with_the_same_number_and_says_of_which(blender_command, tmp_path):
    home, changing = draw_key_pair(6, "home"), draw_key_pair(6, "changing")
    folders = bench.interpolate_in_blender([home, changing], blender_command, tmp_path)
    made = bench.read_interpolated(folders[0] / "NONE_1.npz")
    first, last = home.first.strokes, home.last.strokes
    assert (made.strokes.offsets == first.offsets).all()
    assert (made.strokes.cyclic == first.cyclic).all()
    np.testing.assert_allclose(made.strokes.points, 0.75 * first.points + 0.25 * last.points, atol=0.01)
    np.testing.assert_allclose(made.strokes.widths, 0.75 * first.widths + 0.25 * last.widths, atol=0.01)
    assert (made.source == np.arange(len(first))[:, None]).all()
    index = np.arange(len(first.points)) - np.repeat(first.offsets[:-1], np.diff(first.offsets))
    np.testing.assert_allclose(made.place, np.stack([index, index], 1), atol=0.01)
    found = measure_matches(home, bench.read_interpolated(folders[0] / "AUTO_2.npz"))
    assert found.right > 0.9
    assert np.median(measure_gaps(home, 0.25, made)) < 0.5

    # One stroke more in a key, and all that follow are matched with their neighbors.
    other = bench.read_interpolated(folders[1] / "AUTO_2.npz")
    assert measure_matches(changing, other).right < 0.8
    assert ((other.source >= 0).sum(1) == 1).sum() in (0, abs(len(changing.first.strokes) - len(changing.last.strokes)))
