"""What `training.fit` goes through, in this order.

new_model     the model a run starts with: vocabulary, sizes, `pretrained` weights from installed packages
targets       what is to be said of each record, and the loss
batches       records encoded once, batches of bounded cost that every process agrees on
trainer       transformers' Trainer for documents; `budget` of time, `progress` to look at, `checkpoints` on disk
calibration   scales of the logits, on records that were not learned; `thresholds` where a record may have several
              labels
"""
