"""Sub-panel Models: what there is to choose from, on what terms, and whether its weights are there."""

import bpy

from ..engine.models import ModelInfo
from ..operators import engine, weights
from ..operators.scene.settings import options
from .text import draw_sentence, measure_page, translated


class Models:
    bl_label = "Models"
    bl_description = "What there is to paint with, on what terms, and whether it is ready"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        chosen = context.scene.shiage
        page = measure_page()
        for model in options.list_models():
            box = layout.box()
            box.label(text=model.title, icon="RADIOBUT_ON" if model.id == chosen.model else "RADIOBUT_OFF", translate=False)
            draw_sentence(box, model.description, page=page)
            for note in model.notes.values():
                draw_sentence(box, note, "INFO", page)
            draw_sentence(box, translated("License: {}").format(model.license), page=page)
            column = box.column(align=True)
            column.label(text="Commercial use is allowed" if model.commercial else "Not for commercial use")
            own = getattr(getattr(chosen.options, model.id), "weights", "")
            if own:
                column.label(text=translated("Weights: {}").format(own), translate=False)
            if not engine.status.usable:
                column.label(text="Needs the engine", icon="ERROR")
            elif weights.missing.get(model.id) and not own:
                draw_missing(box, model)
            elif model.id in weights.empty and not own:
                text = translated("There are no weights in {}: docs/{}.md says which files belong there")
                draw_sentence(box, text.format(weights.folders[model.id], model.id), "ERROR", page)
                box.operator("shiage.look_for_weights", icon="FILE_REFRESH")
            else:
                column.label(text="Ready", icon="CHECKMARK")


def draw_missing(box, model: ModelInfo) -> None:
    """What is to be done about a model's weights."""
    files = weights.missing[model.id]
    if weights.getting is not None and weights.progress.job == model.id:
        row = box.row(align=True)
        row.progress(factor=weights.progress.fraction, text=weights.progress.stage or translated("Starting"), translate=False)
        row.operator("shiage.cancel_weights", text="", icon="X")
        return
    size = sum(source.bytes for source in model.weights) / 1e9
    box.label(text=translated("Weights are missing: {} files of {:.0f} GB").format(len(files), size), icon="ERROR", translate=False)
    row = box.row(align=True)
    row.operator("shiage.get_weights", text="Download…", icon="IMPORT").model = model.id
    row.operator("shiage.copy_weights_list", text="", icon="COPYDOWN").model = model.id
    row.operator("shiage.look_for_weights", text="", icon="FILE_REFRESH")
    if model.id in weights.said:
        draw_sentence(box, weights.said[model.id], "ERROR")
    if not bpy.app.online_access:
        draw_sentence(box, "Blender may not go online: allow it in the preferences, or put these files there by hand", "INFO")
    header, body = box.panel(f"shiage_weights_{model.id}", default_closed=True)
    header.label(text="Missing Files")
    if body is not None:
        column = body.column(align=True)
        draw_sentence(column, str(weights.folders[model.id]))
        for file in files:
            column.label(text=file, icon="FILE", translate=False)
