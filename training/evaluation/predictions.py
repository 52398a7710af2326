"""What a model says of one record: as a line of JSON, and as a line for the terminal."""

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from training.datasets.nodes import node_rows
from training.datasets.page_nodes import PageNode
from training.evaluation.label_paths import are_paths, best_path

if TYPE_CHECKING:
    from encoders.predict import Prediction


@dataclass(frozen=True, kw_only=True)
class RecordPrediction:
    """What was predicted for one record."""

    id: str
    label: str | None
    """None if the record has none."""
    predicted: str
    probability: float
    probabilities: dict[str, float]
    """Every label's, most probable first."""
    labels: tuple[str, ...] | None = None
    """Of a model for several labels: those that it gives the record."""
    value: float | None = None
    """Of a regression: what it says."""
    distance: float | None = None
    """From the training documents, where the model tells that."""
    off_topic: bool | None = None
    evidence: tuple[dict[str, Any], ...] | None = None
    """Parts of the document that count most for what is predicted, if that was asked for: their `row`, `kind`, `text`
    and the `value` that would be lost without them, in nats or in the regression's unit."""
    node: PageNode | None = None
    """Of a model that labels nodes of pages: the node."""

    @classmethod
    def of(
        cls,
        id: str,
        label: str | None,
        prediction: "Prediction",
        evidence: tuple[dict[str, Any], ...] | None = None,
        node: PageNode | None = None,
    ) -> "RecordPrediction":
        """Join what the model says of a document with the record that it is of."""
        said = prediction._asdict()
        return cls(id=id, label=label, predicted=said.pop("label"), evidence=evidence, node=node, **said)

    def to_json(self) -> str:
        """Return the prediction as one line of JSON: what the model has to say, no more."""
        values = asdict(replace(self, node=None))
        del values["node"]
        if self.node is not None:
            of_node = {name: getattr(self.node, name) for name in ("row", "path", "kind", "headings", "text")}
            values = {"id": values.pop("id"), **of_node, **values}
        single = ("label", "predicted", "probability")
        unsaid: tuple[str, ...] = () if self.off_topic is not None else ("distance", "off_topic")
        if self.value is not None:
            unsaid += (*single, "probabilities", "labels")
        else:
            unsaid += ("value", *(single if self.labels is not None else ("labels",)))
        for name in (*unsaid, *(("evidence",) if self.evidence is None else ())):
            del values[name]
        if self.probabilities and self.labels is None and are_paths(list(self.probabilities)):
            values["above"] = best_path(self.probabilities)
        return json.dumps(values, ensure_ascii=False)

    def row(self, page: str) -> dict[str, Any]:
        """Return the prediction of a node as a row of the table that `docgraph nodes` writes, its label filled in.

        Args:
            page: what the page is called there.
        """
        assert self.node is not None
        said = {f"p_{label}": f"{value:.4f}" for label, value in sorted(self.probabilities.items())}
        return {**next(node_rows(page, [self.node])), "label": self.predicted, **said}

    def line(self, top: int) -> str:
        """Return the prediction as a line for the terminal, with some labels at most."""
        flag = " (off topic)" if self.off_topic else ""
        if self.node is not None:
            flag += f"  {self.node.kind} {self.node.text[:60]!r}"
        parts = "".join(f"\n    {one['value']:+.3f} {one['text']:.100}" for one in self.evidence or ())
        if self.value is not None:
            return f"{self.id}: {self.value:.3f}{flag}{parts}"
        best = list(self.probabilities.items())[: max(top, len(self.labels or ()))]
        given = self.labels or ()
        said = ", ".join(f"{label} {value:.3f}{' *' if label in given else ''}" for label, value in best)
        return f"{self.id}: {said}{flag}{parts}"
