"""Colors: a few that go together for each figure, in three tones each."""

import colorsys

import numpy as np
from numpy.random import Generator

TONES = 3  # base, shadow, highlight
_SKIN = ((255, 224, 204), (250, 207, 176), (232, 182, 142), (198, 140, 100), (146, 96, 66), (96, 62, 48), (188, 214, 170), (176, 190, 226))
_FIXED = {"white": (250, 250, 252), "glint": (255, 255, 255), "mouth": (150, 52, 56), "tongue": (232, 128, 128), "pupil": (38, 30, 44)}


def pick_swatches(materials: list[str], rng: Generator) -> np.ndarray:
    """RGBA of each material in each tone, uint8 (M * TONES, 4), no two alike; the background (material 0) is transparent."""
    table = _pick_scheme(rng)
    colors = np.zeros((len(materials) * TONES, 4), np.uint8)
    used: set[tuple[int, ...]] = {(0, 0, 0)}
    for number, name in enumerate(materials):
        if name == "background":
            continue
        base = table[name] if name in table else _pick_cloth_color(rng, rng.random())
        cold = name not in ("white", "glint")
        for tone, rgb in enumerate((base, _shade_color(base, cold), _lighten_color(base))):
            value = tuple(np.asarray(rgb, int).tolist())
            while value in used:  # a swatch is known by its color: nudge it until it is its own
                value = tuple(np.clip(np.array(value) + rng.integers(-4, 5, 3), 1, 254).tolist())
            used.add(value)
            colors[number * TONES + tone] = (*value, 255)
    return colors


def _convert_hsv(h: float, s: float, v: float) -> np.ndarray:
    return np.array(colorsys.hsv_to_rgb(h % 1, min(max(s, 0), 1), min(max(v, 0), 1))) * 255


def _pick_cloth_color(rng: Generator, hue: float) -> np.ndarray:
    kind = rng.random()
    if kind < 0.2:  # near gray
        return _convert_hsv(hue, rng.uniform(0, 0.15), rng.uniform(0.2, 0.95))
    if kind < 0.45:  # dark
        return _convert_hsv(hue, rng.uniform(0.4, 0.8), rng.uniform(0.25, 0.5))
    if kind < 0.7:  # pale
        return _convert_hsv(hue, rng.uniform(0.15, 0.4), rng.uniform(0.85, 0.98))
    return _convert_hsv(hue, rng.uniform(0.5, 0.85), rng.uniform(0.6, 0.95))


def _pick_scheme(rng: Generator) -> dict[str, np.ndarray]:
    """One hue for the clothes, one beside it, one across from it."""
    hue = rng.random()
    near, across = hue + rng.uniform(0.05, 0.15) * rng.choice([-1, 1]), hue + rng.uniform(0.4, 0.6)
    skin = np.array(_SKIN[rng.choice(len(_SKIN), p=[0.26, 0.24, 0.15, 0.12, 0.1, 0.07, 0.03, 0.03])], float)
    if rng.random() < 0.55:  # natural hair: black, brown, red, blond, gray
        hair = _convert_hsv(rng.uniform(0.02, 0.13), rng.uniform(0.25, 0.75), rng.uniform(0.2, 0.95))
    else:
        hair = _convert_hsv(rng.random(), rng.uniform(0.2, 0.6), rng.uniform(0.55, 0.97))
    eye = rng.random()
    top, bottom = _pick_cloth_color(rng, hue), _pick_cloth_color(rng, rng.choice([near, across, hue]))
    table = {
        "skin": skin,
        "blush": skin * (1, 0.76, 0.76),
        "hair": hair,
        "hair inside": hair * 0.55,
        "ear": _convert_hsv(rng.random(), 0.12, 0.9),
        "brow": hair * 0.6,
        "lash": np.array([52, 30, 36.0]),
        "iris": _convert_hsv(eye, 0.7, 0.72),
        "iris light": _convert_hsv(eye + 0.05, 0.45, 0.95),
        "other iris": _convert_hsv(eye + 0.4, 0.7, 0.72),
        "other iris light": _convert_hsv(eye + 0.45, 0.45, 0.95),
        "top": top,
        "top dark": top * 0.68,
        "bottom": bottom,
        "accent": _pick_cloth_color(rng, across),
        "ribbon": _convert_hsv(across, 0.75, 0.88),
        "cloth light": _convert_hsv(near, 0.06, 0.96),
        "lining": top * 0.5,
        "leather": _convert_hsv(0.07, 0.55, 0.55),
        "leather dark": _convert_hsv(0.06, 0.55, 0.36),
        "metal": _convert_hsv(rng.choice([0.12, 0.6]), rng.choice([0.1, 0.5]), 0.86),
        "shoe": _convert_hsv(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.25, 0.7)),
        "sock": _convert_hsv(hue, rng.uniform(0, 0.4), rng.choice([0.25, 0.95])),
    }
    return table | {name: np.array(rgb, float) for name, rgb in _FIXED.items()}


def _shade_color(rgb: np.ndarray, cold: bool) -> np.ndarray:
    tint = np.array([0.74, 0.66, 0.8]) if cold else np.array([0.84, 0.84, 0.92])
    return np.clip(np.asarray(rgb, float) * tint, 1, 250)


def _lighten_color(rgb: np.ndarray) -> np.ndarray:
    return np.clip(np.asarray(rgb, float) * 0.55 + 255 * 0.45, 5, 254)
