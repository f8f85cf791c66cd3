"""LVCD: long shots from one colored drawing, after Huang and others, 2024 (arXiv 2409.12960)."""
