"""Sub-panel Models: what there is to choose from, and on what terms."""

from ..engine import models
from ..operators import engine
from .text import sentence, translated


class Models:
    bl_label = "Models"
    bl_description = "What there is to paint with, and on what terms"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        chosen = context.scene.shiage.model
        for model in models.available():
            box = layout.box()
            box.label(text=model.title, icon="RADIOBUT_ON" if model.id == chosen else "RADIOBUT_OFF", translate=False)
            sentence(box, model.description)
            column = box.column(align=True)
            column.label(text=translated("License: {}").format(model.license), translate=False)
            column.label(text="Commercial use is allowed" if model.commercial else "Not for commercial use")
            column.label(text="Ready" if engine.status.usable else "Needs the engine")
