"""Pairs of strokes that a person pins together, and choosing the strokes."""

import bpy
from bpy.app.translations import pgettext_tip
from bpy.props import IntProperty, StringProperty

from ..engine.job.errors import BadInput, ShiageError
from .jobs import push_undo
from .scene.inbetween import betweens, keys, matches, pins


class SHIAGE_OT_select_stroke(bpy.types.Operator):
    """Go to this stroke's key and select it there"""

    bl_idname = "shiage.select_stroke"
    bl_label = "Select Stroke"
    bl_options = {"REGISTER", "INTERNAL"}

    object: StringProperty(options={"SKIP_SAVE"})
    layer: StringProperty(options={"SKIP_SAVE"})
    frame: IntProperty(options={"SKIP_SAVE"})
    stroke: IntProperty(min=0, options={"SKIP_SAVE"})

    def execute(self, context):
        scene, view_layer = context.scene, context.view_layer
        ob = scene.objects.get(self.object)
        layer = ob.data.layers.get(self.layer) if ob is not None and ob.type == "GREASEPENCIL" else None
        if ob is None or layer is None:
            self.report({"ERROR"}, f"There is no layer '{self.layer}' of '{self.object}' any more: fill again")
            return {"CANCELLED"}
        if view_layer.objects.active != ob:
            if context.object is not None and context.object.mode != "OBJECT":
                bpy.ops.object.mode_set(mode="OBJECT")
            view_layer.objects.active = ob
            ob.select_set(True, view_layer=view_layer)
        ob.data.layers.active = layer
        scene.frame_set(self.frame)
        if ob.mode != "EDIT":
            bpy.ops.object.mode_set(mode="EDIT")
        try:
            matches.select_stroke(scene, ob, layer, self.frame, self.stroke)
        except ShiageError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class SHIAGE_OT_pin_pair(bpy.types.Operator):
    """Let the stroke selected in the key before become the one selected in the key after, from the next fill on"""

    bl_idname = "shiage.pin_pair"
    bl_label = "Pin Pair"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        active = context.view_layer.objects.active
        if active is None or active.type != "GREASEPENCIL":
            cls.poll_message_set(pgettext_tip("Select one stroke in the key before and one in the key after"))
            return False
        return True

    def execute(self, context):
        try:
            layer, pair, strokes = _selected_pair(context.view_layer.objects.active, context.scene.frame_current)
        except BadInput as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        ob = context.view_layer.objects.active
        flats = [betweens.read_key(layer, number, ob.data.materials) for number in (pair.first, pair.last)]
        a, b = (pins.compute_middles(flat)[stroke] for flat, stroke in zip(flats, strokes, strict=True))
        pins.pin_strokes(ob, layer.name, pair, a, b)
        push_undo(context, self.bl_label)
        return {"FINISHED"}


def _selected_pair(ob: bpy.types.Object, frame: int):
    """The layer, the keys, and one stroke selected in each: of those around the playhead, or up to it. Raises BadInput."""
    active = ob.data.layers.active
    seen = None
    for layer in sorted(ob.data.layers, key=lambda layer: layer != active):
        for pair in dict.fromkeys((keys.pair_around(layer, frame), keys.pair_around(layer, frame - 1))):
            if pair is None:
                continue
            chosen = [matches.find_selected_strokes(ob, layer, number) for number in (pair.first, pair.last)]
            if [len(strokes) for strokes in chosen] == [1, 1]:
                return layer, pair, [strokes[0] for strokes in chosen]
            seen = seen or (layer, pair, chosen)
    if seen is None:
        raise BadInput(f"There are no two keys around frame {frame}: go to a frame between two keys.")
    layer, pair, chosen = seen
    raise BadInput(
        f"Select one stroke in the key {pair.first} and one in the key {pair.last} of {layer.name}, in Edit Mode: "
        f"now it is {len(chosen[0])} and {len(chosen[1])}."
    )


class SHIAGE_OT_remove_pin(bpy.types.Operator):
    """Leave it to the engine again what this stroke becomes"""

    bl_idname = "shiage.remove_pin"
    bl_label = "Remove Pinned Pair"
    bl_options = {"REGISTER", "INTERNAL"}

    index: IntProperty(min=0, options={"SKIP_SAVE"})

    def execute(self, context):
        ob = context.view_layer.objects.active
        if ob is None or self.index >= len(ob.shiage.pins):
            return {"CANCELLED"}
        ob.shiage.pins.remove(self.index)
        ob.shiage.active_pin = max(0, min(ob.shiage.active_pin, len(ob.shiage.pins) - 1))
        push_undo(context, self.bl_label)
        return {"FINISHED"}


class SHIAGE_OT_remove_inbetweens(bpy.types.Operator):
    """Remove the drawings that were made between the keys and that nobody has changed since"""

    bl_idname = "shiage.remove_inbetweens"
    bl_label = "Remove Inbetweens"
    bl_options = {"REGISTER"}

    def execute(self, context):
        count = 0
        try:
            obs = betweens.find_objects(context.scene.shiage.inbetween, context.view_layer)
            for part in betweens.find_parts(context.scene, obs):
                for layer in part.layers:
                    own = part.ob.data.layers.get(keys.OWN_LAYER.format(layer.name))
                    for pair in part.pairs:
                        count += keys.remove_ours(layer, pair.first, pair.last)
                        count += 0 if own is None else keys.remove_ours(own, pair.first, pair.last)
                part.ob.data.update_tag()
        except BadInput as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{count} drawings were removed")
        if count:
            push_undo(context, self.bl_label)
        return {"FINISHED"} if count else {"CANCELLED"}


register, unregister = bpy.utils.register_classes_factory(
    (SHIAGE_OT_select_stroke, SHIAGE_OT_pin_pair, SHIAGE_OT_remove_pin, SHIAGE_OT_remove_inbetweens)
)
