"""A web page: bytes to Document. The stages, in the order in which a page passes them:

page                    parse_html: decode, run the stages, assemble the Document
elements    offsets     markup -> element records; where each tag stands in the source; `streamed` puts in place what
                        comes late, `slots` what a shadow tree shows, `steps` are the records' xpaths
flow        rules       elements -> text blocks in reading order, a rule for each kind of element (`image_rules` has
                        those that show images); `reader` is the state, `blocks` the text; `titled`, `headings`,
                        `formulas`, `code` and `twins` are what some rules need
metadata/               title, authors, dates, language ... from JSON-LD, meta tags and the page itself
figures     images      which image stands with which caption (`captions`: what says it is one; `cards`: what is a
                        figure without the name); the image of an `img`
main/                   which blocks are the main text: features -> forest -> choose; roles of the rest
tree                    text blocks -> the document's nodes: `structures` has a rule for each kind of structure,
                        `walk` holds what is open, `tables` places cells, `entries` are those of live blogs,
                        `nodes` writes blocks and images

Beside them: `tags` (what each tag, role and class name means, as data), `visibility` (what nobody sees), `panels` (what
a button opens) and `style_sheets` (what a page's own sheets hide, by their `selectors`, on `screens` of a desk).
"""
