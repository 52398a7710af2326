"""Hierarchical self-attention inside pre-trained transformers models, without training.

    from encoders import zero_shot

    print(zero_shot.convert(model, layers=[6, 8, 10], branching=(2, 4, 8, 16)))  # the paper's form
    zero_shot.convert(model, untie="queries", near=1, pooling="attention")       # close to softmax, still O(n log n)
    zero_shot.calibrate(model, batches, budget=...)                              # choose layers and forms by divergence
    zero_shot.revert(model)                                                      # bit for bit as before

    model.save_pretrained(folder); model = zero_shot.restore(AutoModel.from_pretrained(folder))

In the order of reading:

    sites        what can be converted, and why the rest cannot
    convert      convert, revert, enable, disable, restore; layer: what a converted module carries
    windows      windows, moved windows and quad-trees; moved: where they end
    text_trees   sentences, paragraphs, Documents; calls: trees for one call
    interface    what transformers calls; masks, layout: from a padded batch to a forest
    form         the paper's form and the improved ones, computed by `encoders.attention`
    cache        the causal form's key-value cache for `generate`
    report       what each layer costs
    calibrate    the divergence from softmax on the user's data; budget: the choice by it

Supported: BERT, RoBERTa, XLM-R, CamemBERT, DistilBERT, ELECTRA, ViT, DeiT, both towers of CLIP; in the strictly causal
form OPT, GPT-2, Llama. Everything else raises ModelError and says why.

Source: Amizadeh, Abdali, Li, Koishida, "Hierarchical Self-Attention", NeurIPS 2025 (arXiv 2509.15448), section 5.3.
"""

from encoders.zero_shot.budget import Budget
from encoders.zero_shot.cache import HierarchicalCache
from encoders.zero_shot.calibrate import CANDIDATES, OPENED, Calibration, calibrate
from encoders.zero_shot.calls import use_tree
from encoders.zero_shot.convert import convert, disable, enable, is_converted, restore, revert
from encoders.zero_shot.form import Form
from encoders.zero_shot.interface import register
from encoders.zero_shot.report import Report, summary
from encoders.zero_shot.text_trees import trees_from_documents, trees_from_text
from encoders.zero_shot.windows import Auto, Quadtree, Windows, trees_from_states

__all__ = [
    "CANDIDATES",
    "OPENED",
    "Auto",
    "Budget",
    "Calibration",
    "Form",
    "HierarchicalCache",
    "Quadtree",
    "Report",
    "Windows",
    "calibrate",
    "convert",
    "disable",
    "enable",
    "is_converted",
    "restore",
    "revert",
    "summary",
    "trees_from_documents",
    "trees_from_states",
    "trees_from_text",
    "use_tree",
]

register()
