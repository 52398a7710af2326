"""Modules by the names that version 0.1.0 had for them, so that its pickles load.

A pickle names the module of each class. Where one has moved, the old name is answered with what the new module holds.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

MOVED: Final = {
    "encoders.batch": "encoders.forest.batch",
    "encoders.encoded": "encoders.inputs.encoded",
    "encoders.image": "encoders.inputs.images",
    "encoders.processor": "encoders.inputs.processor",
    "encoders.zero_shot.cost": "encoders.zero_shot.report",
    "encoders.zero_shot.forms": "encoders.zero_shot.form",
    "encoders.zero_shot.hierarchy": "encoders.zero_shot.windows",
}


class _MovedModules(MetaPathFinder, Loader):
    """Finds the modules of `MOVED`, last of all finders."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        whole = import_module(MOVED[module.__name__])
        module.__dict__.update({name: value for name, value in vars(whole).items() if not name.startswith("__")})


def answer_old_names() -> None:
    """Let the old names be imported; nothing is loaded until one is."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(_MovedModules())
