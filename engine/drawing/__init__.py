"""What drawings are made of: strokes and scans, the regions between lines, colors, and what lies between two keys."""
