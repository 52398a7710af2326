"""What was made of the tensor that was seen last.

The layers of a model hand over the same mask one after the other: it is read, and a GPU waited for, once.
"""

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from torch import Tensor

Value = TypeVar("Value")


class LastSeen(Generic[Value]):
    """One value, by the tensor it was made of and by what else was asked.

    A tensor is known by identity and version, so one that was changed in place is read again. It is not kept alive.
    Tensors of inference mode have no version and are read every time.
    """

    def __init__(self) -> None:
        self._last: tuple[weakref.ref[Tensor], object, Value] | None = None

    def get(self, tensor: Tensor, make: Callable[[], Value], *asked: object) -> Value:
        """Return what `make` gave for this tensor and these further arguments last time, or make it."""
        if tensor.is_inference():
            return make()
        last, key = self._last, (tensor._version, asked)  # read once: other threads may replace it
        if last is not None and last[0]() is tensor and last[1] == key:
            return last[2]
        value = make()
        self._last = weakref.ref(tensor), key, value
        return value
