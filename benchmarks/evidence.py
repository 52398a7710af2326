"""Is the evidence of nodes faithful: does leaving out what it points at change the class more than anything else does?

    python -m benchmarks.evidence RUN... --records 60

RUN is a folder of `docgraph train`; several are seeds of one another. For the longest texts of the run's dev or test
split (sentences, headings, cells and images are the units), a tenth of the units is left out: those of the highest
evidence for the predicted class (deletion), or all but those (insertion). Told is how much of the log odds of the class
is lost by it; of two ways to choose, the one that loses more by deletion and less by insertion is the more faithful.

    leave-one-out    encoders/evidence.py with a pass for every node; `, N passes`: with so many
    gradient x state of the transformer's leaves, one backward pass (Shrikumar et al. 2016)
    attention        what the last layer's attention sends to the document's vector from each leaf
    attention flow   the same through all layers, half of each its residual (Abnar & Zuidema 2020, rollout)
    length           the longest units first
    random           the mean of three orders

Sources: Samek et al. 2017 (deletion); Petsiuk et al. 2018 (deletion and insertion); DeYoung et al. 2020 (the same as
comprehensiveness and sufficiency). Writes benchmarks/results/evidence.md and .json.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.clock import about
from benchmarks.page import command_line, made_by, publish, record, recorded
from docgraph import Document
from encoders.attended import layers_of
from encoders.classifier import DocumentForClassification
from encoders.evidence import explain, has_content, said
from training.evaluation.significance import holm
from training.output.markdown import table
from training.run_folder import RunFolder

SHARE: Final = 0.1
PASSES: Final = 32
EVERY: Final = 100_000
TOGETHER: Final = 64
Values = NDArray[np.float64]


def units(document: Document) -> list[int]:
    """Return the nodes that are left out or kept: the lowest that hold something."""
    return np.flatnonzero(has_content(document) & (document.child_count == 0)).tolist()


def left_out(model: DocumentForClassification, passes: int) -> Callable[[Document, int], Values]:
    """Return what gives (N,) evidence by leaving nodes out; one that was not judged gets its share of the one above."""

    def values(document: Document, label: int) -> Values:
        found = explain(model.predict, document, label=model.config.id2label[label], passes=passes).values[:, label]
        one = found.astype(np.float64)
        share = np.bincount(
            [row for unit in units(document) for row in _above(document, unit)], minlength=len(document)
        )
        for row in range(1, len(document)):
            if np.isnan(one[row]):
                above = int(document.parent[row])
                one[row] = 0.0 if np.isnan(one[above]) else one[above] * share[row] / max(share[above], 1)
        return one

    return values


def _above(document: Document, row: int) -> list[int]:
    return [row, *(node.row for node in document[row].ancestors)]


def gradient(model: DocumentForClassification) -> Callable[[Document, int], Values]:
    """Return what gives (N,) gradient x state, summed over the leaves of a node."""

    def values(document: Document, label: int) -> Values:
        assert model.processor is not None
        batch = model.processor(document).to(model.device)
        inner: Any = model.document
        kept: list[torch.Tensor] = []
        plain = inner.embed_leaves

        def watched(batch: Any) -> Any:
            state, modality = plain(batch)
            kept.append(state.detach().requires_grad_())
            return kept[0], modality

        inner.embed_leaves = watched
        try:
            logits = model.classifier(inner(batch).document_states)[0]
        finally:
            del inner.embed_leaves
        others = torch.cat([logits[:label], logits[label + 1 :]])
        (slope,) = torch.autograd.grad(logits[label] - others.logsumexp(0), kept[0])
        each = (slope * kept[0]).sum(1).detach().double().numpy()
        total = np.zeros(len(document))
        np.add.at(total, batch.node_row[batch.forest.leaf_rows.numpy()], each)
        return total

    return values


def attention(model: DocumentForClassification, *, flow: bool) -> Callable[[Document, int], Values]:
    """Return what gives (N,) the share of the mean over leaves that comes from the leaves of a node.

    Attention is linear in its values: the gradient of what is taken from a layer is what each leaf sent.
    """

    def values(document: Document, label: int) -> Values:
        layers = layers_of(model, document, None)
        share = layers[-1].present.double()
        share = share / share.sum().clamp(min=1)
        for layer in reversed(layers if flow else layers[-1:]):
            value = torch.zeros(len(share), 1, dtype=layer.query.dtype, requires_grad=True)
            (sent,) = torch.autograd.grad((layer.mix(value)[:, 0] * share.to(value)).sum(), value)
            share = 0.5 * share + 0.5 * sent[:, 0].double() if flow else sent[:, 0].double()
        total = np.zeros(len(document))
        np.add.at(total, layers[0].node, share.numpy())
        return total

    return values


def length(document: Document, label: int) -> Values:
    """(N,) characters of each node."""
    found: Values = np.diff(document.span, axis=1)[:, 0].astype(np.float64)
    return found


def shuffled(seed: int) -> Callable[[Document, int], Values]:
    """Return what gives (N,) numbers by chance, the same for a document at every call."""
    return lambda document, label: np.random.default_rng([seed, len(document.text)]).random(len(document))


def measure(model: DocumentForClassification, documents: Sequence[Document]) -> dict[str, Values]:
    """Return for each way (n, 2): log odds that n documents lose by deletion and by insertion."""
    ways: dict[str, Callable[[Document, int], Values]] = {
        "leave-one-out": left_out(model, EVERY),
        f"leave-one-out, {PASSES} passes": left_out(model, PASSES),
        "gradient x state": gradient(model),
        "attention": attention(model, flow=False),
        "attention flow": attention(model, flow=True),
        "length": length,
        **{f"random {seed}": shuffled(seed) for seed in range(3)},
    }
    lost: dict[str, list[list[float]]] = {name: [] for name in ways}
    for document in documents:
        whole = said(model.predict(document))[0]
        label, rows = int(whole.argmax()), units(document)
        count = max(round(SHARE * len(rows)), 1)
        variants = []
        for values in ways.values():
            order = np.asarray(rows)[np.argsort(-values(document, label)[rows], kind="stable")].tolist()
            variants += [document.without(order[:count]), document.without(order[count:])]
        less = said(model.predict(variants))[:, label]
        for place, name in enumerate(ways):
            lost[name].append((whole[label] - less[2 * place : 2 * place + 2]).tolist())
    found = {name: np.asarray(one) for name, one in lost.items()}
    found["random"] = np.mean([found.pop(f"random {seed}") for seed in range(3)], axis=0)
    return found


def longest(run: RunFolder, records: int) -> list[Document]:
    """Return the documents of the most units of the split that the run was not fitted to, or all of what it has."""
    config = run.config
    assert config is not None
    corpus = run.corpus(config.data)
    split = next(name for name in ("test", "dev", "train") if name in corpus.splits)
    some = [one.document() for one in corpus[split]]
    return sorted(some, key=lambda document: -len(units(document)))[:records]


def significance(one: Values, other: Values) -> float:
    """Return p of the mean difference of paired values by 10,000 flips of signs."""
    gap = one - other
    flips = np.random.default_rng(0).choice([-1.0, 1.0], (10_000, len(gap)))
    return float((1 + (np.abs(flips @ gap) >= abs(gap.sum())).sum()) / 10_001)


def main() -> None:
    parser = command_line(__doc__ or "")
    parser.add_argument("run", type=Path, nargs="+")
    parser.add_argument("--records", type=int, default=60)
    parser.add_argument("--name", default="sample", help="what the result is called on the page")
    arguments = parser.parse_args()
    runs = [RunFolder(path) for path in arguments.run]
    documents = longest(runs[0], arguments.records)
    found = [measure(run.model(), documents) for run in runs]
    joined = {name: np.mean([one[name] for one in found], axis=0) for name in found[0]}  # of the seeds
    best, others = "leave-one-out", [name for name in joined if name != "leave-one-out"]
    p = [holm([significance(joined[best][:, k], joined[name][:, k]) for name in others]) for k in range(2)]
    rows = {
        name: {
            "deletion": float(values[:, 0].mean()),
            "insertion": float(values[:, 1].mean()),
            "seeds": [[round(float(v), 3) for v in one[name].mean(0)] for one in found],
            **({} if name == best else {"p": [side[others.index(name)] for side in p]}),
        }
        for name, values in joined.items()
    }
    results = recorded("evidence", arguments.results)
    sizes = [len(units(document)) for document in documents]
    results[arguments.name] = {
        "rows": rows,
        "documents": len(documents),
        "runs": len(runs),
        "units": [min(sizes), max(sizes)],
        "about": about(),
    }
    record("evidence", results, arguments.results)
    publish("evidence", page(results), arguments.results)


def page(results: dict[str, Any]) -> str:
    """Return the page of all that was measured."""
    text = [
        "# Is the evidence of nodes faithful?",
        "",
        "A tenth of a document's sentences, headings, cells and images is left out, those with the highest evidence "
        "for the predicted class first (deletion), or all but these (insertion). The number is what the log odds of "
        "the class lose, in nats: by deletion more is better, by insertion less. p: that leave-one-out is no better "
        "and no worse (flips of signs over documents, adjusted by Holm). Leaving out has an edge by its nature, since "
        "the test leaves out as well.",
    ]
    for name, one in results.items():
        low, high = one["units"]
        text += [
            "",
            f"## {name}: {one['documents']} documents of {low} to {high} units, {one['runs']} trained models",
            "",
            table(
                ["way", "deletion", "insertion", "deletion, each model", "p (deletion, insertion)"],
                [
                    [
                        way,
                        f"{row['deletion']:.3f}",
                        f"{row['insertion']:.3f}",
                        ", ".join(f"{seed[0]:.3f}" for seed in row["seeds"]),
                        ", ".join(f"{value:.4f}" for value in row["p"]) if "p" in row else "",
                    ]
                    for way, row in one["rows"].items()
                ],
            ),
            "",
            made_by(one["about"]),
        ]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    main()
