"""Kinds of attention side by side: `run` trains them, each in a process of its own (`worker`), and tests their
differences; `report` writes the page.
"""
