"""Many nodes, many pages, several processors: see `__main__`."""
