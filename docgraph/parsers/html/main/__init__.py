"""Which blocks of a page are its main text.

features, text_features ─> what is measured of a block
                        places: where it stands; names, words: what class names and first words tell
forest                  ─> its probability
choose                  ─> the article's element and the blocks kept; parts, part_headings, programs,
                        together, below, controls, signs: rules on whole parts
roles                   ─> what everything else is
"""
