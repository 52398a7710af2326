"""From documents to tensors: `processor` expands leaves, `collate` batches them, `encoded` is the batch."""
