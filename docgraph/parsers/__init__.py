"""Parsers: bytes of a page, a site, plain text, Markdown or an article record in; a `Document` out."""
