"""The model card of an adapted encoder: README.md, with front matter as the hub reads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import training.installed

from huggingface_hub import ModelCardData

from training.output.files import write_atomically
from training.output.markdown import table


def write_card(folder: Path, result: Mapping[str, Any]) -> None:
    """Write the card of a result, as `run.adapt` returns it."""
    settings, gain = result["settings"], result["gain"]
    front = ModelCardData(
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        license="unknown",
        tags=["sentence-transformers", "docgraph", "feature-extraction"],
        model_name=folder.resolve().name,
    )
    kinds = [
        [kind, f"{one['pairs']:,}", f"{one['start']:.3f}", f"{one['adapted']:.3f}"]
        for kind, one in result["kinds"].items()
    ]
    rows = [
        ("start", result["start"]),
        ("documents", f"{result['documents']:,}"),
        *((f"pairs, {name}", f"{count:,}") for name, count in result["pairs"].items()),
        ("held out whole", result["held_out"]),
        ("steps", f"{result['steps']:,} of {result['meant']:,}, best on dev after {result['best_step']:,}"),
        (
            "weights",
            f"{result['blends'][0][0]:.0%} of the way from the start to those, where the gain on dev is surest",
        ),
        *(settings.items()),
        ("seconds", f"{result['seconds']:.0f}"),
        ("versions", ", ".join(f"{name} {number}" for name, number in result["versions"].items())),
    ]
    verdict = (
        "It finds them better than its start."
        if result["kept"] == "adapted"
        else "That is no sure gain, so **this folder holds the start, unchanged**."
    )
    if result["kept"] == "adapted" and gain["low"] <= 0:
        verdict = "That is no sure gain; it was kept because that was asked for."
    name = folder.resolve().name
    text = f"""---
{front.to_yaml()}
---

# {name}

{result["start"]}, adapted to pages by their own structure: a heading and its section, a caption and its table or image,
a link and its page ... No labels were used.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{name}")  # this folder
```

With docgraph: `Embedder.from_pretrained("{name}")`, `docgraph index pages/ --output pages.index --model {name}`.

## Gain

nDCG@10 of finding the passages of held-out pairs, their mean, with the 95 % interval of a paired bootstrap over
documents: **{gain["value"]:+.3f}** ({gain["low"]:+.3f} to {gain["high"]:+.3f}). {verdict}

{table(["pairs", "number", "start", "adapted"], kinds)}

The pages of these pairs had no part in training nor in choosing the weights. They are like those that were learned; of
other pages, and of other tasks, nothing is known.

## Training

{table(["", "value"], rows)}
"""
    write_atomically(folder / "README.md", text)
