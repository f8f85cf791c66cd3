"""Colors: references, palettes, and exact paint."""
