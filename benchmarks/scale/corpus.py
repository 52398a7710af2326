"""Many pages parsed and embedded, by this machine alone and by Ray on it: memory, seconds, and the same rows.

Pages are those of a folder, again and again, each with a sentence of its own. Memory is the most that the command and
all its processes held at once (proportional set size, read four times a second): flat if ten times the pages take no
more. At the larger size Ray's command gets SIGKILL when a few shards are there, and is given again. Rows are compared
in order, text to the bit, vectors to 1e-5. `docgraph embed` has one process here, and parses the pages itself.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import pyarrow.dataset as arrow

COMMANDS: Final = {"parse": [], "embed": ["--model", "docgraph-static", "--level", "passage"]}
SECONDS: Final = 0.25


def make(source: Path, folder: Path, count: int) -> Path:
    """Write so many pages, each a copy of one of a folder with a sentence of its own."""
    pages = sorted(source.glob("*.html"))
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(len(list(folder.iterdir())), count):
        own = f"<p>This is copy {number} of a page, which differs from the others by this sentence.</p>".encode()
        markup = pages[number % len(pages)].read_bytes()
        (folder / f"{number:06}.html").write_bytes(
            own + markup if b"</body" not in markup else _before_end(markup, own)
        )
    return folder


def _before_end(markup: bytes, own: bytes) -> bytes:
    head, end, rest = markup.rpartition(b"</body")
    return head + own + end + rest


def held(process: psutil.Process) -> int:
    """Return the bytes that a process and all below it hold."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def run(verb: str, pages: Path, output: Path, engine: str, workers: int, *, kill_at: int = 0) -> dict[str, Any]:
    """Run a command to its end; with `kill_at`, once to so many shards and then again. Seconds are of all that."""
    command = [sys.executable, "-m", "training.cli", verb, str(pages), "--output", str(output), "--engine", engine]
    command += ["--quiet", *COMMANDS[verb], *(["--workers", str(workers)] if workers > 1 else [])]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    begin, most, killed_at = time.monotonic(), 0, None
    while True:
        done = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
        watched = psutil.Process(done.pid)
        while done.poll() is None:
            most = max(most, held(watched))
            if kill_at and killed_at is None and (shards := len(list(output.glob("part-*.parquet")))) >= kill_at:
                os.kill(done.pid, signal.SIGKILL)
                killed_at = shards
            time.sleep(SECONDS)
        if done.returncode == 0:
            return {"seconds": round(time.monotonic() - begin, 1), "mb": most >> 20, "killed_at": killed_at}
        if killed_at is None or done.returncode != -signal.SIGKILL:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}")


def rows_of(path: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield the rows of an output in order, and the vector of each."""
    for batch in arrow.dataset(path, format="parquet").to_batches(batch_size=500):
        vectors: Any = [None] * len(batch)
        if "vector" in batch.schema.names:
            vectors = batch["vector"].flatten().to_numpy().reshape(len(batch), -1)
            batch = batch.drop_columns(["vector"])
        yield from zip(batch.to_pylist(), vectors, strict=True)


def same(one: Path, other: Path) -> dict[str, Any]:
    """Return whether two outputs have the same rows in the same order, how many, and how many ids are there twice."""
    ids, alike = [], True
    for left, right in zip_longest(rows_of(one), rows_of(other)):
        alike &= left is not None and right is not None and left[0] == right[0]
        if right is not None:
            ids.append(right[0]["id"])
        if alike and left[1] is not None:
            alike = bool(np.abs(left[1] - right[1]).max() <= 1e-5)
    return {"rows": len(ids), "twice": len(ids) - len({*ids}), "same": alike}


def measure(source: Path, folder: Path, sizes: list[int], workers: int) -> list[dict[str, Any]]:
    """Return a row for each size, command and engine."""
    rows = []
    for size in sizes:
        pages = make(source, folder / f"pages-{size}", size)
        for verb in COMMANDS:
            outputs = {engine: folder / f"{verb}-{engine}-{size}" for engine in ("local", "ray")}
            outputs["local"] = outputs["local"].with_suffix(".parquet")
            for engine, output in outputs.items():
                for left in folder.glob(output.name + "*"):
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
                kill_at = 0 if engine == "local" or size < max(sizes) else 3
                own = 1 if (verb, engine) == ("embed", "local") else workers
                rows.append({"pages": size, "command": verb, "engine": engine, "workers": own})
                rows[-1] |= run(verb, pages, output, engine, own, kill_at=kill_at)
                if engine == "ray":
                    rows[-1] |= same(outputs["local"], output)
                print(rows[-1], flush=True)
        shutil.rmtree(pages)
    return rows
