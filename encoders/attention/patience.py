"""When "auto" compiles for the CPU: where that is done already, or will be repaid.

    call ─ is_compiled_by_now ─> cpu: kernels for such calls are at hand, or `REPAID` numbers have gone without them
                                 torch: neither yet

Kernels of one kind take 5 to 30 s of compiling, once on a machine; most of those who try a tree or embed a page are
done long before. Who waits until going without has cost as much as compiling loses at most that much again, whatever
comes. Numbers are counted and not seconds, so that the same work compiles at the same place.
"""

from collections import Counter
from typing import Any, Final, NamedTuple

import torch

from encoders.attention.call import AttentionCall

REPAID: Final = 1_000_000_000
"""Numbers of queries, keys and values for which `torch` takes longer than `cpu` by what compiling takes: 16,384 leaves
of 8 heads x 64 are 25 million, and take .3 s more, .8 s with gradients; kernels take 11 s to compile, and 26 s."""


class _Kind(NamedTuple):
    """What kernels are compiled for."""

    untied: bool
    pooled: bool
    opened: bool
    dtype: torch.dtype
    backward: bool


_gone: Counter[_Kind] = Counter()
"""Numbers that have gone without kernels of their kind."""
_at_hand: set[_Kind] = set()
_waits = True


def compile_at_once() -> None:
    """Let "auto" compile at the first call from now on, in this process.

    Training does, so that its numbers do not depend on what was compiled before it.
    """
    global _waits
    _waits = False


def is_compiled_by_now(call: AttentionCall) -> bool:
    """Whether kernels for such calls are compiled, on disk or in this process, or should be now."""
    kind = _kind_of(call)
    if kind in _at_hand:
        return True
    if not _waits or (kind not in _gone and _are_compiled(kind)):
        _at_hand.add(kind)
        return True
    _gone[kind] += call.query.numel() + call.key.numel() + call.value.numel()
    if _gone[kind] >= REPAID:
        _at_hand.add(kind)
    return kind in _at_hand


def note_compiled(call: AttentionCall) -> None:
    """Note that somebody asks for the kernels of such calls by name, and so compiles them."""
    _at_hand.add(_kind_of(call))


def _kind_of(call: AttentionCall) -> _Kind:
    tensors = (call.query, call.key, call.value, call.query_position, call.key_position, call.pooling)
    wanted = any(tensor.requires_grad for tensor in tensors if isinstance(tensor, torch.Tensor))
    return _Kind(call.untie is not None, call.pooled, call.opened > 0, call.wide, wanted and torch.is_grad_enabled())


def _are_compiled(kind: _Kind) -> bool:
    from encoders.attention.cpu import backward, forward, opened_leaf, untied

    if kind.opened:
        entries = [opened_leaf.open_leaves, *([opened_leaf.open_leaves_back] if kind.backward else [])]
        return all(_has(entry, kind.dtype) for entry in entries)
    if kind.untied:
        entries = [untied.attend_cells, *([untied.attend_cells_back] if kind.backward else [])]
        return all(_has(entry, kind.dtype) for entry in entries)
    entries = [forward.ascend, *([backward.ascend_back, backward.descend_back] if kind.backward else [])]
    return _has(forward.descend, kind.dtype) and all(_has(entry, kind.dtype, kind.pooled) for entry in entries)


def _has(entry: Any, dtype: torch.dtype, pooled: bool | None = None) -> bool:
    """Whether Numba has machine code of a function for arguments of a dtype, on this processor."""
    found = list(entry.overloads)
    if file := getattr(entry._cache, "_cache_file", None):  # none where no folder can be written
        machine = entry.targetctx.codegen().magic_tuple()
        found += [arguments for arguments, built_for, _ in file._load_index() if built_for == machine]
    name = str(dtype).removeprefix("torch.")
    return any(name in (text := str(arguments)) and pooled in (None, "Pool(" in text) for arguments in found)
