"""What each part of a trained classifier with a wide part is worth: the transformer alone, the regression alone, both.

    docgraph train --recipe reviews-imdb --data ../shared/data/text/imdb_train.jsonl.gz --output runs/imdb
    python -m benchmarks.training.wide_parts runs/imdb --data ../shared/data/text/imdb_train.jsonl.gz

Prints the accuracy of each on the test split (dev where there is none) of one run, and how far both together are from
each alone, by paired bootstrap over its records. The dev split chose the run's epoch, by the transformer alone, and
fitted how much each part counts in the sum.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from docgraph.errors import DataError
from training.evaluate import evaluate
from training.evaluation.significance import paired_bootstrap
from training.run_folder import RunFolder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a trained model")
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    corpus = RunFolder(args.run).corpus(args.data)

    def right(part: str) -> NDArray[np.bool_]:
        """(1, N) which records one part, or both, predict right."""
        model = RunFolder(args.run).model()
        if model.regression is None:
            raise DataError(
                f"{args.run} must hold a model with a regression on n-grams, "
                "but it was trained with regression_ngrams=0."
            )
        if part == "transformer":
            model.regression = None
        if part == "regression":
            with torch.no_grad():
                for parameter in model.classifier[-1].parameters():
                    parameter.zero_()
        found = evaluate(model, corpus, "test", with_baselines=False)
        return np.array([[one.label == one.predicted for one in found.predictions]])

    both = right("both")
    print(f"both: {both.mean():.4f} of {both.size} records")
    for part in ("transformer", "regression"):
        alone = right(part)
        found = paired_bootstrap(both, alone)
        print(
            f"{part} alone: {alone.mean():.4f}; both − {part} {100 * found.value:+.2f} points "
            f"({100 * found.low:+.2f} to {100 * found.high:+.2f})"
        )


if __name__ == "__main__":
    main()
