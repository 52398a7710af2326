"""What each form of attention can learn at all: two made-up tasks, answered at a marked leaf (chance .25).

    python -m benchmarks.training.made_up --seeds 3

    needle      one leaf of another section tells the class; all others are noise
    majority    the class is the kind that is frequent in the marked leaf's own section; over the whole document all
                kinds are alike

A document is 4 sections of 4 paragraphs of 4 leaves. Leaves have a vector of their kind and one of their place in the
document, two layers of width 32 attend, and the state of the marked leaf is classified. All forms have the same
parameters, documents and steps. "permuted" has the leaves of each document shuffled among the paragraphs.

Every seed draws its own documents; accuracy is over 2,000 fresh ones. Training ends after --steps, or when 50 batches
in a row are right. Writes benchmarks/results/made_up.json and .md; what is there is kept, so the same call goes on.
"""

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.clock import about
from benchmarks.page import command_line, made_by, publish, record, recorded
from encoders import TreeBatch, hierarchical_attention
from training.markdown import table

SECTIONS, CLASSES, NOISE = 4, 4, 8
SECTION: Final = 16
"""Leaves of a section."""
LEAVES: Final = SECTIONS * SECTION
MARK: Final = CLASSES + NOISE
"""Kinds: those of the classes, noise, and the mark."""
TREE: Final = [[[None] * 4 for _ in range(4)] for _ in range(SECTIONS)]
BATCH: Final = 64
FORMS: Final[dict[str, tuple[Any, str]]] = {
    "flat": ([None] * LEAVES, "mean"),
    "paper": (TREE, "mean"),
    "block": (TREE, "block"),
    "document": (TREE, "document"),
    "block, permuted": (TREE, "block"),
}
"""Form -> tree of a document, pooling."""


@dataclass(frozen=True)
class Documents:
    """A batch: kinds (B, LEAVES), place of the marked leaf (B,) and label (B,)."""

    kind: Tensor
    marked: Tensor
    label: Tensor


def needle(count: int, draw: torch.Generator) -> Documents:
    """Return documents of noise with one telling leaf in another section than the mark's."""
    kind = torch.randint(CLASSES, CLASSES + NOISE, (count, LEAVES), generator=draw)
    marked, label = _marked(count, draw), torch.randint(CLASSES, (count,), generator=draw)
    away = torch.randint(1, SECTIONS, (count,), generator=draw)
    section = (marked // SECTION + away) % SECTIONS
    place = section * SECTION + torch.randint(SECTION, (count,), generator=draw)
    each = torch.arange(count)
    kind[each, place], kind[each, marked] = label, MARK
    return Documents(kind, marked, label)


def majority(count: int, draw: torch.Generator) -> Documents:
    """Return documents in which each section has a frequent kind of its own, half of its leaves or more."""
    frequent = torch.rand(count, SECTIONS, generator=draw).argsort(-1).repeat_interleave(SECTION, dim=1)
    other = torch.randint(CLASSES, (count, LEAVES), generator=draw)
    kind = torch.where(torch.rand(count, LEAVES, generator=draw) < 0.5, frequent, other)
    marked, each = _marked(count, draw), torch.arange(count)
    label = frequent[each, marked]
    kind[each, marked] = MARK
    return Documents(kind, marked, label)


TASKS: Final = {"needle": needle, "majority": majority}


def _marked(count: int, draw: torch.Generator) -> Tensor:
    return torch.randint(LEAVES, (count,), generator=draw)


class Layer(nn.Module):
    """A pre-norm block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.output = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, state: Tensor, forest: TreeBatch, pooling: Any) -> Tensor:
        """(N, D) -> (N, D)."""
        query, key, value = self.qkv(self.norm(state)).unflatten(-1, (3, self.heads, -1)).unbind(1)
        mixed = hierarchical_attention(query, key, value, forest, pooling=pooling)
        assert isinstance(mixed, Tensor)
        state = state + self.output(mixed.flatten(1))
        result: Tensor = state + self.feed(state)
        return result


class Reader(nn.Module):
    """Two layers over whole batches of BATCH documents, read at the marked leaves."""

    def __init__(self, form: str, width: int = 32, heads: int = 2) -> None:
        super().__init__()
        tree, self.pooling = FORMS[form]
        self.permuted = form.endswith("permuted")
        self.forest = TreeBatch.from_nested([tree] * BATCH)
        self.kind, self.place = nn.Embedding(MARK + 1, width), nn.Embedding(LEAVES, width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, documents: Documents, draw: torch.Generator) -> Tensor:
        """(BATCH, CLASSES) logits."""
        state, marked = self.kind(documents.kind) + self.place.weight, documents.marked
        if self.permuted:
            order = torch.rand(BATCH, LEAVES, generator=draw).argsort(-1)
            state = state.gather(1, order[..., None].expand_as(state))
            marked = (order == marked[:, None]).int().argmax(-1)
        state = state.flatten(0, 1)
        for layer in self.layers:
            state = layer(state, self.forest, self.pooling)
        found: Tensor = self.head(self.norm(state.unflatten(0, (BATCH, LEAVES))[torch.arange(BATCH), marked]))
        return found


def trained(task: str, form: str, seed: int, steps: int) -> dict[str, Any]:
    """Train one reader; return its accuracy on fresh documents and the steps it took."""
    torch.manual_seed(seed)
    draw = torch.Generator().manual_seed(seed)
    reader, make = Reader(form), TASKS[task]
    optimiser = torch.optim.AdamW(reader.parameters(), lr=3e-3)
    perfect = step = 0
    while step < steps and perfect < 50:
        documents = make(BATCH, draw)
        logits = reader(documents, draw)
        optimiser.zero_grad()
        cross_entropy(logits, documents.label).backward()
        optimiser.step()
        perfect = perfect + 1 if bool((logits.argmax(-1) == documents.label).all()) else 0
        step += 1
    right = []
    with torch.no_grad():
        for _ in range(-(-2_000 // BATCH)):
            documents = make(BATCH, draw)
            right.append((reader(documents, draw).argmax(-1) == documents.label).float().mean())
    return {"accuracy": torch.stack(right).mean().item(), "steps": step}


def to_markdown(found: dict[str, Any]) -> str:
    """Return the accuracies of all seeds as a table."""
    lines = []
    for form in FORMS:
        cells = []
        for task in TASKS:
            runs = [one for key, one in found["runs"].items() if key.startswith(f"{task}/{form}/")]
            cells.append(", ".join(f"{one['accuracy']:.3f} ({one['steps']:,})" for one in runs))
        lines.append([form, *cells])
    return "\n\n".join(
        [
            "# What each form can learn",
            "Accuracy on fresh documents, seed by seed, with the steps of training in brackets; chance is .25.",
            table(["form", *TASKS], lines),
            made_by(found["about"]),
            "",
        ]
    )


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1_500)
    args = parser.parse_args()
    found = recorded("made_up", args.results)
    runs = found.setdefault("runs", {})
    for seed in range(args.seeds):
        for task in TASKS:
            for form in FORMS:
                if (key := f"{task}/{form}/{seed}") not in runs:
                    runs[key] = trained(task, form, seed, args.steps)
                    print(key, runs[key], flush=True)
                    record("made_up", {"runs": runs, "about": about()}, args.results)
    publish("made_up", to_markdown(recorded("made_up", args.results)), args.results)


if __name__ == "__main__":
    main()
