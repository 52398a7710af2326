"""Vectors of leaves: of sub-words (`scratch_text`, `pretrained_text`) and of images (`image`, `image_statistics`).

`pooling` makes means of sub-words.
"""
