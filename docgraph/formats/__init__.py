"""A document in other forms: JSON, networkx, Markdown, an outline to read. Each module is one form.

json  networkx  markdown (markdown_inline: within a block)  outline  notebook
docling, frameworks (LangChain, LlamaIndex, Haystack)       each needs the extra of its name
"""
