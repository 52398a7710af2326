"""What each form of attention can learn at all: three made-up tasks, answered at a marked leaf (chance .25).

    python -m benchmarks.training.made_up --seeds 3

    needle      one leaf of another section tells the class; all others are noise
    ragged      the class is the kind that is frequent in the marked leaf's own section; over the whole document all
                kinds are alike; section borders are drawn for each document, so that a place does not tell its section
    majority    the same in documents of one shape

A document is 4 sections of 4 paragraphs of 4 leaves; ragged ones have sections of 8 leaves and more, parted into
paragraphs of 4 and a rest. Leaves have a vector of their kind and one of their place in the document, two layers of
width 32 attend, and the state of the marked leaf is classified. All forms have the same parameters (those of other
papers, encoders/peers.py, besides 3 vectors for their anchors), documents and steps. Where 5 layers are named, it is
because a form needs them: HDT hands news on by one edge of the tree a layer, and there are five up to a section, over
and down. "permuted" has the leaves of each document shuffled among the paragraphs.

Every seed draws its own documents; accuracy is over 2,000 fresh ones. Training ends after --steps, or when 50 batches
in a row are right. Writes benchmarks/results/made_up.json and .md; what is there is kept, so the same call goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.clock import about
from benchmarks.page import command_line, made_by, publish, record, recorded
from encoders import TreeBatch, hierarchical_attention
from encoders.forest.subtree import subtree_mean
from encoders.peers import attend, layout
from training.output.markdown import table

SECTIONS, CLASSES, NOISE = 4, 4, 8
SECTION: Final = 16
"""Leaves of a section."""
LEAVES: Final = SECTIONS * SECTION
MARK: Final = CLASSES + NOISE
"""Kinds: those of the classes, noise, and the mark."""
SHORTEST, PARAGRAPH = 8, 4
"""Leaves of the shortest section of a ragged document, and of a paragraph."""
BATCH: Final = 64


@dataclass(frozen=True)
class Form:
    """A form of attention: hierarchical with its pooling, or that of another paper."""

    pooling: str = "mean"
    flat: bool = False
    peer: str = ""
    permuted: bool = False
    layers: int = 2


FORMS: Final = {
    "flat": Form(flat=True),
    "paper": Form(),
    "block": Form("block"),
    "document": Form("document"),
    "block, permuted": Form("block", permuted=True),
    "hdt": Form(peer="hdt"),
    "hdt, 5 layers": Form(peer="hdt", layers=5),
    "hdt, permuted": Form(peer="hdt", permuted=True),
    "hat": Form(peer="hat"),
    "hat, permuted": Form(peer="hat", permuted=True),
    "local": Form(peer="local"),
    "late": Form(peer="late"),
}


@dataclass(frozen=True)
class Documents:
    """A batch: kinds (B, LEAVES), place of the marked leaf (B,), label (B,), and leaves of each section."""

    kind: Tensor
    marked: Tensor
    label: Tensor
    sizes: tuple[tuple[int, ...], ...]


def needle(count: int, draw: torch.Generator) -> Documents:
    """Return documents of noise with one telling leaf in another section than the mark's."""
    kind = torch.randint(CLASSES, CLASSES + NOISE, (count, LEAVES), generator=draw)
    marked, label = _marked(count, draw), torch.randint(CLASSES, (count,), generator=draw)
    away = torch.randint(1, SECTIONS, (count,), generator=draw)
    section = (marked // SECTION + away) % SECTIONS
    place = section * SECTION + torch.randint(SECTION, (count,), generator=draw)
    each = torch.arange(count)
    kind[each, place], kind[each, marked] = label, MARK
    return Documents(kind, marked, label, ((SECTION,) * SECTIONS,) * count)


def majority(count: int, draw: torch.Generator, *, ragged: bool = False) -> Documents:
    """Return documents in which each section has a frequent kind of its own, half of its leaves or more."""
    sizes = torch.full((count, SECTIONS), SECTION)
    if ragged:
        spare = LEAVES - SECTIONS * SHORTEST
        cuts = torch.randint(spare + 1, (count, SECTIONS - 1), generator=draw).sort(-1).values
        edges = torch.cat([torch.zeros(count, 1), cuts, torch.full((count, 1), spare)], 1)
        sizes = SHORTEST + edges.diff(dim=1).long()
    section = (torch.arange(LEAVES) >= sizes.cumsum(1)[:, :-1, None]).sum(1)
    frequent = torch.rand(count, SECTIONS, generator=draw).argsort(-1).gather(1, section)
    other = torch.randint(CLASSES, (count, LEAVES), generator=draw)
    kind = torch.where(torch.rand(count, LEAVES, generator=draw) < 0.5, frequent, other)
    marked, each = _marked(count, draw), torch.arange(count)
    label = frequent[each, marked]
    kind[each, marked] = MARK
    return Documents(kind, marked, label, tuple(map(tuple, sizes.tolist())))


def ragged(count: int, draw: torch.Generator) -> Documents:
    """Return documents as `majority` does, with section borders drawn for each."""
    return majority(count, draw, ragged=True)


TASKS: Final = {"needle": needle, "ragged": ragged, "majority": majority}


def _marked(count: int, draw: torch.Generator) -> Tensor:
    return torch.randint(LEAVES, (count,), generator=draw)


@lru_cache(maxsize=8)
def forest_of(sizes: tuple[tuple[int, ...], ...], flat: bool) -> TreeBatch:
    """Return the trees of a batch."""
    if flat:
        return TreeBatch.from_nested([[None] * LEAVES] * len(sizes))
    paragraphs = {
        size: [[None] * min(PARAGRAPH, size - at) for at in range(0, size, PARAGRAPH)] for size in set(sum(sizes, ()))
    }
    return TreeBatch.from_nested([[paragraphs[size] for size in one] for one in sizes])


Mix = Callable[[Tensor, Tensor, Tensor], Tensor]
"""query, key, value (rows, H, E) -> (rows, H, E)."""


class Layer(nn.Module):
    """A pre-norm block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.output = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, state: Tensor, mix: Mix) -> Tensor:
        """(rows, D) -> (rows, D)."""
        query, key, value = self.qkv(self.norm(state)).unflatten(-1, (3, self.heads, -1)).unbind(1)
        state = state + self.output(mix(query, key, value).flatten(1))
        result: Tensor = state + self.feed(state)
        return result


class Reader(nn.Module):
    """Layers over whole batches of BATCH documents, read at the marked leaves."""

    def __init__(self, form: Form, width: int = 32, heads: int = 2) -> None:
        super().__init__()
        self.form, self.heads = form, heads
        self.kind, self.place = nn.Embedding(MARK + 1, width), nn.Embedding(LEAVES, width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(form.layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)
        self.anchors = nn.Embedding(3, width) if form.peer else None
        """By depth."""

    def forward(self, documents: Documents, draw: torch.Generator) -> Tensor:
        """(BATCH, CLASSES) logits."""
        forest = forest_of(documents.sizes, self.form.flat)
        state, marked = self.kind(documents.kind) + self.place.weight, documents.marked
        if self.form.permuted:
            order = torch.rand(BATCH, LEAVES, generator=draw).argsort(-1)
            state = state.gather(1, order[..., None].expand_as(state))
            marked = (order == marked[:, None]).int().argmax(-1)
        state = self.attended(state.flatten(0, 1), forest)
        found: Tensor = self.head(self.norm(state.unflatten(0, (BATCH, LEAVES))[torch.arange(BATCH), marked]))
        return found

    def attended(self, state: Tensor, forest: TreeBatch) -> Tensor:
        """(N, D) -> (N, D) after all layers; anchors begin and end as in encoders/anchors.py."""
        if self.anchors is None:
            for layer in self.layers:
                state = layer(state, partial(_hierarchical, forest, self.form.pooling))
            return state
        plan, leaves = layout(forest, self.form.peer), len(state)
        begin = subtree_mean(state, forest)[plan.row[leaves:]] + self.anchors(plan.depth)
        state = torch.cat([state, begin])
        for layer in self.layers:
            for first, pattern in zip((0, leaves), plan.passes, strict=False):
                mix = partial(attend, pattern=pattern, scale=(state.shape[1] // self.heads) ** -0.5)
                state = torch.cat([state[:first], layer(state[first:], mix)])
        return state[:leaves]


def _hierarchical(forest: TreeBatch, pooling: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    mixed = hierarchical_attention(query, key, value, forest, pooling=pooling)
    assert isinstance(mixed, Tensor)
    return mixed


def pairs(form: Form) -> int:
    """Return how many pairs attend in one layer over a document that is not ragged: of siblings, where hierarchical."""
    forest = forest_of(((SECTION,) * SECTIONS,), form.flat)
    return layout(forest, form.peer).pairs if form.peer else int((forest.families().size ** 2).sum())


def trained(task: str, form: str, seed: int, steps: int) -> dict[str, Any]:
    """Train one reader; return its accuracy on fresh documents and the steps it took."""
    torch.manual_seed(seed)
    draw = torch.Generator().manual_seed(seed)
    reader, make = Reader(FORMS[form]), TASKS[task]
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
    for name, form in FORMS.items():
        cells = []
        for task in TASKS:
            runs = [one for key, one in found["runs"].items() if key.startswith(f"{task}/{name}/")]
            cells.append(", ".join(f"{one['accuracy']:.3f} ({one['steps']:,})" for one in runs))
        lines.append([name, f"{pairs(form):,}", *cells])
    return "\n\n".join(
        [
            "# What each form can learn",
            "Accuracy on fresh documents, seed by seed, with the steps of training in brackets; chance is .25. Pairs "
            "are those that attend in one layer over a document of 64 leaves, not ragged.",
            table(["form", "pairs", *TASKS], lines),
            made_by(found["about"]),
            "",
        ]
    )


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1_500)
    parser.add_argument("--only", nargs="*", default=list(TASKS), choices=list(TASKS), help="tasks to train")
    args = parser.parse_args()
    found = recorded("made_up", args.results)
    runs = found.setdefault("runs", {})
    for task in args.only:
        for seed in range(args.seeds):
            for form in FORMS:
                if (key := f"{task}/{form}/{seed}") not in runs:
                    runs[key] = trained(task, form, seed, args.steps)
                    print(key, runs[key], flush=True)
                    record("made_up", {"runs": runs, "about": about()}, args.results)
    publish("made_up", to_markdown(recorded("made_up", args.results)), args.results)


if __name__ == "__main__":
    main()
