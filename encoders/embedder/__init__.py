"""Vectors of documents and of every node in them, from a pre-trained encoder as it is, without labels or training.

embedder.py   Embedder: encode(documents, level), encode_query(texts)
texts.py      texts to vectors: sentence-transformers' models, sorted, each text once, kept on disk
late.py       passages that are read with the page around them
batches.py    EmbedNodes: batches of documents to rows of vectors, for any engine
runs.py       the same interface for a trained classifier

What needs no torch, such as which texts a node's vector is made of, is in docgraph/embedding.
"""
