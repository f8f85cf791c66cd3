"""An engine's answer to a job of vector inbetweens, written by hand: stroke i becomes stroke i, in a straight line."""

import numpy as np
from conftest import module


def load(path):
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def write(folder, change=lambda arrays: arrays) -> None:
    """Write the strokes of all drawings to be made, and the result, as a finished run leaves them. The keys' strokes that there are on both
    sides must have the same number of points; `change` may alter what is written."""
    job = module("engine.job")
    request = job.load_job(folder)
    for home in module("operators.scene.inbetween.homes").read_targets(folder):
        for task in home.tasks:
            first, last = (load(folder / f"strokes/{key}.npz") for key in (task.first, task.last))
            for _, id, at in task.made:
                np.savez(folder / f"strokes/{id}.npz", **change(between(first, last, at)))
    pictures = [{"frame": e.frame, "file": "", "unknown": 0, "leaks": 0} for e in request.frames]
    module("engine.job.files").write_json(folder / job.RESULT_FILE, {"status": "done", "text": "Done.", "pictures": pictures, "frames": []})


def between(first, last, at) -> dict:
    """Strokes that have a partner of the same number move; the others stay where they are."""
    pieces = []
    for i in range(max(len(first["cyclic"]), len(last["cyclic"]))):
        a, b = (_stroke(key, i) for key in (first, last))
        there = [number if part is not None else -1 for number, part in ((i, a), (i, b))]
        points = b if a is None else a if b is None else a + (b - a) * at
        place = np.stack([np.arange(len(points)) if number >= 0 else np.full(len(points), np.nan) for number in there], axis=1)
        pieces.append((points, place, there, bool((first if a is not None else last)["cyclic"][i])))
    points = np.concatenate([piece[0] for piece in pieces])
    return {
        "points": points.astype(np.float32),
        "widths": np.ones(len(points), np.float32),
        "colors": np.zeros((len(points), 4), np.uint8),
        "offsets": np.cumsum([0, *(len(piece[0]) for piece in pieces)]).astype(np.int32),
        "cyclic": np.array([piece[3] for piece in pieces]),
        "source": np.array([piece[2] for piece in pieces], np.int32),
        "place": np.concatenate([piece[1] for piece in pieces]).astype(np.float32),
        "confidence": np.linspace(1.0, 0.5, len(pieces)).astype(np.float32),
    }


def _stroke(key, i):
    if i >= len(key["cyclic"]):
        return None
    return key["points"][key["offsets"][i] : key["offsets"][i + 1]].astype(float)
