"""Parsers: bytes of a page, a site, plain text, Markdown or an article record in; a `Document` out.

html/ site/             a page, bytes to document; many pages as one graph
text article            plain text; a record of named fields
markdown_text           Markdown, through the HTML that it stands for; its front_matter
decode files signatures bytes to text, for all of them; which parser a file's name asks for
"""
