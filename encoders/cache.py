"""Arrays kept by content: the same caption, logo or boilerplate is encoded once, the same image decoded once.

    (scope, digest) -> (rows, width) array of one dtype

For features of a frozen encoder the scope is a fingerprint of the encoder (its weights and how it reads), for
prepared images the model's image size; the digest hashes the content. Kept in memory, and on disk where a file
is given: one SQLite file that training, evaluation and embedding share, and that several processes may write at once.
"""

import hashlib
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import nn
from torch.distributed.tensor import DTensor

Features = NDArray[Any]
LOCKED_SECONDS = 60
"""How long to wait for another process that writes."""


def fingerprint(module: nn.Module, extra: object = ()) -> str:
    """Return a hash of a module's class, weights and `extra` (anything with a stable repr)."""
    content = hashlib.blake2b(repr((type(module).__name__, extra)).encode(), digest_size=12)
    for name, tensor in sorted(module.state_dict().items()):
        content.update(name.encode())
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        content.update(whole.detach().cpu().contiguous().float().numpy().tobytes())
    return content.hexdigest()


def cache_scope(encoder: str, device: torch.device) -> str:
    """Return the scope of an encoder's features: its fingerprint, and the arithmetic if that is not float32."""
    if not torch.is_autocast_enabled(device.type):
        return encoder
    return f"{encoder} {torch.get_autocast_dtype(device.type)}"


class FeatureCache:
    """Arrays by scope and digest, in memory and in an optional SQLite file.

    Args:
        path: the file; its folder is made. None keeps arrays in memory only.
        memory_bytes: bound of what stays in memory; the oldest goes first.
        dtype: of every array; a file holds one dtype.
    """

    def __init__(
        self, path: str | Path | None = None, memory_bytes: int = 2_000_000_000, dtype: DTypeLike = np.float32
    ) -> None:
        self.path = None if path is None else Path(path)
        self.memory_bytes = memory_bytes
        self.dtype = np.dtype(dtype)
        self.hits = self.misses = 0
        self._held: dict[tuple[str, bytes], Features] = {}
        self._size = 0
        self._connection: sqlite3.Connection | None = None
        self._opened_by = 0

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "memory_bytes": self.memory_bytes, "dtype": self.dtype}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def get(self, scope: str, digests: Sequence[bytes]) -> list[Features | None]:
        """Return the array of each digest, None where it is not known. Not to be written to."""
        missing = [digest for digest in dict.fromkeys(digests) if (scope, digest) not in self._held]
        known: dict[bytes, Features] = {}
        if missing and (database := self._database()) is not None:
            for digest in missing:
                row = database.execute(
                    "SELECT width, data FROM features WHERE scope=? AND digest=?", (scope, digest)
                ).fetchone()
                if row is not None:
                    known[digest] = np.frombuffer(row[1], dtype=self.dtype).reshape(-1, row[0])
            self._hold(scope, known)
        arrays = [self._held.get((scope, digest), known.get(digest)) for digest in digests]
        self.hits += sum(features is not None for features in arrays)
        self.misses += sum(features is None for features in arrays)
        return arrays

    def put(self, scope: str, features: Mapping[bytes, Features]) -> None:
        """Keep the (rows, width) arrays of some digests."""
        self._hold(scope, features)
        if (database := self._database()) is not None:
            rows = [
                (scope, digest, f.shape[1], np.ascontiguousarray(f, self.dtype).tobytes())
                for digest, f in features.items()
            ]
            with database:
                database.executemany("INSERT OR IGNORE INTO features VALUES (?, ?, ?, ?)", rows)

    def _hold(self, scope: str, features: Mapping[bytes, Features]) -> None:
        for digest, value in features.items():
            if (scope, digest) not in self._held:
                self._held[scope, digest] = value
                self._size += value.nbytes
        while self._size > self.memory_bytes and len(self._held) > 1:
            self._size -= self._held.pop(next(iter(self._held))).nbytes

    def _database(self) -> sqlite3.Connection | None:
        if self.path is None:
            return None
        if self._connection is not None and self._opened_by == os.getpid():
            return self._connection  # one that a fork inherited must not be used
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._connection, self._opened_by = _opened(self.path), os.getpid()
        return self._connection


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file, or make it.

    Two processes that make it at once can both be told that it is locked, without the wait that SQLite has for
    everything else: they try again.
    """
    start = time.monotonic()
    while True:
        connection = sqlite3.connect(path, timeout=LOCKED_SECONDS)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS features (scope TEXT, digest BLOB, width INTEGER, data BLOB, "
                "PRIMARY KEY (scope, digest))"
            )
        except sqlite3.OperationalError as error:
            connection.close()
            if "locked" not in str(error) or time.monotonic() - start > LOCKED_SECONDS:
                raise
            time.sleep(0.02)
            continue
        return connection
