"""Processes as /proc shows them: those of a session, and those that another one started."""

from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are counted in /proc")


def _living() -> dict[int, list[str]]:
    """Fields of each living process from its state on: state, parent, group, session, ..."""
    living = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields and fields[0] not in "ZX":
            living[int(file.parent.name)] = fields
    return living


def in_session(session: int) -> set[int]:
    """Processes of a session."""
    return {pid for pid, fields in _living().items() if int(fields[3]) == session}


def children_of(parent: int) -> set[int]:
    """Processes that a process started and that are still there."""
    return {pid for pid, fields in _living().items() if int(fields[1]) == parent}
