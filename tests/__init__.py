"""The tests, and beside them what several of them share.

conftest.py        fixtures of the whole suite
articles.py        small articles with images
documents.py       documents drawn at random, and huge ones
html_pages.py      web pages to test the parser with, and what must hold of each
fuzz_html.py       random search for pages of which it does not hold (not part of the suite)
html5lib_cases.py  the HTML standard's own cases, in html5lib/
white_tower.py     a small article, for kinds of faults
letters.py         small pages and an embedder without a model
forests.py         trees for the attention
attention_runs.py  one attention run by every backend
bare.py            what the base install does, and which extra the rest names
growth.py          linear time, as a ratio
training_runs.py   small training runs and what they left
"""
