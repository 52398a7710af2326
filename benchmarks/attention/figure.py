"""The figure of the attention benchmark: time against N on log axes, b = 16, a panel for each pass."""

from pathlib import Path
from typing import Any

PASSES = {"forward": "forward", "both": "forward + backward"}
FLOORS = {"plain": "grey", "projections": "black"}


def draw(rows: dict[str, Any], path: Path) -> None:
    """Write the PNG; `rows` are those of the section `balanced`."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for row in rows.values() for name in row["seconds"] if name not in FLOORS))
    colours = {name: f"C{at}" for at, name in enumerate(names)}
    figure = Figure(figsize=(13, 5.5), layout="tight")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (which, title) in zip(panels, PASSES.items(), strict=True):
        chosen = [row for row in rows.values() if row["pass"] == which and row["branching"] == 16]
        chosen.sort(key=lambda row: row["leaves"])
        for name in [*names, *FLOORS]:
            points = [(row["leaves"], 1000 * row["seconds"][name]) for row in chosen if name in row["seconds"]]
            if not points:
                continue
            if name in FLOORS:
                axes.loglog(*zip(*points, strict=True), label=name, linestyle=":", color=FLOORS[name])
            else:
                bold = 2.5 if name in ("ours (cpu)", "ours (triton)") else 1.3
                axes.loglog(
                    *zip(*points, strict=True),
                    "o-",
                    label=name,
                    color=colours[name],
                    markersize=4,
                    linewidth=bold,
                )
        axes.set(xlabel="leaves N", ylabel="milliseconds", title=f"{title}, 8 heads x 64, b = 16")
        axes.set_xscale("log", base=2)
        axes.grid(which="major", alpha=0.3)
    panels[0].legend(fontsize=8)
    figure.savefig(path, dpi=110)
