"""Learning from documents: data sets, training, evaluation, embedding to files, and the command line.

cli/             a file for each command; datasets/ labelled documents from files; compare/, adapt/, zero_shot/ its jobs
inputs           what a command is given, one document at a time; `installed` says which extra is missing

A run, in the order in which it happens:

config recipes   all that decides a run, and named settings of it; `choose` looks at the data where none is named
run_folder       who may write into it, and all that is in it; files, provenance, checkpoints
fit              from a data set to a model: new_model, pretrained, targets (what is to be said of each record)
trainer          transformers' Trainer for documents: `batches` of bounded cost, `budget` of time, `progress` to look at
calibration      scales of the logits; `thresholds` where a record may have several labels
stacking         instead: a sum of parts. linear_parts, linear_fit, part_choice; noise (doubtful labels), label_paths
card             the model card

What a run is worth:

evaluate         scores on a split, beside `baselines`; evaluate_targets for several labels or numbers; metrics
report           as a page, JSON or Markdown: report_figures, html_page, `views` of the surest mistakes

Other jobs: embed, shards (vectors to a file; embedders: by which encoder), indexing (on Ray), chunk, predictions (as
lines), agent_tools (MCP), demo. For any of them: figures, markdown.
"""
