"""Where attention goes: shares between siblings are those of the attention matrix, whatever the form of attention."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from docgraph import Attention, DataError, Document, Renderer, parse_html
from docgraph.errors import ModelError
from encoders import DocumentConfig, DocumentForClassification, build_classifier
from encoders.attended import LEAST, layers_of
from encoders.attention import hierarchical_attention
from tests.articles import article, empty_document, picture
from tests.browsers import Screen, needs_chromium

PAGE = """<main><h1>Boats</h1><p>The ferry is late. It rained all day long.</p><p>Nobody complained. They waited.</p>
<section><h2>Prices</h2><p>There and back is four. One way is three.</p><ul><li>dogs</li><li>bicycles too</li></ul>
</section></main>"""
FORMS: dict[str, dict[str, Any]] = {
    "paper": {},
    "the layer of the paper": {"layer": "hte"},
    "blocks pick": {"attention_form": "block"},
    "queries untied": {"attention_form": "block-untied", "attention_near": 1},
    "flat": {"attention": "flat"},
    "sentences as leaves": {"text_leaves": "node"},
    "pooled between layers": {"pool_after": [0, 1], "num_hidden_layers": 3},
}


def model_of(documents: list[Document], **options: Any) -> DocumentForClassification:
    """A model whose attention is far from uniform."""
    torch.manual_seed(0)
    size = {"hidden_size": 24, "intermediate_size": 32, "num_attention_heads": 3, "position_size": 16}
    model = build_classifier(DocumentConfig(**size, **options), documents, ["a", "b"], vocab_size=300).eval()
    for layer in model.document.layers:
        for name, weight in layer.named_parameters():
            if "qkv" in name and weight.ndim == 2:
                torch.nn.init.normal_(weight, std=0.6)
    return model


def shares(model: DocumentForClassification, document: Document) -> np.ndarray:
    """(L, N, N) from whole attention matrices by the definition: what leaves under one node send to those under one."""
    line = [{row, *(node.row for node in document[row].ancestors)} for row in range(len(document))]
    found = []
    for layer in layers_of(model, document, None):
        call, there = layer.attention, layer.present.numpy()
        leaves, heads, _ = layer.query.shape
        sides = call.position(layer.structure.position_features, layer.structure.position)
        matrix = hierarchical_attention(
            layer.query, layer.key, torch.eye(leaves)[:, None].expand(-1, heads, -1), layer.structure.forest,
            position=sides, present=layer.structure.present, attend_self=call.attend_self, backend="naive",
            **call.options,
        ).mean(1).detach().numpy()  # fmt: skip
        under = [[n for n, row in enumerate(layer.node) if at in line[row] and there[n]] for at in range(len(document))]
        one = np.zeros((len(document), len(document)))
        for a, rows in enumerate(under):
            for b, columns in enumerate(under):
                one[a, b] = matrix[rows][:, columns].sum() / max(len(rows), 1)
        found.append(one)
    return np.stack(found)


@pytest.mark.parametrize("form", FORMS)
def test_shares_are_those_of_the_whole_attention_matrix(form: str) -> None:
    document = parse_html(PAGE)
    model = model_of([document], image_encoder=None, **FORMS[form])
    want, found = shares(model, document), model.attention_of(document)
    told = dict(zip(zip(found.row.tolist(), found.to.tolist(), strict=True), found.share, strict=True))
    for (a, b), share in told.items():
        assert document.parent[a] == document.parent[b]
        np.testing.assert_allclose(share, want[:, a, b], atol=1e-5)
    inner = [row for row in range(1, len(document)) if len(document[int(document.parent[row])].children) > 1]
    missing = [(a, b) for a in inner for b in inner if document.parent[a] == document.parent[b] and (a, b) not in told]
    assert all(a != b and want[:, a, b].max() < LEAST + 1e-5 for a, b in missing)
    assert len(told) > len(inner)
    assert want[:, inner, :][:, :, inner].std() > 0.01


def test_an_image_that_cannot_be_read_takes_and_gives_nothing(tmp_path: Path) -> None:
    good = article(image=str(picture(tmp_path, "red")))
    (tmp_path / "cut.png").write_bytes((tmp_path / "red.png").read_bytes()[:60])
    model = model_of([good])
    for document in (good, article(image=str(tmp_path / "cut.png"))):
        want, found = shares(model, document), model.attention_of(document)
        np.testing.assert_allclose(found.share.T, want[:, found.row, found.to], atol=1e-5)
    images = {node.row for node in document.images()}
    assert not images & {*found.to.tolist(), *found.row.tolist()}


def test_what_has_no_attention_to_show_says_so() -> None:
    document = parse_html(PAGE)
    for kind in ("none", "permuted"):
        with pytest.raises(ModelError, match=f'"hsa" or "flat", but this one\'s is "{kind}"'):
            model_of([document], image_encoder=None, attention=kind).attention_of(document)
    left_out = model_of([document], image_encoder=None)
    left_out.config.use_transformer = False
    with pytest.raises(ModelError, match="training left it out"):
        left_out.attention_of(document)
    assert len(model_of([document], image_encoder=None).attention_of(empty_document()).row) == 0


def test_attention_of_another_document_is_refused() -> None:
    other = Attention(row=np.array([1]), to=np.array([999]), share=np.ones((1, 1), np.float32), method="")
    with pytest.raises(DataError, match="nodes of this document"):
        parse_html(PAGE).view(attention=other)
    far = Attention(row=np.array([0]), to=np.array([1]), share=np.ones((1, 1), np.float32), method="")
    with pytest.raises(DataError, match="siblings"):
        parse_html(PAGE).view(attention=far)


@needs_chromium
def test_the_view_shows_where_the_chosen_node_and_those_above_it_look(tmp_path: Path) -> None:
    document = parse_html(PAGE)
    model = model_of([document], image_encoder=None)
    found = model.attention_of(document)
    edges = [(int(a), int(b), share) for a, b, share in zip(found.row, found.to, found.share, strict=True)]
    row = next(node.row for node in document.walk() if node.text == "One way is three.")
    line = [row, *(node.row for node in document[row].ancestors)]
    change = "dispatchEvent(new Event('change'))"
    with Screen(document.view(attention=found).save(tmp_path / "view.html")) as screen:
        screen.run(f"Object.assign(document.getElementById('shade'), {{value: 'attention'}}).{change}")
        screen.click(
            "[...document.querySelectorAll('#reading span')].filter(e => e.textContent.startsWith('One way')).at(-1)"
        )
        heads = screen.run("[...document.querySelectorAll('#panel details h3')].map(e => e.textContent).join('|')")
        looking = [document[at].kind for at in line if at in found.row]
        assert [head.split()[1] for head in heads.split("|")] == looking
        best = max(share.mean() for a, _, share in edges if a == row)
        assert f"{100 * best:.0f} %" in screen.run("document.querySelector('#panel details li').textContent")
        shaded = screen.run("document.querySelectorAll('#reading [data-shade=looks]').length")
        assert shaded == len({b for a, b, _ in edges if a in line and a != b})
        screen.run(f"Object.assign(document.querySelector('#panel details select'), {{value: '1'}}).{change}")
        best = max(share[1] for a, _, share in edges if a == row)
        assert f"{100 * best:.0f} %" in screen.run("document.querySelector('#panel details li').textContent")
        assert screen.errors == []


@needs_chromium
def test_what_is_looked_at_is_coloured_on_the_screenshot(tmp_path: Path) -> None:
    with Renderer() as renderer:
        document = renderer.render(PAGE)
    rows = [node.row for node in document.find("paragraph")[:1]]
    to = next(node.row for node in document[rows[0]].parent.children if node.row != rows[0] and node.box)
    found = Attention(row=np.array(rows), to=np.array([to]), share=np.ones((1, 1), np.float32), method="made up")
    with Screen(document.view(attention=found).save(tmp_path / "view.html")) as screen:
        screen.run("document.getElementById('face-screenshot').click()")
        screen.run(
            "Object.assign(document.getElementById('shade'), {value: 'attention'}).dispatchEvent(new Event('change'))"
        )
        ink = "[...document.querySelector('#screenshot canvas').getContext('2d').getImageData({}, {}, 1, 1).data]"
        box = document[to].box
        ink = ink.format(int((box.x0 + box.x1) / 2), int((box.y0 + box.y1) / 2))
        assert screen.run(ink)[3] == 0
        screen.run(f"document.getElementById('node-{rows[0]}').click()")
        red, green, blue, strength = screen.run(ink)
        assert strength > 0
        assert blue > red > green
