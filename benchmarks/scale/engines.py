"""Pages a second of each engine, with as many workers; starting Ray and importing docgraph are not counted."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ONE = """
import json, sys, time
from docgraph import parse_many

def ready():
    from docgraph import parse_html
    parse_html("<p>One.")
    time.sleep(1)

if __name__ == "__main__":
    pages, output, workers, engine = sys.argv[1:]
    ready()
    if engine == "ray":
        import ray
        from docgraph.bulk.on_ray import OnRay
        ray.init("local", num_cpus=int(workers), include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        ray.get([ray.remote(ready).remote() for _ in range(int(workers))])  # processes are there
        counts = parse_many(pages, output, engine=OnRay(workers=int(workers)))
    else:
        counts = parse_many(pages, output, workers=int(workers))
    print(json.dumps({"pages": counts.written, "seconds": counts.seconds}))
"""


def pages_per_second(pages: Path, folder: Path, name: str, workers: int) -> dict[str, Any]:
    """Parse all pages in a process of its own, and return pages a second."""
    script = folder / "one.py"
    script.write_text(ONE)
    output = folder / f"{name}-{workers}-{time.time():.0f}.parquet"
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    done = subprocess.run(
        [sys.executable, script, pages, output, str(workers), name], capture_output=True, env=environment, check=True
    )
    counts = json.loads(done.stdout.splitlines()[-1])
    output.unlink()
    return {"engine": name, "workers": workers, **counts, "pages_per_s": round(counts["pages"] / counts["seconds"], 1)}
