"""Many files to one file of documents, on all cores, resumably.

files      what paths stand for: folders searched, an id for each file
run        parse_many: the work shared out to processes, one bad file costing itself only
archives   pages inside zip, WARC and parquet files
pages      ParsePages: pages to rows, for parse_many and any engine       batches    the forms that engines give columns
rows       what goes into the output: a document's row, a failure
shards     results in shards, each there whole or not at all       on_ray     shards done by a Ray cluster
output     JSON lines, the lock, errors.jsonl; read_many       parquet    the same as parquet, in parts
"""
