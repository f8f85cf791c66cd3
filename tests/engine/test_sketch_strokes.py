import io
import zipfile

import numpy as np
import pytest
from drawings import circle, drawing, figure, line
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.drawing.sketch import strokes
from engine.drawing.sketch.strokes import Strokes
from engine.job.errors import BadInput


def same(one: Strokes, two: Strokes) -> bool:
    names = ("points", "widths", "colors", "offsets", "cyclic")
    return all(np.array_equal(getattr(one, n), getattr(two, n)) and getattr(one, n).dtype == getattr(two, n).dtype for n in names)


def test_a_drawing_comes_back_as_it_was_saved(tmp_path):
    for index, art in enumerate([drawing(), figure()[0], drawing(circle((5, 5), 3), line((0, 0), (9, 9)))]):
        strokes.save_strokes(art, tmp_path / f"{index}.npz")
        assert same(strokes.load_strokes(tmp_path / f"{index}.npz"), art)


def arrays(art: Strokes) -> dict[str, np.ndarray]:
    return {n: getattr(art, n) for n in ("points", "widths", "colors", "offsets", "cyclic")}


def bend(name, change):
    raw = arrays(figure()[0])
    value = raw[name].copy()
    raw[name] = change(value)
    return raw


def put(value, index, content):
    value[index] = content
    return value


NONSENSE = {
    "nan point": lambda: bend("points", lambda v: put(v, (3, 1), np.nan)),
    "infinite point": lambda: bend("points", lambda v: put(v, (0, 0), np.inf)),
    "point at the end of the world": lambda: bend("points", lambda v: put(v, (0, 0), 1e30)),
    "three coordinates": lambda: bend("points", lambda v: np.c_[v, v[:, :1]]),
    "points as text": lambda: bend("points", lambda v: v.astype(str)),
    "one point short": lambda: bend("points", lambda v: v[:-1]),
    "nan width": lambda: bend("widths", lambda v: put(v, 0, np.nan)),
    "negative width": lambda: bend("widths", lambda v: put(v, 0, -1)),
    "colors as floats": lambda: bend("colors", lambda v: v / 255),
    "no alpha": lambda: bend("colors", lambda v: v[:, :3]),
    "offsets beyond": lambda: bend("offsets", lambda v: put(v, -1, 2**30)),
    "offsets that fall": lambda: bend("offsets", lambda v: put(v, 1, v[2] + 5)),
    "offsets that start late": lambda: bend("offsets", lambda v: put(v, 0, 1)),
    "no offsets": lambda: bend("offsets", lambda v: v[:0]),
    "cyclic of another count": lambda: bend("cyclic", lambda v: v[:-1]),
    "cyclic as numbers": lambda: bend("cyclic", lambda v: v.astype(np.int32)),
    "objects": lambda: bend("cyclic", lambda v: np.array([None] * len(v), object)),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_refused_in_one_sentence(tmp_path, case):
    np.savez(tmp_path / "a.npz", **NONSENSE[case]())
    with pytest.raises(BadInput) as caught:
        strokes.load_strokes(tmp_path / "a.npz")
    assert "drawing" in str(caught.value) and "\n" not in str(caught.value)


def test_what_would_not_be_read_is_not_written(tmp_path):
    art = figure()[0]
    art.points[0, 0] = np.nan
    with pytest.raises(BadInput):
        strokes.save_strokes(art, tmp_path / "a.npz")
    assert not (tmp_path / "a.npz").exists()


@pytest.mark.parametrize("missing", ["points", "widths", "colors", "offsets", "cyclic"])
def test_an_incomplete_file_is_refused(tmp_path, missing):
    raw = arrays(figure()[0])
    del raw[missing]
    np.savez(tmp_path / "a.npz", **raw)
    with pytest.raises(BadInput, match="incomplete"):
        strokes.load_strokes(tmp_path / "a.npz")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(BadInput, match="can't be read"):
            strokes.load_strokes(path)


def test_a_file_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 2)})
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("points.npy", "w", force_zip64=True) as file,
    ):
        file.write(header.getvalue())
        for _ in range(700):
            file.write(bytes(1_000_000))
    assert (tmp_path / "a.npz").stat().st_size < 2_000_000
    with pytest.raises(BadInput, match="simplify"):
        strokes.load_strokes(tmp_path / "a.npz")


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_or_reads_as_it_was(tmp_path, data):
    art = figure()[0]
    strokes.save_strokes(art, tmp_path / "a.npz")
    content = bytearray((tmp_path / "a.npz").read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    (tmp_path / "b.npz").write_bytes(content)
    try:
        found = strokes.load_strokes(tmp_path / "b.npz")
    except BadInput:
        return
    assert len(found) == len(art) and np.isfinite(found.points).all()
