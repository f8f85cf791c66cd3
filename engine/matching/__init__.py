"""Which swatch each region of a drawing wears: the seam that a trained matcher can take over.

`shapes` describes drawings and references alike, `pair` compares two of them, `shot` brings references and all drawings of a shot
to one answer.
"""
