"""The results page of retrieval, from its record."""

from typing import Any

from benchmarks.page import made_by
from benchmarks.retrieval.systems import BASE
from benchmarks.retrieval.tasks import TITLES
from benchmarks.retrieval.weights import NAMES
from training.output.markdown import table

SEARCH = "docgraph search"


def report(found: dict[str, Any], told: str) -> str:
    """Return the page; `told` is its first paragraph."""
    text = ["# Retrieval", "", told, ""]
    for name, part in (
        ("pages", _pages),
        ("flat", _flat),
        ("classes", _classes),
        ("weights", _weights),
        ("settings", _settings),
        ("speed", _speed),
        ("index", _index),
        ("memory", _memory),
    ):
        if name in found:
            text += [*part(found[name]), ""]
    return "\n".join([*text, made_by(found["about"]), ""])


def _pages(found: dict[str, Any]) -> list[str]:
    text = [
        "## OpenStax pages",
        "",
        f"Business and anthropology, {found['pages']} pages (one in {found['every']}). No setting was chosen by "
        "them, but that pairs of words count was checked on these books, too, before it was taken. "
        "What is asked (heading, caption, title) is taken out before anything is read; sentence-transformers reads a "
        "place's text under its title and headings, cut at 256 tokens; late: the target stands in the second half of "
        "its page, behind 256 words. Differences: paired bootstrap, 95 %.",
    ]
    return [*text, *_systems({name: one for name, one in found.items() if isinstance(one, dict)})]


def _flat(found: dict[str, Any]) -> list[str]:
    return ["## XQuAD and Cranfield", "", "Question → passage; question → abstract, graded.", *_systems(found)]


def _systems(found: dict[str, Any]) -> list[str]:
    text = []
    for name, scores in found.items():
        text += ["", f"### {TITLES.get(name, name)}", "", f"{scores[BASE]['queries']:,} queries.", ""]
        rows = [
            [
                system,
                *(f"{one[value]:.3f}" for value in ("ndcg", "r1", "r10")),
                "" if system == BASE else _span(one["difference"]),
            ]
            for system, one in scores.items()
        ]
        text.append(table(["", "nDCG@10", "R@1", "R@10", "nDCG beside sentence-transformers"], rows))
        if "beside_best" in scores[SEARCH]:
            best = scores[SEARCH]["beside_best"]
            text += ["", f"`docgraph search` beside {best['system']}: {_span(best)}."]
    return text


def _span(difference: dict[str, Any]) -> str:
    return "{value:+.3f} ({low:+.3f} to {high:+.3f})".format(**difference)


def _classes(found: dict[str, Any]) -> list[str]:
    rows = [
        [name, system, one["documents"], f"{one['accuracy']:.3f}", "" if system == BASE else _span(one["difference"]),
         "{:.3f} ± {:.3f}".format(*one["v_measure"])]
        for name, systems in found.items()
        for system, one in systems.items()
    ]  # fmt: skip
    return [
        "## Classes", "",
        "Vectors of documents: accuracy of the 10 nearest, leave one out; V-measure of k-means (best of ten "
        "starts), mean and deviation of three seeds. Every third document of 20 "
        "Newsgroups. That a document is the mean of its passages by their length was chosen on these documents.", "",
        table(["", "", "documents", "accuracy", "beside sentence-transformers (95 %)", "V-measure"], rows),
    ]  # fmt: skip


def _weights(found: dict[str, Any]) -> list[str]:
    books = list(found["held_out"])
    tasks = list(dict.fromkeys(name for book in books for name in found["default"][book]))
    default = [
        [
            TITLES[name],
            *(f"{found['default'][book][name]:.3f}" if name in found["default"][book] else "" for book in books),
        ]
        for name in tasks
    ]
    held = [
        [
            book,
            "{} / {} / {} / {}".format(*one["chosen"]),
            *(f"{one[name]:.4f}" for name in ("ndcg", "default", "best")),
        ]
        for book, one in found["held_out"].items()
    ]
    best = sorted(found["grid"], key=lambda one: -sum(one[book] for book in books))
    near = [[*(one[name] for name in NAMES), *(f"{one[book]:.4f}" for book in books)] for one in best[:6]]
    return [
        "## Weights of `docgraph search`", "",
        f"nDCG@10, mean of all tasks, on books whose pages are in nothing above ({found['pages']}, one in "
        f"{found['every']}). Chosen (share of the best "
        "passage in the words, its meaning, the row's meaning, pairs of words) on two books, measured on the third:",
        "",
        table(["held out", "chosen", "nDCG@10", "of the default", "of the best"], held), "",
        f"The best of {len(found['grid'])} settings; all of them are in retrieval.json:", "",
        table(["words of the best passage", "meaning of the best passage", "of the row", "pairs", *books], near), "",
        "The default, by task:", "",
        table(["", *books], default),
    ]  # fmt: skip


def _settings(found: list[dict[str, float]]) -> list[str]:
    best = max(found, key=lambda one: one["mean"])
    near = sorted(found, key=lambda one: sum(abs(one[n] - best[n]) for n in ("title", "headings", "best")))[:6]
    columns = ("title", "headings", "best", "heading", "caption", "definition", "mean")
    rows = [[one["title"], one["headings"], one["best"], *(f"{one[n]:.4f}" for n in columns[3:])] for one in near]
    return [
        "## Shares in a section's vector", "",
        "nDCG@10 on every third page of psychology, US history and astronomy; `NodeSettings` has the shares of title "
        "and headings, `best` is the weight of the best passage. "
        f"The best of {len(found)} settings and its neighbours:", "",
        table(list(columns), rows),
    ]  # fmt: skip


def _speed(one: dict[str, Any]) -> list[str]:
    return [
        "## Speed", "",
        f"{one['texts']} different paragraphs, {one['threads']} thread(s), processor time, fastest of "
        f"{len(one['seconds'][BASE])}: {min(one['seconds']['docgraph']):.2f} s beside "
        f"{min(one['seconds'][BASE]):.2f} s of `SentenceTransformer.encode`: {one['ratio']:.2f} x.",
    ]  # fmt: skip


def _index(one: dict[str, Any]) -> list[str]:
    build, rows, query = one["build"], one["rows"], one["query_ms"]
    times = ", ".join(f"{level} {value['median']:.0f} ({value['p95']:.0f})" for level, value in query.items())
    return [
        "## Index", "",
        f"{build['pages']} HTML pages: {build['seconds']:.0f} s, {build['embedding']:.0f} s of it embedding; "
        f"the rest is {build['share']:+.1%} of that. A warm query of {rows['document']:,} pages "
        f"({rows['section']:,} sections, {rows['passage']:,} passages), without the encoder, median "
        f"(95th percentile) in ms: {times}. Processor time.",
    ]  # fmt: skip


def _memory(one: dict[str, Any]) -> list[str]:
    return [
        "## Memory", "",
        f"{one['paragraphs']:,} different paragraphs, float16: peak {one['peak_mb']:,.0f} MB, "
        f"{one['loaded_mb']:,.0f} MB of it before the first one.",
    ]  # fmt: skip
