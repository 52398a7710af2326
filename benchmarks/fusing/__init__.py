"""Does knowing the tree improve the vectors of a page's nodes? See __main__.py."""
