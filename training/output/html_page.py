"""A web page of one file, for reports: it needs nothing else and asks nothing of the network."""

import base64
import html
from typing import Final


def html_page(title: str, body: str) -> str:
    """Return a page; the title is text, the body markup."""
    return PAGE.format(title=html.escape(title), body=body)


def image_tag(png: bytes, alt: str) -> str:
    """Return markup that shows an image which it holds."""
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


PAGE: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .25rem .75rem; border-bottom: 1px solid #ddd; text-align: left; overflow-wrap: anywhere; }}
img {{ max-width: 100%; }}
</style></head>
<body>
{body}
</body></html>
"""
