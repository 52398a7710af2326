"""What a document model is made of: `DocumentConfig`, saved as config.json beside the weights.

Four groups of fields: the width and depth of the fusing transformer, the attention and its positions, the leaf
encoders (text, image), the readout and head. Everything that can be derived is derived.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from docgraph.errors import ModelError
from encoders.peers import PEERS

RENAMED: Final = {
    "wide_ngrams": "regression_ngrams",
    "wide_buckets": "regression_buckets",
    "wide_cost": "regression_cost",
}
"""Fields by the names that version 0.1.0 had for them; they are read, and written under the new ones."""


def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields under the names that they have now."""
    return {RENAMED.get(name, name): value for name, value in values.items()}


@strict
class DocumentConfig(PreTrainedConfig):
    """Configuration of `DocumentModel` and its heads. Fields are checked when set."""

    model_type = "docgraph"
    keys_to_ignore_at_inference = ("document_states", "leaf_states", "node_states")

    hidden_size: int = 192
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    intermediate_size: int = 384
    """Width of the feed-forward part of a layer."""
    hidden_dropout_prob: float = 0.1
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02

    layer: Literal["prenorm", "hte"] = "prenorm"
    """"prenorm": residual transformer block.
    "hte": the paper's layer, exactly (docs/hsa.md, "The layer of the paper")."""
    attention: Literal[
        "hsa", "flat", "none", "permuted",
        "hdt", "hat", "local", "late", "permuted-hdt", "permuted-hat", "permuted-local", "permuted-late",
    ] = "hsa"  # fmt: skip
    """"flat": one family a document. "none": each leaf alone.
    "permuted": same trees, leaves shuffled among families.
    "hdt", "hat", "local", "late": those of other papers, to compare with (peers.py), also over shuffled leaves."""
    attention_window: int = 8
    """Leaves on each side that "local" attends to."""
    attention_form: Literal["paper", "block", "document", "block-untied", "document-untied"] = "paper"
    """How the leaves of a far block share its weight. "paper": all alike. "block": by what the block's own mean query
    picks, so that one telling leaf can be; "document": by what the document's does. "-untied": besides, every leaf
    weighs blocks by its own query, at three times the pairs. No parameter is added."""
    attention_near: int = 0
    """Lowest families on each side of a leaf's own that it attends to leaf by leaf; needs an "-untied" form."""
    attend_self: bool = True
    """Whether a leaf attends to itself; the paper's layer has it off."""
    attention_backend: str = "auto"
    position_size: int = 64
    """Width of the position features shared by all layers."""
    position_head_size: int = 16
    """Width of a head's share of the position logits."""
    position_boxes: bool = False
    """Whether the box of a node on the rendered page, seen from its parent's, adds to its position."""
    graph_features: int = 8
    """Laplacian eigenvectors that place a node in its GRAPH family."""

    text_encoder: Literal["scratch", "pretrained", "none"] = "scratch"
    text_leaves: Literal["token", "node"] = "token"
    """"token": every sub-word is a leaf. "node": every sentence, heading, cell is one leaf,
    the mean of its sub-words."""
    vocab_size: int = 0
    """Size of the sub-word vocabulary (scratch); set from the processor."""
    text_embedding_size: int = 0
    """Width of the sub-word embeddings (scratch); 0 for `hidden_size`."""
    text_ngrams: int = 1
    """Longest n-gram of sub-words that has an embedding of its own (scratch): 2 adds pairs, 3 adds triples."""
    text_ngram_buckets: int = 131_072
    """Embeddings that n-grams of two and more sub-words are hashed into."""
    text_start: Literal["frequency", "equal", "evidence", "regression"] = "frequency"
    """What scratch text starts from. "frequency": a pooled leaf weighs its sub-words by their rarity. "equal": all
    alike. "evidence": all alike, and embeddings begin with what each n-gram says about the classes by itself;
    "regression": with its weight in a logistic regression on all of them. Both need labels."""
    freeze_text_start: bool = False
    """Leave scratch embeddings and their weights as they started. After "regression" they hold what the words say by
    themselves already, and training on would learn the training documents by heart."""
    regression_ngrams: int = 0
    """Longest n-gram of a logistic regression whose logits are added to the classifier's when it predicts, 0 for no
    such regression; see ngrams.py. It reads the text encoder's sub-words and needs labels when the model is made."""
    regression_buckets: int = 2_097_152
    """How many n-grams of two and more sub-words it may know."""
    regression_known: int = 0
    """How many n-grams of all lengths have a weight of their own, where others have none. Set in training; 0 in models
    of version 0.1.0, which hashed those of two and more sub-words into `regression_buckets` weights."""
    regression_cost: float = 0.2
    """Of its errors, against the squares of its weights: what scikit-learn calls C, for a softmax over the classes."""
    regression_weighting: Literal["binary", "tfidf", "both"] = "binary"
    """What an n-gram of that regression counts: 1 where a document has it, its TF-IDF, or each with a weight."""
    regression_marked: list[str] | tuple[str, ...] = ()
    """Fields whose n-grams have weights of their own there; the n-grams of all others share theirs."""
    regression_vectors: list[str] | tuple[str, ...] = ()
    """What has a regression on the vectors of frozen encoders, whose logits are added likewise, see vectors.py: names
    of fields, "" for the whole text, "image" for the images. Set in training, with weights."""
    tuned_tokens: int = 0
    """Sub-words that a copy of the pre-trained text encoder reads of a document, tuned to the classes, whose logits are
    added likewise; see tuned.py. Set in training, 0 for none."""
    text_dropout_prob: float = 0.1
    """Share of sub-words left out of each document in training (scratch)."""
    text_config: dict[str, Any] | None = None
    """Configuration of the transformers model that encodes text (pretrained)."""
    freeze_text_encoder: bool = True
    text_prefix_ids: list[int] | tuple[int, ...] = ()
    """Special sub-words before each window of the pre-trained encoder; set from the processor."""
    text_suffix_ids: list[int] | tuple[int, ...] = ()
    text_window: int = 0
    """Sub-words a window of the pre-trained encoder holds; 0 for all that the encoder allows."""

    image_encoder: str | None = "test_vit"
    """Name of a timm model, "statistics" (colours and edges, nothing to train: for few images), or None for no images.
    The default has 0.3 M weights and trains on a CPU."""
    image_size: int = 0
    """Pixels a side; 0 for what the timm model was made for."""
    image_leaves: Literal["patches", "one"] = "patches"
    freeze_image_encoder: bool = False

    use_transformer: bool = True
    """Whether the transformer counts in a classifier's logits; where training left it out it is not run."""
    readout: Literal["mean", "mean_of_means", "attention"] = "mean"
    pool_after: list[int] | tuple[int, ...] = ()
    """Layers (0-based) after which families of leaves are pooled into their parent; a layer may be named once."""
    modality_dropout_prob: float = 0.0
    """Chance that a document's images are left out of a training step."""
    classifier_hidden_size: int = 0
    """Width of the classifier's hidden layer; 0 for `hidden_size`."""
    classifier_dropout_prob: float = 0.1
    label_smoothing: float = 0.0
    off_topic_references: int = 0
    """Training documents whose distance tells whether a document is off topic, see off_topic.py; 0 for no such flag."""
    off_topic_distance: float = 0.0
    """From which distance on it is."""
    off_topic_alarms: float = 0.0
    """Share of held-out documents of the training data that are flagged, too."""
    thresholds: list[float] | tuple[float, ...] = ()
    """Where a document may have several labels (problem_type "multi_label_classification"): the probability from which
    it is given each of them; () for one half. Set in training."""
    value_mean: float = 0.0
    """Of a regression (problem_type "regression"): what an output of 0 stands for, and below, one of 1 more."""
    value_scale: float = 1.0
    node_kinds: list[str] | tuple[str, ...] = ()
    """Where not whole documents are classified but nodes of pages: the kinds of these; see
    training/datasets/page_nodes.py for what is read of one."""
    class_weights: list[float] | None = None
    """Weight of each class in the loss; None for equal weights."""

    def __post_init__(self, **kwargs: Any) -> None:
        for old in RENAMED.keys() & kwargs.keys():
            setattr(self, RENAMED[old], kwargs.pop(old))
        temperature = kwargs.pop("temperature", 1.0)
        super().__post_init__(**kwargs)  # type: ignore[no-untyped-call]
        if temperature != 1:  # version 0.1.0 divided logits by it; from_pretrained of the classifier takes it over
            self.old_temperature = temperature
        if self.hidden_size % self.num_attention_heads:
            raise ModelError(
                f"hidden_size must be a multiple of num_attention_heads, but is {self.hidden_size} "
                f"with num_attention_heads={self.num_attention_heads}."
            )
        if self.attention_near < 0 or (self.attention_near and not self.attention_form.endswith("-untied")):
            raise ModelError(
                'attention_near must be 0, or above with attention_form="block-untied" or "document-untied", '
                f'but is {self.attention_near} with "{self.attention_form}".'
            )
        if self.peer and (self.layer != "prenorm" or not self.attend_self or self.pool_after):
            raise ModelError(
                f'attention="{self.attention}" needs layer="prenorm", attend_self=True and pool_after=(), but they are '
                f'"{self.layer}", {self.attend_self} and {tuple(self.pool_after)}.'
            )
        if self.regression_ngrams and self.text_encoder == "none":
            raise ModelError(
                f"regression_ngrams={self.regression_ngrams} needs a text encoder, whose sub-words it counts, "
                'but text_encoder is "none". Set regression_ngrams=0.'
            )
        if self.text_encoder == "none" and self.image_encoder is None:
            raise ModelError(
                "a document model must have a text encoder or an image encoder, but both are switched off."
            )

    @property
    def attention_options(self) -> dict[str, Any]:
        """Arguments of `hierarchical_attention` that the form stands for."""
        pooling, _, untied = self.attention_form.partition("-")
        return {
            "pooling": "mean" if pooling == "paper" else pooling,
            "untie": "queries" if untied else None,
            "near": self.attention_near,
        }

    @property
    def permuted(self) -> bool:
        """Whether leaves are shuffled among families."""
        return self.attention.startswith("permuted")

    @property
    def peer(self) -> str:
        """Which of the other papers' kinds of attention it is, "" for none of them."""
        kind = self.attention.removeprefix("permuted-")
        return kind if kind in PEERS else ""

    @property
    def words(self) -> int:
        """Size of the text encoder's vocabulary of sub-words."""
        if self.text_encoder == "pretrained" and self.text_config is not None:
            return int(self.text_config["vocab_size"])
        return max(self.vocab_size, 256)

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads
