"""Learning from documents: data sets, training, evaluation, embedding to files, and the command line.

At the door, what the command and other programs call:

config recipes   all that decides a run, and named settings of it; `choose` looks at the data where none is named
fit              from a data set to a model; `finish` is the end of a run: best weights, scales, scores, the model card
run_folder       who may write into a run's folder, and all that is in it
evaluate         scores on a split, beside simple rivals; predictions for new documents
inputs           what a command is given, one document at a time
installed        says which extra is missing, before torch is imported in vain

The rooms, each with a map of its own:

cli/             a file for each command
datasets/        labelled documents from files: load(path) -> Corpus
learning/        what `fit` goes through: the first model, batches, Trainer, budget of time, calibration
parts/           a classifier as a sum of parts: regressions beside the transformer, chosen out of fold
evaluation/      what a run is worth: scores, rivals, significance, reports, model card
compare/         kinds of attention side by side       adapt/  an encoder for pages of one's own, without labels
zero_shot/       HSA inside pre-trained models, measured
jobs/            embed, index, chunk, tools for agents, demo
output/          how files, tables, figures and pages are written, and what made them
"""
