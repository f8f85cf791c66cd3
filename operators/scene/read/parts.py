"""The parts of a picture: the Grease Pencil objects, and instances of them, that a camera can see at a frame."""

from collections.abc import Container, Iterator
from dataclasses import dataclass

import bpy
from mathutils import Matrix


@dataclass(frozen=True)
class Part:
    """An object, or an instance of it, at the present frame: the `owner` that the animator sees (the instancer, or the object itself),
    the `original`, its `evaluated` state, and where it stands."""

    owner: bpy.types.Object
    original: bpy.types.Object
    evaluated: bpy.types.Object
    matrix: Matrix

    @property
    def materials(self) -> list[bpy.types.Material | None]:
        """By slot, as they are evaluated."""
        return [slot.material for slot in self.evaluated.material_slots] or list(self.evaluated.data.materials)


def find_parts(depsgraph: bpy.types.Depsgraph, chosen: Container[bpy.types.Object]) -> Iterator[Part]:
    """What is shown and rendered at the depsgraph's frame of the chosen objects, or by chosen instancers. To be read one after the other:
    what Blender says of an instance holds until the next."""
    for instance in depsgraph.object_instances:
        ob = instance.object
        if ob.type != "GREASEPENCIL" or not instance.show_self:
            continue
        owner = (instance.parent or ob).original if instance.is_instance else ob.original
        if (owner in chosen or ob.original in chosen) and not (owner.hide_render or ob.original.hide_render):
            yield Part(owner, ob.original, ob, instance.matrix_world.copy())
