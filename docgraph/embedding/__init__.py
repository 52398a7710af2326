"""Vectors of documents and of every node in them, by any encoder of texts; without torch.

nodes.py        which texts a node's vector is made of, with what weights
reader.py       TextReader: documents in, vectors of their nodes out
embeddings.py   Embeddings: what comes out

encoders.Embedder is the same over pre-trained encoders.
"""
