"""Data sets by their name on the Hugging Face hub: fetched as the parquet files that the hub makes of every one.

    "stanfordnlp/imdb", "owner/name:config" ──fetch──> a folder with train.parquet, test.parquet, ... in the hub's cache

What was fetched once is read without a network. Needs huggingface_hub, which the extra `models` brings.

Source: huggingface.co/docs/dataset-viewer/parquet (branch refs/convert/parquet: CONFIG/SPLIT/0000.parquet).
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from docgraph.errors import DataError, needs_extra

NAME: Final = re.compile(r"(?:hf://datasets/)?([\w.-]+/[\w.-]+)(?::([\w.-]+))?")
BRANCH: Final = "refs/convert/parquet"


def is_hub_name(name: str) -> bool:
    """Whether a text can be the name of a data set on the hub: owner/name, perhaps with :config."""
    return NAME.fullmatch(name) is not None and not name.startswith((".", "/", "~"))


@lru_cache(maxsize=8)
def fetch(name: str) -> Path:
    """Return the folder that a data set's files were fetched to.

    Raises:
        DataError: the hub cannot be asked, has no such data set, or has several and none is named.
        MissingExtraError: huggingface_hub is not installed.
    """
    with needs_extra("reading from the Hugging Face hub"):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError
    found = NAME.fullmatch(name)
    assert found is not None
    repo, config = found.groups()
    try:
        root = Path(snapshot_download(repo, repo_type="dataset", revision=BRANCH, allow_patterns="*.parquet"))
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise DataError(
            f"the data must be a file, a folder or a data set of the Hugging Face hub, but there is nothing at {name} "
            f"and the hub gives none of that name ({type(error).__name__}: {_first_line(error)})."
        ) from error
    configs = sorted({file.parent.parent.name for file in root.glob("*/*/*.parquet")})
    if not configs:
        raise DataError(f"the data set {name} of the hub must have parquet files, but has none.")
    if config is None and len(configs) > 1 and "default" not in configs:
        raise DataError(f"{name} must name one of its configurations, {', '.join(configs)}: {name}:{configs[0]}")
    chosen = config or ("default" if "default" in configs else configs[0])
    if chosen not in configs:
        raise DataError(f"the configurations of {repo} are {', '.join(configs)}, but {chosen!r} was asked for.")
    return root / chosen


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
