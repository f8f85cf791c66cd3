"""Which swatch each region of a drawing wears.

`shapes` describes drawings and references alike, `pair` compares two of them, `shot` brings references and all drawings of a shot
to one answer. `embedding` is a trained network that compares two of them; `features` and `network` are what it is made of, `lessons`,
`training`, `samples`, and `trial` how it was made.
"""
