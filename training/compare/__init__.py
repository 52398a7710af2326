"""Kinds of attention side by side: `run` trains them, each in a process of its own (`worker`), `significance` tests
differences, `report` writes the page.
"""
