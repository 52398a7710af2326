"""The kinds of thing that a record is labelled with, by the names that transformers has for them.

single_label_classification   one label                     Record.label
multi_label_classification    any number of labels          Record.labels
regression                    a number                      Record.value
"""

from typing import Final, Literal, get_args

ProblemType = Literal["single_label_classification", "multi_label_classification", "regression"]
PROBLEM_TYPES: Final[tuple[ProblemType, ...]] = get_args(ProblemType)
SINGLE, MULTI, REGRESSION = PROBLEM_TYPES
