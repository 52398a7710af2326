"""A document as one page for people: as it reads, beside its tree, with all that is known of every node.

    Document ─ data ─> JSON ─┐
      images ─ data URIs ────┼─ page ─> one HTML file: no network, no framework
      view.html .css *.js ───┘

data      columns as JSON; places in the text count as JavaScript counts them
images    images that can be opened, as data URIs
page      the file: the JSON as data, the policy that lets nothing but our own script run
view.html, view.css, and in this order: model.js reading.js screenshot.js tree.js panel.js main.js

The text of a document is hostile: it is data in a block that no browser runs, scripts write it as text alone, and the
page's own policy (CSP with hashes, Trusted Types) refuses everything else. No torch.
"""

from docgraph.view.page import Attention, Evidence, Passage, View, view

__all__ = ["Attention", "Evidence", "Passage", "View", "view"]
