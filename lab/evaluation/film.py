"""Numbers for color films against the true ones: likeness, line shift (EDMD) and temporal consistency (TC), frame by frame.

LVCD's paper (arXiv 2409.12960) gives EDMD and TC, and leaves open much of how they are computed. Here

* frames are brought to SIDE x SIDE px first, by area, and have values 0..1; pictures with alpha are laid over white before;
* EDMD: lines are found in a frame by `lines_in` (what is darker than its surroundings; the paper takes the network that made its sketches)
  where darkness is THRESHOLD or more, in the sketch likewise; the distance of each pixel to the nearest line is in pixels of SIDE and not
  capped; the error is the root of its mean square over a frame's pixels, the mean over frames is taken after. Frames in which one of the
  two has no line have none (nan). Lines found in the true frames are not the sketch's either: their EDMD is the floor of a film's.
* TC: for each pair of frames what is left when the first is moved on the second, as a share of the second (norms over all pixels and
  channels, not squared), divided by the same of the true frames. The flow is that of the true frames, backward, from the second to the
  first; nothing is masked; what comes from outside is the picture's edge. Pairs whose true share is below STILL have none (nan), so holds
  say nothing. 1 is as steady as the truth; a film can be steadier than that, a frozen one is not: it does not move as the truth does.

The mean over frames, or pairs, is a film's number; the mean over films a set's.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ..diffusion.clips import detect_lines
from .metrics import average_known

SIDE = 256  # px
THRESHOLD = 0.5  # darkness of a line
STILL = 1e-3  # share of change below which two true frames are the same

Flow = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class FilmScores:
    """Of F frames: `psnr` in dB (inf for equal ones), `ssim` and `edmd` (F,), `tc` (F - 1,); nan where there is nothing to compare."""

    psnr: np.ndarray
    ssim: np.ndarray
    edmd: np.ndarray
    tc: np.ndarray

    def compute_means(self) -> dict[str, float]:
        """Over frames and pairs; nan where there are none. Equal frames count 100 dB."""
        psnr = np.minimum(self.psnr, 100.0)
        return {
            "psnr": average_known(psnr),
            "ssim": average_known(self.ssim),
            "edmd": average_known(self.edmd),
            "tc": average_known(self.tc),
        }


def compare_films(frames: np.ndarray, truth: np.ndarray, sketches: np.ndarray, flow: Flow | None = None) -> FilmScores:
    """Frames and true ones, uint8 (F, H, W, 3), with the sketches uint8 (F, H, W), dark on 255, that they were made after.
    `flow` is DIS unless told otherwise."""
    given, true, lines = (np.stack([resize_picture(picture) for picture in pictures]) for pictures in (frames, truth, sketches))
    pairs = list(zip(given, true, strict=True))
    return FilmScores(
        psnr=np.array([float("inf") if (a == b).all() else float(peak_signal_noise_ratio(b, a)) for a, b in pairs]),
        ssim=np.array([float(np.asarray(structural_similarity(b, a, channel_axis=2))) for a, b in pairs]),
        edmd=np.array([measure_edmd(detect_lines(a), line) for a, line in zip(given, lines, strict=True)]),
        tc=measure_consistency(given, true, flow or compute_dis_flow),
    )


def resize_picture(picture: np.ndarray) -> np.ndarray:
    """A picture uint8 (H, W) or (H, W, 3) at SIDE x SIDE."""
    smaller = picture.shape[0] > SIDE or picture.shape[1] > SIDE
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def measure_edmd(one: np.ndarray, two: np.ndarray) -> float:
    """How far apart the lines of two pictures are that are dark on 255, uint8 (H, W): in px; nan when one has none."""
    ink = [picture <= 255 * (1.0 - THRESHOLD) for picture in (one, two)]
    if not all(lines.any() for lines in ink):
        return float("nan")
    far = [cv2.distanceTransform((~lines).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for lines in ink]
    return float(np.sqrt(np.mean((far[0] - far[1]) ** 2)))


def measure_consistency(frames: np.ndarray, truth: np.ndarray, flow: Flow) -> np.ndarray:
    """TC of each pair of neighbors (F - 1,), of frames and true ones uint8 (F, H, W, 3); nan where the truth stands still."""
    return np.array([_measure_pair(frames[i : i + 2], truth[i : i + 2], flow) for i in range(len(frames) - 1)])


def _measure_pair(frames: np.ndarray, truth: np.ndarray, flow: Flow) -> float:
    back = flow(truth[1], truth[0])
    true = _measure_change(truth, back)
    return _measure_change(frames, back) / true if true >= STILL else float("nan")


def _measure_change(frames: np.ndarray, back: np.ndarray) -> float:
    """What is left of the second frame after the first was moved onto it, as a share."""
    first, second = frames.astype(np.float32) / 255.0
    return float(np.linalg.norm(warp_picture(first, back) - second) / max(float(np.linalg.norm(second)), 1e-6))


def warp_picture(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """What a picture (H, W, C) shows at p + flow(p), for flow float32 (H, W, 2) in px, x first; beyond its edge the edge."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    return cv2.remap(picture, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def compute_dis_flow(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Where pixels of one picture uint8 (H, W, 3) are in another, float32 (H, W, 2), by dense inverse search: no weights."""
    gray_one, gray_two = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (one, two))
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    method.setFinestScale(0)
    return method.calc(gray_one, gray_two, np.zeros((*gray_one.shape, 2), np.float32))
