"""Draw the pictures of README and docs as SVG, from what the code computes: `python tools/draw_figures.py [NAME...]`.

    overview     a sample page ─> its tree ─> a vector of every node       Embedder, MiniLM
    matrices     softmax over all leaves beside HSA's tied blocks           hierarchical_attention
    sweeps       what goes up, across and down the tree                     a drawing

Nothing is picked: the page stands in sample_data, the queries and keys of `matrices` are drawn with seed 0, and each
weight is read off by giving leaf i the i-th unit vector as its value.
"""

import base64
import sys
from html import escape
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "docs" / "_static"
PAGE = ROOT / "sample_data" / "pages" / "m00077.html"
ROWS = 14
"""Nodes that the overview shows."""
CELLS = 48
"""Of a vector's 384 components, so many are shown: the first."""
INK, GREY, PALE, BLUE, ORANGE, GREEN = "#24292f", "#6e7781", "#d8dee4", "#2563a8", "#c2571a", "#2e7d4f"
COLOURS = {"heading": BLUE, "section": INK, "page": INK, "image": ORANGE, "caption": ORANGE, "figure": ORANGE}


def svg(width: int, height: int, title: str, parts: list[str]) -> str:
    """Return one picture on a white card, with a title for screen readers."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" font-family="system-ui, -apple-system, Segoe UI, DejaVu Sans, sans-serif" font-size="13">'
        f"<title>{escape(title)}</title>"
        f'<rect width="{width}" height="{height}" rx="10" fill="#ffffff"/>' + "".join(parts) + "</svg>\n"
    )


def text(x: float, y: float, words: str, fill: str = INK, **attributes: str) -> str:
    """Return one line of text; attributes are SVG's with _ for -."""
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}"{more}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str = GREY, width: float = 1, more: str = "") -> str:
    """Return one straight line."""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}" '
        f"{more}/>"
    )


def cell(x: float, y: float, size: float, colour: str, opacity: float) -> str:
    """Return one square of a matrix or vector."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{size:.1f}" height="{size:.1f}" fill="{colour}" '
        f'fill-opacity="{min(opacity, 1):.2f}"/>'
    )


def short(words: str, letters: int) -> str:
    """Cut a line for display, and say so by a dot of three."""
    return words if len(words) <= letters else words[: letters - 1].rstrip() + "…"


def overview() -> str:
    """A page, its tree, and a vector of every node, a row each."""
    from docgraph import load_document
    from encoders import Embedder

    document = load_document(PAGE)
    embeddings = Embedder.from_pretrained().encode([document], level="node")
    vector_of = dict(zip(embeddings.node_row.tolist(), embeddings.vectors, strict=True))
    shown = [node for node in document.walk() if node.kind != "sentence" and node.row in vector_of]
    start = next(place for place, node in enumerate(shown) if node.kind == "image") - ROWS + 4
    shown = shown[:3] + shown[max(start, 3) : max(start, 3) + ROWS - 3]
    top, step, page, tree, vector = 64, 30, 24, 372, 690
    parts = [
        text(page, 36, "a web page", GREY, font_weight="600"),
        text(tree, 36, "docgraph: a tree of nested signals", GREY, font_weight="600"),
        text(vector, 36, "encoders: a vector of every node", GREY, font_weight="600"),
        f'<rect x="{page - 8}" y="{top - 16}" width="310" height="{step * len(shown) + 4}" rx="6" fill="none" '
        f'stroke="{PALE}"/>',
    ]
    places: dict[int, tuple[float, float]] = {}
    for number, node in enumerate(shown):
        y = top + number * step
        depth = len(list(node.ancestors))
        x = tree + 16 * depth
        places[node.row] = (x, y)
        parent = places.get(node.parent.row) if node.parent is not None else None
        if parent:
            parts.append(
                f'<path d="M {parent[0]:.1f} {parent[1] + 4:.1f} V {y:.1f} H {x:.1f}" fill="none" stroke="{PALE}" '
                'stroke-width="1.5"/>'
            )
        parts.append(_page_row(node, page, y))
        parts.append(f'<circle cx="{x}" cy="{y}" r="4.5" fill="{COLOURS.get(node.kind, GREEN)}"/>')
        parts.append(text(x + 10, y + 4.5, node.kind, INK))
        words = (node.attributes.get("alt") or "") if node.kind == "image" else node.text
        room = int((vector - x - 24 - 8 * len(node.kind)) / 7)
        if node.kind in ("heading", "paragraph", "item", "image", "caption"):
            parts.append(text(x + 18 + 7.2 * len(node.kind), y + 4.5, short(words, room), GREY, font_size="12"))
        values = vector_of[node.row][:CELLS]
        largest = max(abs(values).max(), 1e-9)
        size = 7.0
        for place, value in enumerate(values.tolist()):
            parts.append(
                cell(vector + place * size, y - 8, size, BLUE if value > 0 else ORANGE, abs(value) / largest).replace(
                    f'height="{size:.1f}"', 'height="16.0"'
                )
            )
    height = top + step * len(shown) + 10
    return svg(vector + int(CELLS * 7) + 28, height, "From a web page to its tree to a vector of every node", parts)


def _page_row(node, x: float, y: float) -> str:  # type: ignore[no-untyped-def]
    """What a row looks like on the page itself."""
    if node.kind == "heading":
        return text(x, y + 5, short(node.text, 34), INK, font_weight="700", font_size="15")
    if node.kind == "image":
        try:
            image = node.image.open()
        except Exception:  # the sample image is not there: the row stays empty
            return ""
        image.thumbnail((290, 52))
        buffer = BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=80)
        data = base64.b64encode(buffer.getvalue()).decode()
        return (
            f'<image x="{x}" y="{y - 36}" width="{image.width}" height="{image.height}" '
            f'href="data:image/jpeg;base64,{data}"/>'
        )
    if node.kind in ("paragraph", "item", "caption", "cell"):
        lines = min(3, 1 + len(node.text) // 120)
        indent = 14 if node.kind == "item" else 0
        bars = [
            f'<rect x="{x + indent}" y="{y - 9 + 8 * number}" '
            f'width="{(286 - indent) * (0.55 if number == lines - 1 else 1):.0f}" height="4" rx="2" fill="{PALE}"/>'
            for number in range(lines)
        ]
        return "".join(bars)
    return ""


TREE = [[["a", "b", "c"], ["d", "e"]], [["f", "g", "h"], ["i", "j"]]]
"""Two sections of two paragraphs each; letters are leaves."""


def matrices() -> str:
    """The weights of softmax over all leaves, and of HSA on the tree over them."""
    import torch

    from encoders import TreeBatch, hierarchical_attention

    letters = [leaf for section in TREE for paragraph in section for leaf in paragraph]
    count = len(letters)
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(count, 1, 8, generator=generator, dtype=torch.float64) * 1.4 for _ in range(2))
    value = torch.eye(count, dtype=torch.float64)[:, None]
    flat = hierarchical_attention(query, key, value, TreeBatch.from_nested([letters]), backend="naive")[:, 0]
    tied = hierarchical_attention(query, key, value, TreeBatch.from_nested([TREE]), backend="naive")[:, 0]
    size, top = 26.0, 128.0
    parts: list[str] = []
    for left, weights, title in (
        (40.0, flat, "softmax: a weight for each pair of leaves"),
        (380.0, tied, "HSA: a weight for each pair of siblings"),
    ):
        parts.append(text(left, 28, title, INK, font_weight="600"))
        if weights is tied:
            parts += _bracket(left, top, size)
        for row in range(count):
            parts.append(text(left - 16, top + size * row + 18, letters[row], GREY))
            parts.append(text(left + size * row + 9, top - 8, letters[row], GREY))
            for column in range(count):
                parts.append(
                    cell(left + size * column, top + size * row, size, BLUE, float(weights[row, column]) * 2.2)
                )
        parts.append(
            f'<rect x="{left}" y="{top}" width="{size * count}" height="{size * count}" fill="none" stroke="{GREY}"/>'
        )
        if weights is tied:
            for a, b, c, d in _blocks():
                parts.append(
                    f'<rect x="{left + size * c}" y="{top + size * a}" width="{size * (d - c)}" '
                    f'height="{size * (b - a)}" fill="none" stroke="{INK}" stroke-width="1.6"/>'
                )
    return svg(
        680, int(top + size * count + 24), "Attention weights: softmax beside hierarchical self-attention", parts
    )


def _spans() -> list[list[tuple[int, int]]]:
    """Families as spans of leaves: of the sections, then of the paragraphs of each."""
    sections, families, leaf = [], [], 0
    for section in TREE:
        start, paragraphs = leaf, []
        for paragraph in section:
            paragraphs.append((leaf, leaf + len(paragraph)))
            leaf += len(paragraph)
        sections.append((start, leaf))
        families.append(paragraphs)
    return [sections, *families]


def _blocks() -> list[tuple[int, int, int, int]]:
    """(row start, row end, column start, column end) of each pair of siblings above the leaves."""
    return [(*a, *b) for family in _spans() for a in family for b in family if a != b]


def _bracket(left: float, top: float, size: float) -> list[str]:
    """The tree above the matrix's columns."""
    spans = _spans()
    parts, root_y = [], top - 82
    middle = left + size * sum(len(p) for s in TREE for p in s) / 2
    for (start, end), paragraphs in zip(spans[0], spans[1:], strict=True):
        x = left + size * (start + end) / 2
        parts.append(line(middle, root_y, x, root_y + 22))
        for a, b in paragraphs:
            px = left + size * (a + b) / 2
            parts.append(line(x, root_y + 22, px, root_y + 44))
            parts += [line(px, root_y + 44, left + size * (leaf + 0.5), top - 22) for leaf in range(a, b)]
            parts.append(f'<circle cx="{px}" cy="{root_y + 44}" r="3.5" fill="{GREEN}"/>')
        parts.append(f'<circle cx="{x}" cy="{root_y + 22}" r="3.5" fill="{INK}"/>')
    return [*parts, f'<circle cx="{middle}" cy="{root_y}" r="3.5" fill="{INK}"/>']


def sweeps() -> str:
    """Three small trees: means go up, siblings attend to one another, results come down."""
    parts = ["<defs>"]
    for name, colour in (("up", BLUE), ("across", ORANGE), ("down", GREEN)):
        parts.append(
            f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            f'orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 z" fill="{colour}"/></marker>'
        )
    parts.append("</defs>")
    told = (
        ("up", BLUE, "1  up", "q, k, v of a node: the mean", "over the leaves under it"),
        ("across", ORANGE, "2  across", "softmax attention among siblings,", "all families of all trees at once"),
        ("down", GREEN, "3  down", "each leaf: its own term, and what", "its ancestors' siblings say"),
    )
    for number, (name, colour, title, first, second) in enumerate(told):
        left = 30 + 250 * number
        root, sections = (left + 100, 92), [(left + 45, 142), (left + 155, 142)]
        leaves = [(left + 15 + 35 * place + (35 if place > 2 else 0) * 0.5, 192) for place in range(6)]
        edges = [(root, section) for section in sections] + [
            (sections[place // 3], leaf) for place, leaf in enumerate(leaves)
        ]
        parts.append(text(left, 30, title, colour, font_weight="700", font_size="15"))
        parts.append(text(left, 50, first, GREY, font_size="12") + text(left, 66, second, GREY, font_size="12"))
        for parent, child in edges:
            if name == "across":
                parts.append(line(*parent, *child, PALE))
                continue
            a, b = (child, parent) if name == "up" else (parent, child)
            length = ((b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2) ** 0.5
            cut = [(b[axis] - a[axis]) * 9 / length for axis in (0, 1)]
            parts.append(
                line(
                    a[0] + cut[0],
                    a[1] + cut[1],
                    b[0] - cut[0],
                    b[1] - cut[1],
                    colour,
                    1.6,
                    f'marker-end="url(#{name})"',
                )
            )
        if name == "across":
            for family in (sections, leaves[:3], leaves[3:]):
                for place, a in enumerate(family):
                    for gap, b in enumerate(family[place + 1 :], start=1):
                        parts.append(
                            f'<path d="M {a[0]} {a[1] + 7} Q {(a[0] + b[0]) / 2} {a[1] + 14 + 16 * gap} {b[0]} '
                            f'{b[1] + 7}" fill="none" stroke="{colour}" stroke-width="1.6" marker-start="url(#across)" '
                            'marker-end="url(#across)"/>'
                        )
        parts += [
            f'<circle cx="{x}" cy="{y}" r="6" fill="{INK if y < 190 else GREY}"/>'
            for x, y in (root, *sections, *leaves)
        ]
    return svg(770, 250, "The three steps: up, across, down", parts)


FIGURES = {"overview": overview, "matrices": matrices, "sweeps": sweeps}


if __name__ == "__main__":
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or FIGURES:
        (OUTPUT / f"{name}.svg").write_text(FIGURES[name](), encoding="utf-8")
        print(OUTPUT / f"{name}.svg")
