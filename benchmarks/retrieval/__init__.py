"""Retrieval: nodes of pages found by questions, definitions, headings and captions; see __main__.py."""
