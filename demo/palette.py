"""The swatches of the demo's courier: a warm head over a teal and cream uniform."""

SWATCHES: dict[str, str] = {
    "hair": "#cf5f3f",
    "hair light": "#f09a68",
    "hair shade": "#9c3f38",
    "skin": "#ffdfc6",
    "skin shade": "#eeb398",
    "eye white": "#fbf8f4",
    "iris": "#3f9a78",
    "pupil": "#173f43",
    "glint": "#ffffff",
    "brow": "#84342f",
    "mouth": "#9e3240",
    "tongue": "#ec8079",
    "shirt": "#fbf1dc",
    "shirt shade": "#d9cdc3",
    "collar": "#2c7f8a",
    "trim": "#f6e3b4",
    "bow": "#f4b63f",
    "bow knot": "#dc9128",
    "belt": "#7b4a33",
    "buckle": "#ffd766",
    "skirt": "#347f93",
    "skirt shade": "#245c74",
    "glove": "#225a6b",
    "glove cuff": "#f0c878",
    "wristband": "#d8453e",
    "sock": "#f3e7d3",
    "stripe": "#e2574c",
    "boot": "#94563b",
    "boot shade": "#6b3b2f",
    "sole": "#e8d3ae",
    "bag": "#d99c48",
    "bag flap": "#bd7a35",
    "clasp": "#fff0b8",
    "strap": "#8a5636",
    "ribbon": "#3fa0a4",
    "ribbon knot": "#1f7480",
}

INK = "#2a1a1f"
TRACE = {"light": "#e3342f", "shade": "#2f62e0"}  # red bounds a highlight, blue a shadow
ROUGH = "#8fb7e8"


def parse_rgb(color: str) -> tuple[int, int, int]:
    """'#rrggbb' as three bytes, sRGB."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def convert_to_linear(color: str) -> tuple[float, float, float, float]:
    """'#rrggbb' as Blender wants it: scene linear, opaque."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in parse_rgb(color)))
    return r, g, b, 1.0
