"""Sub-words: a vocabulary trained on the user's own text, and the special sub-words of a pre-trained one."""

from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers


def train_tokenizer(texts: Iterable[str], vocab_size: int = 16_000) -> Tokenizer:
    """Train byte-level byte-pair encoding on some texts.

    Lower-cased, NFKC; all 256 bytes are in the vocabulary, so no text is ever unknown. The result depends only on
    the texts (not on their order beyond ties).
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    return tokenizer


def special_token_ids(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the special sub-words that a transformers tokenizer puts before and after a text."""
    encoded = tokenizer("a", return_special_tokens_mask=True)
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    content = [place for place, flag in enumerate(special) if not flag]
    first, last = (content[0], content[-1]) if content else (len(ids), len(ids))
    return tuple(ids[:first]), tuple(ids[last + 1 :])
