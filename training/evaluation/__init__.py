"""What a run is worth: `training.evaluate` measures, and these say how, beside what, and write it down.

metrics            scores of one split: accuracy, macro-F1, classes, confusion, calibration
baselines          simple classifiers on the same records; `significance` of differences, and intervals
evaluate_targets   the same for several labels a record, or a number
predictions        what a model says of one record; `label_paths` where labels stand one above the other
report             as a page, JSON or Markdown; report_figures, `views` of the surest mistakes
card               the model card
"""
