"""A web page: bytes to Document. The stages, in the order in which a page passes them:

page                    parse_html: decode, run the stages, assemble the Document
elements    offsets     bytes -> element tree; where each tag stands in the source
metadata/               title, authors, dates, language ... from JSON-LD, meta tags and the page itself
flow                    elements -> a flow of text blocks, in reading order (tags: what an element means)
figures  images  tables       what a figure, an image and a table hold
main/                   which blocks are the main text: features -> forest -> choose; roles of the rest
tree        nodes       blocks -> sections, lists, paragraphs, sentences as nodes
"""
