"""Make a text encoder better at some pages, by what their structure says, without labels.

    documents ─ docgraph.pairs.mine ─> pairs ─ plan.py ─> train | dev | test ─ trainer.py ─> best on dev
                                                                    └─ measure.py ─> gain on test ─ run.py ─> folder

plan.py      held-out documents, and batches in which siblings are each other's negatives
measure.py   nDCG@10 of finding the targets of held-out pairs, and the gain with its interval
trainer.py   contrastive training within a time
card.py      the model card
run.py       adapt: all of it, in a folder; goes on where it was cut off
"""
