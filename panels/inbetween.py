"""Panel Inbetween: which keys, how many drawings and when, the button; then what was made of which strokes, and pinned pairs."""

import bpy

from ..operators import inbetween, session
from ..operators.scene.inbetween import betweens
from ..operators.scene.inbetween.matches import StrokeMatch
from ..operators.scene.settings import options
from . import shot
from .jobs import draw_progress
from .text import draw_sentence, translated

SHOWN = 16  # strokes in the list, the ones to look at first


class Inbetween:
    bl_label = "Inbetween"
    bl_description = "Make the drawings between two keys"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        scene = context.scene
        chosen = scene.shiage.inbetween
        shot.draw_model(layout, chosen, inbetween.TASK)
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        self.draw_keys(column, chosen)
        self.draw_spacing(column, chosen)
        if inbetween.makes_strokes(scene):
            column.prop(chosen, "destination")
        else:
            self.draw_pictures(column, context, chosen)
        layout.separator(factor=0.5)
        entry = session.find_running(scene, inbetween.TASK)
        if entry is not None:
            draw_progress(layout, entry, height=1.8)
            return
        row = layout.row()
        row.scale_y = 1.8
        row.operator("shiage.fill_inbetweens", icon="IPO_EASE_IN_OUT")
        obstacle = inbetween.find_obstacle(scene, context.view_layer)
        shot.draw_obstacle(layout, obstacle)
        if not obstacle:
            row = layout.row()
            row.active = False
            row.alignment = "CENTER"
            row.label(text=inbetween.summarize_drawings(scene, context.view_layer), translate=False)
        if not inbetween.makes_strokes(scene):
            shot.draw_colors(layout, scene)

    def draw_keys(self, layout, chosen) -> None:
        layout.prop(chosen, "keys")
        if chosen.keys == "RANGE":
            column = layout.column(align=True)
            column.prop(chosen, "frame_start")
            column.prop(chosen, "frame_end")
        layout.prop(chosen, "layers")
        layout.prop(chosen, "use_selected")

    def draw_spacing(self, layout, chosen) -> None:
        layout.prop(chosen, "spacing")
        if chosen.spacing == "CHART":
            layout.prop(chosen, "chart")
            return
        if chosen.spacing == "COUNT":
            layout.prop(chosen, "count")
        layout.prop(chosen, "easing")

    def draw_pictures(self, layout, context, chosen) -> None:
        model = options.find_model(chosen.model)
        if model is not None and "painted" in model.needs:
            for ob in betweens.find_objects(chosen, context.view_layer)[:1]:
                layout.prop_search(chosen, "guide", ob.data, "layers")
        layout.prop(context.scene.shiage, "destination")
        draw_sentence(layout, "This model makes pictures and no strokes: they come back as a strip or a plane", "INFO")


class Options:
    bl_label = "Options"
    bl_description = "How the model makes inbetweens"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        model = options.find_model(context.scene.shiage.inbetween.model)
        return model is not None and bool(model.options)

    def draw(self, context):
        shot.draw_options(self.layout, context.scene, context.scene.shiage.inbetween.model)


class MatchedStrokes:
    bl_label = "Strokes"
    bl_description = "Which strokes of the keys became each other, how sure that is, and pairs that you pin"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return inbetween.makes_strokes(context.scene)

    def draw(self, context):
        layout = self.layout
        scene = context.scene
        found = inbetween.get_last_matches(scene)
        row = layout.row(align=True)
        row.operator("shiage.pin_pair", icon="PINNED")
        again = row.row(align=True)
        again.enabled = bool(found)
        again.operator("shiage.fill_inbetweens", text="Fill Again", icon="FILE_REFRESH").again = True
        ob = context.view_layer.objects.active
        if ob is not None and ob.type == "GREASEPENCIL":
            self.draw_pins(layout, ob)
        layout.prop(scene.shiage.inbetween, "show_arcs")
        if found:
            self.draw_matches(layout, found)
        else:
            row = layout.row()
            row.active = False
            row.label(text="Nothing was filled yet")
        layout.operator("shiage.remove_inbetweens", icon="TRASH")

    def draw_matches(self, layout, found: tuple[StrokeMatch, ...]) -> None:
        alone = sum(match.alone for match in found)
        layout.label(text=translated("{} pairs, {} strokes without a partner").format(len(found) - alone, alone), translate=False)
        shown = found[:SHOWN]
        for layer in dict.fromkeys((match.layer, match.pair) for match in shown):
            column = layout.column(align=True)
            row = column.row()
            row.active = False
            row.label(text=f"{layer[0]}  {layer[1].first} → {layer[1].last}", translate=False)
            for match in shown:
                if (match.layer, match.pair) == layer:
                    self.draw_match(column, match)
        if len(found) > SHOWN:
            layout.label(text=translated("and {} more, which are surer").format(len(found) - SHOWN), translate=False)

    def draw_match(self, column, match: StrokeMatch) -> None:
        row = column.split(factor=0.4, align=True)
        self.draw_end(row, match, match.a, match.pair.first)
        row = row.split(factor=0.667, align=True)
        self.draw_end(row, match, match.b, match.pair.last)
        row.label(text="" if match.alone else f"{match.confidence:.0%}", translate=False)

    def draw_end(self, row, match: StrokeMatch, stroke: int | None, frame: int) -> None:
        if stroke is None:
            row.label(text="", icon="UNLINKED")
            return
        button = row.operator("shiage.select_stroke", text=str(stroke + 1), translate=False)
        button.object, button.layer, button.frame, button.stroke = match.object, match.layer, frame, stroke

    def draw_pins(self, layout, ob: bpy.types.Object) -> None:
        for index, item in enumerate(ob.shiage.pins):
            row = layout.row(align=True)
            row.label(text=f"{item.layer}  {item.first} → {item.last}", icon="PINNED", translate=False)
            row.operator("shiage.remove_pin", text="", icon="REMOVE", emboss=False).index = index
