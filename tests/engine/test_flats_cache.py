"""What is kept of a drawing is read back as it was."""

from pathlib import Path

import numpy as np

from engine.pictures.cache import Cache


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {
        "scale": np.float64(0.5),
        "empty": np.bool_(True),
        "none": np.zeros((0, 4), np.float32),
        "turned": np.arange(6).reshape(2, 3).T,
    }
    Cache(tmp_path).put("a", arrays)
    found = Cache(tmp_path).get("a")
    assert found is not None
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


def test_a_damaged_entry_is_not_there(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("a", {"x": np.zeros(1000)})
    path = next((tmp_path / "cache").iterdir())
    path.write_bytes(path.read_bytes()[:200])
    assert cache.get("a") is None
