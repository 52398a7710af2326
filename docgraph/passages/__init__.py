"""Cut a document into passages along its structure: what `Document.chunks` returns and an embedder reads.

    rows ─ blocks.py ─> paragraphs, lists, tables, code ... each within the limit ─ join.py ─> passages

A block is the largest node below the sections that fits into the limit: a list whole, a table whole, else their items
and rows, else sentences, lines, words. Blocks of one section that stand side by side are joined. Nothing is cut off:
every word of every block is in a passage (a header row in each passage of its table), every image is in one or more,
unless neither it nor its section has words. Boilerplate is passed over unless asked for. Nothing recurses; time is
linear in the text, whatever its depth.

Sizes are counted by the caller's `count`: words if None, else a function of a text, or a tokenizer (sizes.py).
"""

from docgraph.passages.join import Passage, split
from docgraph.passages.sizes import counter, words

__all__ = ["Passage", "counter", "split", "words"]
