"""A Ray cluster of two nodes on this machine, one of which is killed in the middle of a job: every row is there once.

The node's processes get SIGKILL when a third of the shards is there. What the cluster wrote is then held against what
`parse_many` writes here, row by row.
"""

import os
import shutil
import time
from pathlib import Path
from typing import Any, Final

from docgraph import parse_many
from docgraph.bulk.on_ray import OnRay

_NOTICED: Final = 60
"""Seconds in which Ray must have noticed that a node is dead, on a busy machine, too."""


def run(pages: Path, folder: Path) -> dict[str, Any]:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    import pyarrow.parquet
    import ray
    from ray.cluster_utils import Cluster

    shutil.rmtree(folder, ignore_errors=True)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    node = cluster.add_node(num_cpus=1)
    ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
    killed_at = None
    shards = total = 0

    def watch(done: int, of: int) -> None:
        nonlocal killed_at, shards, total
        shards, total = len(list((folder / "on_ray").glob("part-*.parquet"))), of
        if killed_at is None and done >= of / 3:
            print(f"{done} of {of} pages are there; the second node is killed", flush=True)
            cluster.remove_node(node, allow_graceful=False)
            killed_at = done

    begin = time.monotonic()
    counts = parse_many(pages, folder / "on_ray", engine=OnRay(cluster.address, workers=2), progress=watch)
    seconds = time.monotonic() - begin
    until = time.monotonic() + _NOTICED
    while (alive := sum(one["Alive"] for one in ray.nodes())) > 1 and time.monotonic() < until:
        time.sleep(0.5)
    ray.shutdown()
    cluster.shutdown()
    parse_many(pages, folder / "here.parquet", workers=1)
    tables = [pyarrow.parquet.read_table(folder / name) for name in ("on_ray", "here.parquet")]
    ids = tables[0]["id"].to_pylist()
    return {
        "pages": total, "killed_at": killed_at, "nodes_alive": alive, "seconds": round(seconds, 1),
        "written": counts.written, "failed": counts.failed, "twice": len(ids) - len(set(ids)), "shards": shards,
        "same_as_here": tables[0].equals(tables[1]),
    }  # fmt: skip
