"""Random search: tag soup and broken bytes, drawn anew on every run, until the time is over or a promise is broken.

    python -m tests.fuzz_html [--seconds 600] [--seed N]

What it finds is shrunk and printed; it then becomes a fixed example in test_html_pages.py. The suite itself runs on
fixed examples.
"""

import argparse
import random
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from docgraph import parse_html
from tests.html_pages import MARKUP, check, check_soup, pages_of

_A_ROUND = 400


def cut_pages(pages: list[str], draw: random.Random) -> str:
    """Return a piece of one page put into another, which breaks both."""
    one, other = draw.choice(pages), draw.choice(pages)
    start, place = draw.randrange(len(one)), draw.randrange(len(other))
    piece = one[start : start + draw.randrange(2_000)]
    return other[max(0, place - 4_000) : place] + piece + other[place : place + 4_000]


def main() -> int:
    """Search; return 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    options = parser.parse_args()
    stop = time.monotonic() + options.seconds
    draw = random.Random(options.seed)
    folder = Path(__file__).resolve().parent.parent / "sample_data"
    pages = [data.decode("utf-8", "replace") for data in pages_of(folder)]
    common = settings(
        max_examples=_A_ROUND, deadline=None, database=None, derandomize=False, suppress_health_check=list(HealthCheck)
    )
    print(f"seed {options.seed}")
    rounds = 0
    while time.monotonic() < stop:

        @seed(draw.randrange(2**32))
        @common
        @given(MARKUP)
        def soup(markup: str) -> None:
            check_soup(markup)

        @seed(draw.randrange(2**32))
        @common
        @given(st.binary(max_size=400))
        def rubbish(data: bytes) -> None:
            check(parse_html(data))

        soup()
        rubbish()
        for _ in range(_A_ROUND // 4):
            markup = cut_pages(pages, draw)
            try:
                check_soup(markup)
            except Exception:
                print(repr(markup))
                raise
        rounds += 1
    print(f"{rounds} rounds of {2 * _A_ROUND + _A_ROUND // 4} pages, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
