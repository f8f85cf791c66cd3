"""Keys of a scene, and the drawings that are made between them."""
