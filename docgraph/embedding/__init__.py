"""Vectors of documents and of every node in them, without torch: by any encoder of texts, or by the small one here.

nodes.py        which texts a node's vector is made of, with what weights
levels.py       which nodes have one
reader.py       TextReader: documents in, vectors of their nodes out, by any encoder of texts
embeddings.py   Embeddings: what comes out; arrow.py: as Arrow tables
pieces.py       WordPiece: a text to the rows of a vocabulary
static.py       StaticEmbedder: the model that docgraph brings, a vector for each piece, added up

encoders.Embedder is the same over pre-trained encoders.
"""
