"""A document in other forms: JSON, networkx, Markdown, an outline to read. Each module is one form."""
