"""Encoders of sentence-transformers in all their forms: read as it reads them, or refused in a sentence."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from docgraph.errors import ModelError
from encoders import Embedder
from tests.tiny_encoders import save_bert, tokenizer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from sentence_transformers import models as modules

TEXTS = ["it rained.", "x", "the ferry waited, and so did we.", "a  double   space"]


def pooled(mode: str) -> Callable[[SentenceTransformer], list[torch.nn.Module]]:
    return lambda bert: [bert[0], modules.Pooling(16, pooling_mode=mode)]


def static(_: SentenceTransformer) -> list[torch.nn.Module]:
    return [modules.StaticEmbedding(tokenizer(64).backend_tokenizer, embedding_dim=8)]


FORMS: dict[str, Callable[[SentenceTransformer], list[torch.nn.Module]]] = {
    **{mode: pooled(mode) for mode in ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")},
    "normalize": lambda bert: [*bert, modules.Normalize()],
    "dense": lambda bert: [*bert, modules.Dense(16, 8)],
    "dense after normalize": lambda bert: [*bert, modules.Normalize(), modules.Dense(16, 8)],
    "static": static,
    "static, normalized": lambda bert: [*static(bert), modules.Normalize()],
}


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("bert"))


def saved(folder: Path, bert: Path, form: str, **config: object) -> Path:
    torch.manual_seed(0)
    made = FORMS[form](SentenceTransformer(str(bert), device="cpu"))
    SentenceTransformer(modules=made, device="cpu").save(str(folder))
    file = folder / "config_sentence_transformers.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    return folder


def assert_alike(folder: Path) -> Embedder:
    embedder = Embedder.from_pretrained(folder, device="cpu")
    peer = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    np.testing.assert_allclose(embedder.encode(TEXTS).vectors, peer.encode_document(TEXTS), atol=1e-5)
    np.testing.assert_allclose(embedder.encode_query(TEXTS), peer.encode_query(TEXTS), atol=1e-5)
    return embedder


@pytest.mark.parametrize("form", FORMS)
def test_vectors_are_those_of_sentence_transformers(tmp_path, bert, form):
    assert_alike(saved(tmp_path / "model", bert, form))


@pytest.mark.parametrize("form", ["mean", "normalize"])
def test_vectors_are_cut_to_the_width_that_the_model_names(tmp_path, bert, form):
    assert assert_alike(saved(tmp_path / "model", bert, form, truncate_dim=4)).width == 4


def test_a_default_prompt_is_not_set_before_documents_and_questions(tmp_path, bert):
    prompts = {"query": "q. ", "document": "d. ", "x": "x. "}
    assert_alike(saved(tmp_path / "model", bert, "mean", prompts=prompts, default_prompt_name="x"))


def test_models_that_differ_in_prompts_or_width_have_other_fingerprints(tmp_path, bert):
    configs = [{}, {"truncate_dim": 4}, {"prompts": {"query": "q. "}}, {"prompts": {"query": "r. "}}]
    folders = [saved(tmp_path / str(n), bert, "mean", **config) for n, config in enumerate(configs)]
    assert len({Embedder.from_pretrained(folder).fingerprint for folder in folders}) == len(configs)


def test_a_long_text_is_read_whole_by_static_vectors(tmp_path, bert):
    folder = saved(tmp_path / "model", bert, "static")
    text = "it rained all day. " * 100
    want = SentenceTransformer(str(folder), device="cpu").encode([text])
    np.testing.assert_allclose(Embedder.from_pretrained(folder).encode_query(text), want, atol=1e-4)


def test_what_cannot_be_read_as_it_is_is_refused(tmp_path, bert):
    model = SentenceTransformer(str(bert), device="cpu")
    router = modules.Router.for_query_document([*model], [*model, modules.Dense(16, 16)])
    for name, made in {"Router": router, "WhitespaceTokenizer": modules.BoW(vocab=["rained"])}.items():
        SentenceTransformer(modules=[made], device="cpu").save(str(tmp_path / name))
        with pytest.raises(
            ModelError, match=f"must read questions and documents alike, by tokens, but .* has a {name}"
        ):
            Embedder.from_pretrained(tmp_path / name)
    late = Embedder.from_pretrained(saved(tmp_path / "static", bert, "static"), context="late")
    with pytest.raises(ModelError, match='context="late" needs an encoder that reads tokens'):
        late.encode(TEXTS)
