"""Kinds of attention side by side: `run` trains them, `significance` tests differences, `report` writes the page."""
