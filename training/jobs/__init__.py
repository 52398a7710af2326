"""What commands do beside learning; most of it needs no torch.

embed         vectors of documents and nodes to one parquet file, by way of `shards`
embedders     by which text encoder
indexing      an index of many documents, on Ray
chunk         pieces of bounded size, a line or row each
agent_tools   search and read for agents, by the Model Context Protocol
demo          the main job on the sample documents, start to finish
"""
