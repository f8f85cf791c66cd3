"""Line shift, temporal consistency and likeness on films for which the answer is known."""

import sys
import types
from importlib.machinery import ModuleSpec

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from engine.job.errors import BadInput
from lab.evaluation import evaluate, film, learned, report
from lab.evaluation.metrics import average_known

PAPER, SKIN, INK = (250, 245, 235), (230, 160, 120), (20, 15, 25)


def walk(count=8, shift=4, side=256, tint=None):
    """Frames uint8 (F, side, side, 3) and sketches (F, side, side) of a lined disc that moves `shift` px each frame to the right
    while a line in it turns."""
    frames, sketches = [], []
    for index in range(count):
        frame, sketch = np.full((side, side, 3), PAPER, np.uint8), np.full((side, side), 255, np.uint8)
        center, skin = (70 + shift * index, side // 2), SKIN if tint is None else tuple(int(c + tint[index]) for c in SKIN)
        cv2.circle(frame, center, 40, skin, -1)
        for picture, ink in ((frame, INK), (sketch, 0)):
            cv2.circle(picture, center, 40, ink, 2)
            cv2.line(picture, center, (center[0] + 25, center[1] - 24 + 6 * index), ink, 2)
        frames.append(frame)
        sketches.append(sketch)
    return np.stack(frames), np.stack(sketches)


def test_the_true_film():
    frames, sketches = walk()
    found = film.compare_films(frames, frames, sketches)
    assert (found.psnr == np.inf).all() and found.ssim == pytest.approx(1.0) and found.tc == pytest.approx(1.0)
    assert found.edmd.max() < 0.6, "the lines are found again where they are"
    assert found.compute_means()["psnr"] == 100.0


@pytest.mark.parametrize("shift", [3, 8])
def test_lines_that_are_shifted(shift):
    """EDMD of a vertical line beside another is their distance, but for the pixels between them."""
    one, two = np.full((256, 256), 255, np.uint8), np.full((256, 256), 255, np.uint8)
    one[:, 128], two[:, 128 + shift] = 0, 0
    columns = np.arange(256)
    exact = np.sqrt(np.mean((np.abs(columns - 128) - np.abs(columns - 128 - shift)) ** 2.0))
    assert film.measure_edmd(one, two) == pytest.approx(exact, rel=1e-4) == pytest.approx(shift, rel=0.1)
    frames, sketches = walk()
    moved = np.roll(frames, shift, axis=1)
    assert average_known(film.compare_films(moved, frames, sketches).edmd) == pytest.approx(shift, rel=0.35)


def test_darkness_of_a_line():
    lines = np.full((256, 256), 255, np.uint8)
    lines[100] = 127
    assert film.measure_edmd(lines, lines) == 0.0
    lines[100] = 129
    assert np.isnan(film.measure_edmd(lines, lines)), "too light to be a line"


def test_frames_without_lines_do_not_count():
    frames, sketches = walk(count=4)
    frames[1] = 255
    found = film.compare_films(frames, frames, sketches)
    assert np.isnan(found.edmd).tolist() == [False, True, False, False] and found.compute_means()["edmd"] < 0.6


def test_flickering_colors():
    """TC grows with how much the color changes, and other measures of single frames hardly do."""
    truth, sketches = walk()
    scores = [film.compare_films(walk(tint=[0, size] * 4)[0], truth, sketches).compute_means() for size in (0, 8, 20)]
    assert scores[0]["tc"] == pytest.approx(1.0)
    assert 1.02 < scores[1]["tc"] < scores[2]["tc"] - 0.1
    assert scores[2]["edmd"] < 0.7


def test_a_frozen_film():
    """It does not move as the truth does."""
    truth, sketches = walk()
    found = film.compare_films(np.repeat(truth[:1], len(truth), axis=0), truth, sketches).compute_means()
    assert found["tc"] > 1.5 and found["edmd"] > 5.0


def test_a_hold_says_nothing_of_consistency():
    truth, sketches = walk(count=3)
    order = [0, 0, 1, 1, 2]
    found = film.compare_films(walk(count=5, tint=[0, 9, 0, 9, 0])[0], truth[order], sketches[order])
    assert np.isnan(found.tc).tolist() == [True, False, True, False]


def test_flow_tells_where_pixels_are():
    """Of the moved frame's disc, the place in the frame before is `shift` px to the left, and the warped frame is the moved one."""
    frames, _ = walk(count=2, shift=6)
    flow = film.compute_dis_flow(frames[1], frames[0])
    inside = np.hypot(*(np.mgrid[:256, :256] - np.array([128, 76])[:, None, None])) < 30
    assert np.median(flow[inside], axis=0) == pytest.approx((-6, 0), abs=0.5)
    left = np.abs(film.warp_picture(frames[0].astype(np.float32), flow) - frames[1])[inside]
    assert left.mean() < 0.2 * np.abs(frames[0].astype(float) - frames[1])[inside].mean()


def test_psnr_and_ssim():
    truth, sketches = walk(count=2)
    found = film.compare_films(truth - 10, truth, sketches)
    assert found.psnr == pytest.approx(20 * np.log10(255 / 10)) and 0.9 < found.ssim.max() < 1.0


def test_sizes_are_brought_to_one():
    large, sketches = walk(count=3, side=256)
    big, lines = (np.stack([cv2.resize(one, (512, 512), interpolation=cv2.INTER_CUBIC) for one in many]) for many in (large, sketches))
    assert film.compare_films(big, large, lines).compute_means()["psnr"] > 30


def test_what_is_learned_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for measure in learned.FILES:
        assert measure in learned.explain_absence(measure) and learned.explain_absence(measure).endswith(".")
    with pytest.raises(BadInput, match="RAFT needs"):
        learned.load_raft()
    with pytest.raises(BadInput, match="LPIPS needs"):
        learned.measure_lpips(*walk(count=1)[:1] * 2)


class ShiftedFlow(torch.nn.Module):
    """Called as torchvision's RAFT is: every estimate of a flow, the last one the best. It finds how far all moves to the left or right."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.zeros(1))

    def forward(self, one: torch.Tensor, two: torch.Tensor) -> list[torch.Tensor]:
        assert one.shape == two.shape and one.dtype == torch.float32 and -1.0 <= one.min() < -0.8 and 0.9 < one.max() <= 1.0
        shifts = torch.arange(-20, 21)
        errors = [(two - one.roll(int(shift), dims=3)).abs().mean().item() for shift in shifts]
        flow = torch.zeros(len(one), 2, *one.shape[2:])
        flow[:, 0] = self.scale * shifts[int(np.argmin(errors))]
        return [torch.full_like(flow, torch.nan), flow]


def test_raft_is_asked_as_its_library_wants_it(tmp_path, monkeypatch):
    """With a network in its place that is called as it is: torchvision is not among the engine's packages."""
    library, optical_flow = (types.ModuleType(name) for name in ("torchvision", "torchvision.models.optical_flow"))
    library.__spec__ = ModuleSpec("torchvision", None)
    optical_flow.raft_large = lambda weights: ShiftedFlow()
    for name, module in (("torchvision", library), ("torchvision.models", library), ("torchvision.models.optical_flow", optical_flow)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    learned.find_weights_folder().mkdir(parents=True)
    torch.save({"scale": torch.ones(1)}, learned.find_weights_folder() / learned.FILES["RAFT"][1])
    frames, _ = walk(count=2, shift=6)
    flow = learned.load_raft()(*frames)
    assert flow.shape == (256, 256, 2) and flow.dtype == np.float32
    assert (flow == (6, 0)).all(), "by its weights, and its last estimate"


def test_a_painted_clip_is_measured(tmp_path):
    """In the evaluation's table: the copied first frame drifts away from the drawings."""
    frames, sketches = walk(count=5)
    shade = np.zeros((256, 256, 3))
    shade[..., 0], shade[..., 1] = np.linspace(0, 40, 256), np.linspace(0, 40, 256)[:, None]
    for number, (frame, sketch) in enumerate(zip(frames, sketches, strict=True)):
        for folder, picture in (("gt", (frame - np.minimum(shade, frame)).astype(np.uint8)), ("line", sketch)):
            path = tmp_path / "clip" / folder / f"{number:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
    settings = evaluate.EvaluationSettings(size=128, shots=0, drawings=2, pairs=0, neighbors=1, corrected=0, damaged=1, opened=0, demo=0)
    results = evaluate.evaluate_model(settings, "flats", [tmp_path / "clip"], lambda text: None)
    rows = {(row["scenario"], row["method"]): row for row in evaluate.summarize_results(results)["scores"]}
    assert rows["first key", "flats"]["edmd"] < rows["first key", "copy"]["edmd"]
    assert rows["first key", "copy"]["tc"] > 1.2 and rows["consecutive", "copy"]["tc"] is None
    page = report.write_report(results, tmp_path, "").read_text("utf-8")
    assert "TC by the flow of DIS" in page and "EDMD px" in page and "lvcd_study" not in page
    (tmp_path / "lvcd_study.md").touch()
    assert "](lvcd_study.md)" in report.write_report(results, tmp_path, "").read_text("utf-8"), "the page that lies beside it"
