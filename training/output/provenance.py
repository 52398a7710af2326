"""What made a result: command, date, versions, commit, and the machine that its times depend on. Loads no torch."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = ("docgraph", "torch", "transformers", "timm", "scikit-learn")


def environment(*more: str) -> dict[str, Any]:
    """Return what made a result: date, command, versions (of `more` packages, too), and the commit in a repository."""
    versions = {}
    for package in (*PACKAGES, *more):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    made = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "python": sys.version.split()[0],
        "versions": versions,
    }
    return made | ({"commit": commit} if (commit := _commit()) else {})


def told(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what made a result as names and texts."""
    for name, value in about.items():
        yield name, ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else str(value)


def _commit() -> str | None:
    """Return the commit of the repository that this file lies in; None where it was installed without one."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def machine() -> dict[str, Any]:
    """Return what a run's time depends on; threads and GPU where torch is loaded."""
    found: dict[str, Any] = {"processor": _processor(), "cores": os.cpu_count()}
    if hasattr(os, "getloadavg"):
        found["load"] = round(os.getloadavg()[2], 1)
    if torch := sys.modules.get("torch"):
        found["threads"] = torch.get_num_threads()
        if torch.cuda.is_available():
            found["gpu"] = torch.cuda.get_device_name()
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
