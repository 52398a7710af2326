"""From documents to tensors: `processor` expands leaves, `collate` batches them, `encoded` is the batch.

settings        what of a document becomes a leaf; images: how they are prepared
vocabulary      sub-words, of one's own text or of a pre-trained tokenizer
rows            one document as arrays; graph_features: where a node stands among a graph's edges
"""
