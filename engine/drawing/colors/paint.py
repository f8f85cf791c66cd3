"""Paint and lines to a finished picture. Straight alpha throughout, so that paint is exact to the last bit."""

import cv2
import numpy as np

PAPER = 24  # levels below white that paper around a painted figure may have


def compose_picture(
    grown: np.ndarray,
    colors: np.ndarray,
    paint: np.ndarray,
    traces: np.ndarray | None = None,
    lines: bool = True,
    texture: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """A picture uint8 (H, W, 4): each region in its color, edge to edge under the lines, the lines over it.

    `grown` int (H, W), every pixel in a region · `colors` uint8 (R + 1, 4) of the regions, alpha 0 for what stays unpainted · `paint` uint8
    (H, W, 4) the antialiased lines · `traces` bool (H, W), trace lines, which are not drawn · `lines` whether lines are drawn at all ·
    `texture` a picture uint8 (H, W, 4) and the regions bool (R + 1,) that take it instead of their color.
    """
    packed = np.ascontiguousarray(colors).view(np.uint32).ravel()
    picture = packed[grown].view(np.uint8).reshape(*grown.shape, 4)
    if texture is not None:
        moved, textured = texture
        taken = textured[grown]
        picture[taken] = moved[taken]
    if lines:
        _composite_in_place(picture, paint, None if traces is None or not traces.any() else _find_trace_ink(paint, traces))
    return picture


def composite_over(back: np.ndarray, front: np.ndarray) -> np.ndarray:
    """`front` laid over `back`, both uint8 (H, W, 4) with straight alpha."""
    picture = back.copy()
    _composite_in_place(picture, front, None)
    return picture


def make_opaque(frame: np.ndarray) -> np.ndarray:
    """A frame uint8 (H, W, 3) as one (H, W, 4) without holes."""
    return np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)])


def remove_paper(frame: np.ndarray) -> np.ndarray:
    """A frame painted on white, uint8 (H, W, 3), without the paper that reaches its edge: uint8 (H, W, 4)."""
    light = np.pad((frame.min(axis=2) >= 255 - PAPER).astype(np.uint8), 1, constant_values=1)
    paper = cv2.floodFill(light, None, (0, 0), 2)[1][1:-1, 1:-1] == 2
    return np.dstack([frame, np.where(paper, 0, 255).astype(np.uint8)])


def _find_trace_ink(paint: np.ndarray, traces: np.ndarray) -> np.ndarray:
    """The pixels that trace lines ink, antialiasing included: those nearer to a trace line than to any other."""
    near = cv2.dilate(traces.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    rows, columns = np.nonzero(near & (paint[..., 3] > 0) & ~traces)
    ink = traces.copy()
    if len(rows) == 0:
        return ink
    # Antialiasing has the line's own color: its hue tells whose it is, where a trace line meets another.
    rgb = paint[rows, columns, :3].astype(np.int16)
    ink[rows, columns] = rgb.max(axis=1) - rgb.min(axis=1) > 48
    return ink


def _composite_in_place(picture: np.ndarray, front: np.ndarray, without: np.ndarray | None) -> None:
    """Lay `front` over `picture`, in place, where it isn't transparent and not in the mask `without`."""
    alpha = front[..., 3]
    solid = alpha == 255
    partly = (alpha > 0) & ~solid
    if without is not None:
        solid &= ~without
        partly &= ~without
    picture.view(np.uint32)[..., 0][solid] = np.ascontiguousarray(front).view(np.uint32)[..., 0][solid]
    top, below = front[partly].astype(np.uint32), picture[partly].astype(np.uint32)
    if len(top) == 0:
        return
    weight_top = top[:, 3:] * 255  # of 255 * 255
    weight_below = below[:, 3:] * (255 - top[:, 3:])
    total = weight_top + weight_below
    mixed = np.empty_like(top)
    mixed[:, :3] = (top[:, :3] * weight_top + below[:, :3] * weight_below + total // 2) // total
    mixed[:, 3] = (total[:, 0] + 127) // 255
    picture[partly] = mixed.astype(np.uint8)
