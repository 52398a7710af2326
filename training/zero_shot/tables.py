"""Outcomes as the paper shows them: Table 3, and Appendix L with all start layers."""

from collections.abc import Sequence

from encoders.zero_shot import Form, Windows
from training.output.markdown import table
from training.zero_shot.subject import Condition, Outcome


def start_layer_conditions(
    layers: int, hierarchies: Sequence[tuple[str, Windows, Form]], step: int = 2
) -> list[Condition]:
    """Return the paper's Appendix L: for each start layer SL, layers SL, SL + 2, ... (SL is 1-based, as there)."""
    return [
        Condition(f"{name}, SL {start + 1}", tuple(range(start, layers, step)), hierarchy, form)
        for name, hierarchy, form in hierarchies
        for start in range(layers)
    ]


def table_3(outcomes: Sequence[Outcome]) -> str:
    """Return the paper's Table 3 as Markdown: original and converted side by side, cost of one replaced layer."""
    head = ["data", "tokens", "condition", "layers", "accuracy", "transferred", "agreement", "cosine", "lowest"]
    rows = []
    for o in outcomes:
        flops = f"{o.softmax_mflops:.4g} -> {o.paper_mflops:.4g}" if o.layers else f"{o.softmax_mflops:.4g}"
        scores = ("-" if score is None else f"{score:.4f}" for score in (o.accuracy, o.transferred))
        closeness = (f"{share:.4f}" for share in (o.agreement, o.cosine, o.lowest_cosine))
        data, layers = f"{o.data} ({o.documents})", ",".join(map(str, o.layers)) or "-"
        costs = flops, f"{100 * o.flops_gone:.1f} %"
        rows.append([data, f"{o.mean_tokens:.0f}", o.condition, layers, *scores, *closeness, *costs])
    return table([*head, "paper's MFLOPs a layer", "attention gone"], rows)


def appendix_l(outcomes: Sequence[Outcome]) -> str:
    """Return the paper's Appendix L as Markdown: one row a hierarchy, one column a start layer; then the original."""
    original = {o.data: o for o in outcomes if not o.layers}
    rows: dict[tuple[str, str], dict[int, Outcome]] = {}
    for o in outcomes:
        if ", SL " in o.condition:
            name, start = o.condition.rsplit(", SL ", 1)
            rows.setdefault((o.data, name), {})[int(start)] = o
    starts = sorted({s for row in rows.values() for s in row})
    body = []
    for (data, name), row in rows.items():
        cells = [f"{_score(row[s]):.3f} ({row[s].cosine:.3f})" if s in row else "" for s in starts]
        body.append([data, name, *cells, f"{_score(original[data]):.3f}"])
    head = ["data", "hierarchy and form", *(f"SL {s}" for s in starts), "original"]
    return (
        f"{table(head, body)}\n\nAccuracy with the probe (or head) of the original model, in brackets the mean cosine."
    )


def _score(outcome: Outcome) -> float:
    score = outcome.accuracy if outcome.transferred is None else outcome.transferred
    assert score is not None  # a head's accuracy is always known
    return score
