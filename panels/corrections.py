"""Sub-panel Corrections: what a person has set right, and what is in doubt."""

import bpy

from ..operators import corrections
from ..operators.scene.read import hints
from .text import draw_sentence, translated


class SHIAGE_UL_hints(bpy.types.UIList):
    def draw_item(self, _context, layout, _data, item, _icon, _active_data, _active_property, index):
        row = layout.row(align=True)
        button = row.operator("shiage.show_frame", text=str(item.frame), emboss=False, translate=False)
        button.frame = item.frame
        if item.kind == "COLOR":
            color = hints.get_hint_color(item)
            row.label(text=color[:7], icon_value=corrections.get_color_icon(color), translate=False)
        else:
            text = translated("Unpainted") if item.kind == "NONE" else translated("As in {}").format(item.other_frame)
            row.label(text=text, icon="X" if item.kind == "NONE" else "EYEDROPPER", translate=False)
        row.operator("shiage.remove_correction", text="", icon="REMOVE", emboss=False).index = index


class Corrections:
    bl_label = "Corrections"
    bl_description = "Point at a region that is painted wrongly and choose its color: the whole shot heeds it"

    def draw(self, context):
        layout = self.layout
        scene = context.scene
        row = layout.row()
        row.scale_y = 1.3
        row.operator("shiage.fix_region", text="Fix Region…", icon="EYEDROPPER")
        reason = corrections.find_obstacle(scene)
        if reason:
            draw_sentence(layout, reason, "INFO")
        if scene.shiage.hints:
            layout.template_list(
                "SHIAGE_UL_hints", "", scene.shiage, "hints", scene.shiage, "active_hint", rows=2, maxrows=6, sort_lock=True
            )
        notes = corrections.find_doubtful_pictures(scene)
        if notes:
            layout.label(text=translated("{} in doubt").format(sum(note.unknown for note in notes)), translate=False)
        layout.operator("shiage.next_unknown", icon="FRAME_NEXT")
        grid = layout.grid_flow(row_major=True, columns=4, even_columns=True, align=True)
        for note in notes:
            grid.operator("shiage.show_frame", text=f"{note.frame}: {note.unknown}", translate=False).frame = note.frame
