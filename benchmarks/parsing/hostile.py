"""Pages made to break a parser, each read by each system in a process of its own: time, memory and text kept.

    CASES ─ fork, 5 s of a core, 6 GB ─> time, memory above the start, whether the marks planted in the text came out

The cases are those of the security section of the research notes: depth, width, unclosed and mis-nested tags, long
tokens, broken declarations, bytes that no encoding has. Every case ends with a tail; a system keeps the page if the
words planted at its head and tail are in its text. docgraph may instead name the bound that cut the page.
"""

import multiprocessing
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

HEAD, TAIL = "Headword", "Tailword"
SECONDS, BYTES = 2.0, 1 << 30
"""What a page may cost."""
PATIENCE = 5
"""Seconds of one core after which a case is given up."""
MOST_MEMORY = 6 << 30


def _deep(tag: str, depth: int, *, close: bool = False) -> Callable[[], str]:
    return lambda: f"<{tag}>" * depth + "deep" + (f"</{tag.split('>')[0]}>" * depth if close else "")


CASES: dict[str, Callable[[], str]] = {
    "1,000 nested div": _deep("div", 1_000, close=True),
    "10,000 nested div": _deep("div", 10_000, close=True),
    "100,000 nested div": _deep("div", 100_000, close=True),
    "100,000 unclosed div": _deep("div", 100_000),
    "10,000 nested span": _deep("span", 10_000, close=True),
    "100,000 nested span": _deep("span", 100_000),
    "10,000 nested blockquote": _deep("blockquote", 10_000),
    "10,000 nested lists": _deep("ul><li", 10_000),
    "10,000 nested tables": _deep("table><tr><td", 10_000),
    "10,000 nested section": _deep("section", 10_000),
    "10,000 nested b": _deep("b", 10_000),
    "10,000 nested a": _deep("a href=x", 10_000),
    "10,000 nested font": _deep("font", 10_000),
    "1 MB of <": lambda: "<" * 1_000_000,
    "1 MB of < with spaces": lambda: "< " * 500_000,
    "50,000 attributes": lambda: "<div " + " ".join(f"a{n}={n}" for n in range(50_000)) + ">x</div>",
    "one 5 MB attribute": lambda: f"<div title='{'x' * 5_000_000}'>x</div>",
    "a class of 100,000 names": lambda: f"<div class='{'comment ' * 100_000}'>x</div>",
    "50,000 unclosed p": lambda: "<p>some text" * 50_000,
    "50,000 paragraphs": lambda: "<p>some text of one paragraph.</p>" * 50_000,
    "50,000 siblings in one div": lambda: "<div>" + "<span>x</span>" * 50_000 + "</div>",
    "50,000 unclosed li": lambda: "<ul>" + "<li>item" * 50_000,
    "20,000 unclosed a": lambda: "<a href=x>link" * 20_000,
    "20,000 unclosed headings": lambda: "<h1>head" * 20_000,
    "40,000 cells": lambda: "<table>" + ("<tr>" + "<td>c" * 100) * 400 + "</table>",
    "spans of 65,534 rows": lambda: "<table>" + "<tr><td colspan=1000 rowspan=65534>c" * 5_000 + "</table>",
    "tables mis-nested in tables": lambda: "<table><tr><td><table><td><tr>x</table><p>y" * 2_000,
    "2,000 mis-nested li a b": lambda: "<li><a><b>" * 2_000 + "x",
    "10,000 mis-nested b p": lambda: "<b><p>x" * 10_000,
    "mis-nested formatting": lambda: "<b><i><u><p>x</b></i></u></p>" * 5_000,
    "15 MB data URI": lambda: f'<img src="data:image/png;base64,{"A" * 15_000_000}">',
    "12 MB of text": lambda: "<p>" + "word and more words. " * 580_000,
    "12 MB of one word": lambda: "<p>" + "x" * 12_000_000,
    "500,000 entities": lambda: "&amp;" * 500_000,
    "300,000 broken entities": lambda: "&#" * 300_000,
    "lone surrogates": lambda: "<p>a\ud800b\udfffc</p>",
    "NULs": lambda: "<p>a\0b</p>\0" * 10_000,
    "20,000 marked sections": lambda: "<![" * 20_000 + ">",
    "10,000 CDATA sections": lambda: "<![CDATA[ x ]]>" * 10_000,
    "100,000 comments": lambda: "<!-- c -->" * 100_000,
    "comments that never end": lambda: "<p>x</p><!-" * 50_000,
    "1 MB of script text": lambda: "<script>" + "if (a < b) { x = '<p>'; }\n" * 40_000 + "</script>",
    "deep JSON-LD": lambda: '<script type="application/ld+json">' + "[" * 200_000 + "</script>",
    "20,000 pictures": lambda: "<img src=a.jpg alt=b>" * 20_000,
    "10,000 noscript twins": lambda: "<noscript><img src=x></noscript>" * 10_000,
    "10,000 open figures": lambda: "<figure><img src=a>" * 10_000,
    "10,000 sources in one picture": lambda: "<picture>" + "<source srcset='a 1x'><img src=b>" * 10_000,
    "10,000 nested section h2": lambda: "<section><h2>head</h2>" * 10_000,
    "10,000 base elements": lambda: "<base href=x>" * 10_000,
    "empty": lambda: "",
}  # fmt: skip
NO_MARKS = frozenset(("empty", "comments that never end"))
"""Cases without a head and tail: there is no text to keep, or the standard says that a comment has it."""


def hostile_pages(names: list[str]) -> dict[str, Any]:
    """Return, for each system, {case: result}."""
    from benchmarks.parsing.systems import set_up

    results: dict[str, Any] = {}
    for name in names:
        if name != "docgraph" and (name.startswith("docgraph") or "," in name):
            continue
        if (system := set_up(name)) is None:
            continue
        system.run("<p>warm up</p>", "")
        found = {case: _read(system, name, case) for case in CASES}
        results[name] = found
        passed = sum(result["passed"] for result in found.values())
        print(f"{name:20} {passed} of {len(CASES)}", flush=True)
        for case, result in found.items():
            if not result["passed"]:
                print(f"      {case}: {result}", flush=True)
    return results


def _read(system: Any, name: str, case: str) -> dict[str, Any]:
    """Read one case in a forked process."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_child, args=(system, case, theirs))
    process.start()
    theirs.close()
    result: dict[str, Any] | None = None
    # Cores are counted in the child; here only a child that waits for ever is not waited for.
    if ours.poll(PATIENCE * 6):
        with suppress(EOFError):
            result = ours.recv()
    process.kill()
    process.join()
    if result is None:
        result = {
            "ended": f"over {PATIENCE} s" if process.exitcode in (-signal.SIGXCPU, -signal.SIGKILL) else "crashed"
        }
    in_time = result.get("seconds", 1e9) <= SECONDS and result.get("bytes", 1 << 40) <= BYTES
    result["passed"] = bool(result["ended"] == "ok" and in_time and (result["kept"] or result["named"]))
    return result


def _child(system: Any, case: str, pipe: Any) -> None:
    page = CASES[case]()
    if case not in NO_MARKS:
        page = (
            f"<html><body><p>{HEAD} and some words of the first paragraph, long enough to be read.</p>{page}"
            f"<p>{TAIL} and some words of the last one, long enough to be read as well.</p></body></html>"
        )
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    used = int(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + PATIENCE, used + PATIENCE + 1))
    before = _peak()
    started = time.process_time()
    try:
        output = system.run(page, "https://example.org/page.html")
        seconds = time.process_time() - started
        named = ""
        if hasattr(output, "truncated"):
            named = (
                next((w.code for w in output.warnings if w.code.startswith("limit.")), "") if output.truncated else ""
            )
            text = output.text
        else:
            text = system.text(output)
        kept = case in NO_MARKS or (HEAD in text and TAIL in text)
        pipe.send(
            {
                "ended": "ok",
                "seconds": round(seconds, 3),
                "bytes": _peak() - before,
                "kept": kept,
                "named": named,
            }
        )
    except BaseException as error:
        pipe.send({"ended": type(error).__name__})


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
