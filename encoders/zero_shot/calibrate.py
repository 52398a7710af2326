"""Choose layers, hierarchies and forms on the user's own data, by the divergence from softmax attention.

    model, batches ─ measure ─> gap and cost of every (layer, candidate) ─ select(budget) ─> the choice ─> convert

The *gap* of a layer is the mean over positions and heads of KL(P_i || softmax(s_i)): what the hierarchy costs it, in
nats, with the layer's inputs those of the unconverted model. For the paper's form and for untied queries it
comes out of the energies, mean_i log z_i - L_root and log z_i - logsumexp of a leaf's logits (docs/hsa.md, "Useful
identities"), with no P in memory; for the others P is formed, document by document.

The choice is the best one over all layers together: least total gap within a budget of FLOPs, or least FLOPs within
a budget of gap. It is written into the model's config by `convert`, and `restore` brings it back.

Axes:  B sequences   n positions   N unpadded positions   T sequences   H heads   D width
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from docgraph.errors import DataError, ModelError
from encoders.attention import attend
from encoders.forest.batch import TreeBatch
from encoders.zero_shot.budget import Budget, CandidateGap, budget_of, select
from encoders.zero_shot.convert import Which, convert, revert, watch
from encoders.zero_shot.form import Form, form_attention, form_call, leaves_per_document
from encoders.zero_shot.layer import Watched
from encoders.zero_shot.layout import layout_of
from encoders.zero_shot.report import hsa_cost, softmax_cost
from encoders.zero_shot.sites import attention_modules
from encoders.zero_shot.windows import Auto, Hierarchy, Windows

Candidate = tuple[Hierarchy, Form]

CANDIDATES: tuple[Candidate, ...] = (
    (Windows((2, 4, 8, 16)), Form()),
    (Windows((8, 4, 2), "own"), Form()),
    (Windows((16, 8), "own"), Form()),
    (Windows((4, 4, 4, 4), "own"), Form("queries", 0, "attention")),
    (Windows((2, 4, 8, 16), "own"), Form("queries", 0, "attention")),
    (Windows((16, 4, 4, 4), "own"), Form("queries", 0, "attention")),
    (Windows((4, *(2,) * 10), "own"), Form("queries", 1, "attention")),
)
"""The paper's form and its neighbours, then the improved ones, cheap before exact.
Each costs a pass over the batches."""

OPENED: tuple[Candidate, ...] = tuple(
    (Windows((4,) * 8, "own"), Form("queries", 0, "moments", opened=m)) for m in (2, 3, 4, 5, 6, 8, 10)
)
"""The closest at their count of products, for layers that see all positions; the search takes time, too."""


@dataclass(frozen=True)
class Calibration:
    """All that was measured, the choice marked; `str` gives a table."""

    measured: tuple[CandidateGap, ...]
    layers: int
    """Layers of the model."""
    flops: float
    """Share of softmax attention that remains in the whole model, on these batches."""
    kl: float
    """Sum of the gaps of the chosen."""

    @property
    def chosen(self) -> list[CandidateGap]:
        """What was converted, layer by layer."""
        return [m for m in self.measured if m.chosen]

    @property
    def flops_saved(self) -> float:
        """Share of the converted layers' attention that is gone, on these batches."""
        before = sum(m.softmax for m in self.chosen)
        return 1 - sum(m.cost for m in self.chosen) / before if before else 0.0

    def __str__(self) -> str:
        lines = ["layer  gap (nats)  of softmax  attention"]
        for m in sorted(self.measured, key=lambda m: (m.layer.tower, m.layer.index, m.cost)):
            mark = " <- chosen" if m.chosen else ""
            name = f"{m.layer.tower} {m.layer.index}".strip()
            lines.append(
                f"{name:<5}  {m.gap:>10.4f}  {100 * m.cost / max(m.softmax, 1):>8.1f} %  {m.hierarchy}; {m.form}{mark}"
            )
        lines.append(
            f"{len(self.chosen)} of {self.layers} layers converted; "
            f"{100 * self.flops_saved:.1f} % of their attention gone, {100 * self.flops:.1f} % of the model's remains; "
            f"total gap {self.kl:.4f} nats"
        )
        return "\n".join(lines)


def calibrate(
    model: PreTrainedModel,
    batches: Iterable[Mapping[str, Any]],
    budget: Budget | Mapping[str, Any] | float,
    *,
    candidates: Iterable[Candidate] = CANDIDATES,
    layers: Which = "*",
) -> Calibration:
    """Measure candidates on data, and convert the set of layers that meets a budget at the least cost.

    Args:
        batches: keyword arguments of the model, such as `tokenizer(texts, return_tensors="pt", ...)`; a few
            dozen documents will do, of the lengths that matter: the longer, the smaller a share HSA costs. They
            are read once, without gradients.
        budget: see `Budget`; a number is the share of the model's attention FLOPs that may remain.
        candidates: pairs of a hierarchy from shape alone and a form, tried in every layer. Those that causal layers
            cannot run are passed over there.
        layers: which layers may be converted.

    Returns:
        A table of gaps and costs with the choice; print it. Nothing is converted where no set of layers is better
        than softmax.

    Raises:
        DataError: there are no batches, or one is not a mapping.
        ModelError: the model cannot be converted, or no set of layers meets the budget.
    """
    budget = budget_of(budget)
    revert(model)
    tried = tuple(candidates)
    if any(hierarchy == "given" for hierarchy, _ in tried):
        raise ModelError('candidates must be hierarchies from shape alone, but one is "given".')
    measured = _measure(model, batches, tried, layers)
    total = len(attention_modules(model))
    if not measured and tried:
        raise ModelError("candidates must hold one that the layers can run, but causal ones run none of these.")
    if not measured or not measured[0].weight:
        raise DataError("batches must hold at least one, but there are none.")
    chosen = select(measured, total, budget)
    for m in chosen:
        m.chosen = True
        convert(model, [m.layer.index], hierarchy=m.hierarchy, form=m.form, tower=m.layer.tower or None)
    softmax = {m.layer.name: m.softmax for m in measured}
    remaining = sum(m.cost - m.softmax for m in chosen) + sum(softmax.values())
    # Layers that were not to be converted are taken to cost what the others do on average.
    mean = sum(softmax.values()) / len(softmax)
    whole = sum(softmax.values()) + mean * (total - len(softmax))
    return Calibration(
        tuple(measured), total, (remaining + mean * (total - len(softmax))) / whole, sum(m.gap for m in chosen)
    )


def _measure(
    model: PreTrainedModel, batches: Iterable[Mapping[str, Any]], candidates: tuple[Candidate, ...], layers: Which
) -> list[CandidateGap]:
    """Run the model as it is, and let the layers tell what they attend over."""
    table: dict[str, list[CandidateGap]] = {}
    try:
        for layer in watch(model, layers, lambda watched: _gaps(watched, table[watched.layer.name])):
            runnable = [
                (h, f) for h, f in candidates if not (layer.causal and (not f.runs_causal or isinstance(h, Auto)))
            ]
            table[layer.name] = [CandidateGap(layer, h, f.for_causal() if layer.causal else f) for h, f in runnable]
        with torch.no_grad():
            for batch in batches:
                if not isinstance(batch, Mapping):
                    raise DataError(
                        "batches must be mappings of the model's arguments, such as "
                        f'tokenizer(texts, return_tensors="pt") gives, but one is a {type(batch).__name__}.'
                    )
                model(**batch)
    finally:
        revert(model)
    return [m for measured in table.values() for m in measured]


def _gaps(watched: Watched, candidates: list[CandidateGap]) -> None:
    """Add one call's divergences and costs to the candidates of its layer."""
    B, H, n, _ = watched.query.shape
    flat = layout_of(Windows(()), (B, n), watched.padding, watched.layer.ends, watched.query.device)
    q, k = (flat.pack(x).float() for x in (watched.query, watched.key))
    lengths = leaves_per_document(flat.forest)
    log_z = _log_partition(q, k, lengths, watched.scale, watched.causal)
    width = watched.layer.original_config.hidden_size
    for m in candidates:
        assert m.hierarchy != "given"
        layout = layout_of(m.hierarchy, (B, n), watched.padding, watched.layer.ends, watched.query.device, watched.key)
        m.divergence += float(divergence(q, k, layout.forest, m.form, watched.scale, watched.causal, log_z).sum())
        m.weight += len(q) * H
        m.cost += hsa_cost(layout.forest, m.hierarchy, m.form, width, H, causal=watched.causal).full
        m.softmax += sum(softmax_cost(length, width, H, causal=watched.causal).full for length in lengths)


def divergence(
    query: Tensor, key: Tensor, forest: TreeBatch, form: Form, scale: float, causal: bool, log_z: Tensor
) -> Tensor:
    """Return KL(P_i || softmax(s_i)) of a form, summed over each document's positions.

    Args:
        query, key: (N, H, D) and (N, K, D), in the order of the leaves.
        log_z: (N, H) log-partition of each position's softmax attention.

    Returns:
        (T, H).
    """
    document = forest.leaf_document
    by_document = log_z.new_zeros(forest.num_documents, log_z.shape[1])
    if form.untie != "rows" and not form.cumulant and form.alpha == 1:
        _, energy = attend(form_call(query, key, key, forest, form, scale=scale, causal=causal))
        count = torch.tensor(leaves_per_document(forest), device=log_z.device)
        return by_document.index_add(0, document, log_z) - energy * count[:, None]
    return by_document.index_add(0, document, _by_weights(query, key, forest, form, scale, causal) + log_z)


def _by_weights(query: Tensor, key: Tensor, forest: TreeBatch, form: Form, scale: float, causal: bool) -> Tensor:
    """(N, H) sum_j P_ij (log P_ij - s_ij), with all of P in memory: one-hot values give it."""
    n, group = len(query), query.shape[1] // key.shape[1]
    one_hot = torch.eye(n, dtype=query.dtype, device=query.device)[:, None].expand(-1, key.shape[1], -1)
    P = form_attention(query, key, one_hot.contiguous(), forest, form, scale=scale, causal=causal)  # (N, H, N)
    logits = torch.einsum("ihd,jhd->ihj", query, key.repeat_interleave(group, dim=1)) * scale
    cost: Tensor = (torch.special.xlogy(P, P) - P * logits).sum(-1)
    return cost


def _log_partition(query: Tensor, key: Tensor, lengths: list[int], scale: float, causal: bool) -> Tensor:
    """(N, H) log of the sum of exponentials that each position's softmax divides by."""
    group = query.shape[1] // key.shape[1]
    parts = []
    for q, k in zip(query.split(lengths), key.split(lengths), strict=True):
        logits = torch.einsum("ihd,jhd->ihj", q, k.repeat_interleave(group, dim=1)) * scale
        if causal:
            position = torch.arange(len(q), device=q.device)
            logits = logits.masked_fill(position > position[:, None, None], -torch.inf)
        parts.append(logits.logsumexp(-1))
    return torch.cat(parts)
