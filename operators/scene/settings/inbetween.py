"""What the animator chose for inbetweens: `scene.shiage.inbetween`, and the pairs of strokes pinned on an object."""

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatVectorProperty, IntProperty, StringProperty

from ....engine.job import timing
from ....engine.job.errors import BadInput
from ..inbetween.keys import KeyPair
from .options import model_items, number_model

DEFAULT = "vector"
STEPS = {"ONES": 1, "TWOS": 2, "THREES": 3}
MAX_COUNT = 999


class SHIAGE_PG_pin(bpy.types.PropertyGroup):
    """Two strokes that become each other. They are known by their midpoints, so that a new order of strokes loses none."""

    layer: StringProperty(name="Layer", description="The layer that both strokes are on")
    first: IntProperty(name="First Key", description="The frame of the key before")
    last: IntProperty(name="Last Key", description="The frame of the key after")
    a: FloatVectorProperty(name="First Stroke", description="The middle of the stroke in the key before, in the layer's space", size=3)
    b: FloatVectorProperty(name="Last Stroke", description="The middle of the stroke in the key after, in the layer's space", size=3)


class SHIAGE_PG_inbetween(bpy.types.PropertyGroup):
    model: EnumProperty(
        name="Model", description="What makes the inbetweens", items=model_items("inbetween"), default=number_model(DEFAULT)
    )
    keys: EnumProperty(
        name="Keys",
        description="Which keys to fill between",
        items=[
            ("PLAYHEAD", "Around Playhead", "The key before the present frame, or at it, and the key after"),
            ("RANGE", "Frame Range", "All keys from one frame to another"),
        ],
    )
    frame_start: IntProperty(name="Start", description="First frame of the keys", default=1)
    frame_end: IntProperty(name="End", description="Last frame of the keys", default=24)
    use_selected: BoolProperty(name="All Selected Objects", description="Fill the selected Grease Pencil objects, not the active one alone")
    layers: EnumProperty(
        name="Layers",
        description="Which layers get inbetweens",
        items=[
            ("ALL", "All Visible", "All layers that are visible, not locked, and not left out of the shot"),
            ("ACTIVE", "Active Only", "The active layer, whatever it is"),
        ],
    )
    spacing: EnumProperty(
        name="Spacing",
        description="How many drawings, and when",
        items=[
            ("ONES", "Ones", "A drawing for each frame"),
            ("TWOS", "Twos", "A drawing for every second frame"),
            ("THREES", "Threes", "A drawing for every third frame"),
            ("COUNT", "Count", "So many drawings, evenly spread over the frames"),
            ("CHART", "Chart", "As an animator's timing chart says, evenly spread over the frames"),
        ],
        default="TWOS",
    )
    count: IntProperty(name="Count", description="How many drawings between two keys", default=3, min=1, soft_max=30, max=MAX_COUNT)
    easing: EnumProperty(
        name="Easing",
        description="How the movement is spread over the drawings",
        items=[
            ("linear", "Linear", "The same distance from each drawing to the next"),
            ("in", "Ease In", "Slowly away from the first key"),
            ("out", "Ease Out", "Slowly to the last key"),
            ("in_out", "Ease In and Out", "Slowly away from the first key, and slowly to the last one"),
        ],
    )
    chart: StringProperty(
        name="Chart",
        description="Where each drawing lies on the way from key to key: 1/8 1/4 1/2, 25% 50% 75%, or 0.25 0.5; more than 1 overshoots",
        default="1/4 1/2 3/4",
    )
    destination: EnumProperty(
        name="Place",
        description="Where the new drawings go",
        items=[
            ("SAME", "Same Layer", "Among the keys"),
            ("OWN", "Own Layer", "On a layer of their own above that of the keys, which is blank meanwhile"),
        ],
    )
    guide: StringProperty(name="Guide Layer", description="A layer with sketches that the frames between are to follow; none: leave empty")
    show_arcs: BoolProperty(
        name="Show Arcs",
        description="Draw in the viewport how the strokes move, from blue, which is sure, to red",
        update=lambda _self, context: _redraw_arcs(context),
    )


def _redraw_arcs(context: bpy.types.Context) -> None:
    for area in context.screen.areas if context.screen else ():
        if area.type == "VIEW_3D":
            area.tag_redraw()


CLASSES = (SHIAGE_PG_pin, SHIAGE_PG_inbetween)
SETTINGS = tuple(SHIAGE_PG_inbetween.__annotations__)  # their names


def list_drawings(chosen: SHIAGE_PG_inbetween, pair: KeyPair) -> tuple[tuple[int, float], ...]:
    """The drawings to make between two keys: (scene frame, place in time between the keys). Raises BadInput when they don't fit."""
    length = pair.last - pair.first
    if chosen.spacing in STEPS:
        frames = list(timing.list_frames(pair.first, pair.last, STEPS[chosen.spacing]))
        if not frames:
            raise BadInput(f"There is no room between the keys {pair.first} and {pair.last}: move one, or choose a closer spacing.")
        return tuple((frame, timing.ease_place((frame - pair.first) / length, chosen.easing)) for frame in frames)
    places: tuple[float, ...] = ()
    if chosen.spacing == "CHART":
        if not chosen.chart.strip():
            raise BadInput("The timing chart is empty: write a place for each drawing, as 1/4 1/2 3/4.")
        places = timing.parse_timing_chart(chosen.chart)
    count = len(places) or chosen.count
    if count > length - 1:
        raise BadInput(f"There is room for {length - 1} drawings between the keys {pair.first} and {pair.last}, not for {count}.")
    frames = [pair.first + (number * length * 2 + count + 1) // (2 * (count + 1)) for number in range(1, count + 1)]
    if not places:
        places = tuple(timing.ease_place((frame - pair.first) / length, chosen.easing) for frame in frames)
    return tuple(zip(frames, places, strict=True))
