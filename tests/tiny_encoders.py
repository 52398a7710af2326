"""Encoders of a few thousand random weights, saved as transformers folders."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    SiglipProcessor,
)

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,?|"


def tokenizer(length: int) -> PreTrainedTokenizerFast:
    """A token a letter, and the special ones of BERT."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS]
    made = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("", "isolated")]
    )
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=length,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        eos_token="[SEP]",
        bos_token="[CLS]",
    )


def save_bert(folder: Path, length: int = 64) -> Path:
    """A BERT of one layer."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=64,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=length,
        initializer_range=0.5,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer(length).save_pretrained(folder)
    return folder


def save_image_text(folder: Path, kind: str) -> Path:
    """A CLIP or SigLIP of one layer a side."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    text = {
        **sizes,
        "vocab_size": 64,
        "max_position_embeddings": 32,
        "pad_token_id": 0,
        "eos_token_id": 3,
        "bos_token_id": 2,
    }
    vision = {**sizes, "image_size": 32, "patch_size": 16}
    if kind == "clip":
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
        images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
        processor = CLIPProcessor(image_processor=images, tokenizer=tokenizer(32))
    else:
        model = SiglipModel(SiglipConfig(text_config={**text, "projection_size": 16}, vision_config=vision))
        processor = SiglipProcessor(
            image_processor=SiglipImageProcessor(size={"height": 32, "width": 32}), tokenizer=tokenizer(32)
        )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
