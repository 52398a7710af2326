"""Sentences of a text, as spans.

    "Dr. Lee left. She was late!"  ->  [(0, 13), (14, 27)]

One regular expression finds the places where a sentence may end; a few rules, each with its reason below, decide.
Promised for any text and any language tag: spans are in order and do not overlap, have no outer white space, cover
every character that is not white space, never end inside a word of at most `LONGEST` characters, and are no longer
than that. Time is linear in the text.

The rules are about writing, not about grammar: a stop is no end before a small letter, after a title or an initial,
or after an abbreviation whose next word could go on with the sentence. Stops that mean nothing else (Chinese, Indic,
Burmese, Khmer, Tibetan ...) need no space. Thai and Lao have no stops: spaces part their clauses.
Word lists are for European languages and are looked up together, unless the language's own habits contradict
(ordinals with a stop: "am 3. Oktober").

Sources: Unicode 16, property Sentence_Terminal, and its chapters 13 (Tibetan) and 16 (Thai, Lao, Khmer).
"""

import re
from collections.abc import Iterator
from typing import Final

LONGEST: Final = 4_000
"""Characters of a sentence. A longer one, say a list of words without a stop, is cut between words: what reads a
sentence as one sequence costs the square of its length."""

_STOPS: Final = r".!?…‼⁇⁈⁉؟۔։"
_SURE_STOPS: Final = (
    "।॥"  # Devanagari and the other scripts of India
    "\u104b\u17d4\u17d5\u0f0d\u0f0e\u0f0f\u0f10\u0f11"  # Burmese, Khmer, Tibetan
    "\u1362\u1367\u1368\u1803\u1809\u0df4\u0e5a\u0e5b"  # Ethiopic, Mongolian, Sinhala, Thai (end of a chapter)
    "\ua9c8\ua9c9\u1b5a\u1b5b\u1b5e\u1b5f\u1c7e\u1c7f\uabeb"  # Javanese, Balinese, Ol Chiki, Meetei
)
_WIDE_STOPS: Final = "。！？｡．"
_CLOSERS: Final = "«‹“‘\"'”’»›)\\]}*_」』】）》〉＂＇"
_BULLETS: Final = "•‣◦▪●▸►"

_CANDIDATE: Final = re.compile(
    rf"[{_STOPS}{_WIDE_STOPS}{_SURE_STOPS}{_BULLETS}\n](?:"
    rf"(?<=[{_STOPS}])(?<![{_STOPS}].)[{_STOPS}]*+[{_CLOSERS}]*+"
    r"(?:[ \u00a0\u202f][»›](?=\s))?(?:\[\w{1,4}\]){0,8}+(?=\s)"
    rf"|(?<=[{_WIDE_STOPS}])[{_WIDE_STOPS}]*+[{_CLOSERS}]*+"
    # "॥ १२ ॥" counts the verse that it ends, "។ល។" is "etc.", "། །" is one end.
    rf"|(?<=[{_SURE_STOPS}])(?:\s?+\d{{1,4}}\s?+॥|\u179b\u17d4)?+(?:[ \u00a0]?+[{_SURE_STOPS}])*+[’”»)\]]*+"
    rf"|(?<=\n)[^\S\n]*+(?:\n|(?=[{_BULLETS}*–-][ \t]|\d{{1,3}}[.)][ \t]))"
    rf"|(?<=[{_BULLETS}])(?=\s))",
    re.DOTALL,
)
"""One character set first, which the engine scans for at five times the speed of an alternation."""
_SPACE: Final = re.compile(r"\s*+")
_SPACED: Final = "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e45\u0e81-\u0eb0\u0eb2\u0eb3\u0ec0-\u0ec4"
"""Letters of Thai and Lao that a clause may end or begin with."""
_HAS_SPACED: Final = re.compile(f"[{_SPACED}]")
_CLAUSE: Final = re.compile(
    f"(?<=[{_SPACED}\u0e31\u0e34-\u0e39\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd])[ \u00a0]+(?=[{_SPACED}])"
)
"""A space between two such letters; not after the signs of repetition and abbreviation, which always have one."""
_CLAUSE_LETTERS: Final = 15
"""Of the shortest clause: what is shorter is a name or a word of a list."""
_CLAUSE_END: Final = re.compile(r"[;:,\u060c\u061b\u104a]\s|[、，；：\u0f0b]")
_TO_LAST_SPACE: Final = re.compile(r".*\s", re.DOTALL)
_OPENERS: Final = "\"'“”„‘‚«»‹›([{¿¡*_-–—「『【（《〈"
_NEXT_WORD: Final = re.compile(rf"[\s{re.escape(_OPENERS)}]*+([^\W_]*+\.?+)")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLES: Final = _words(
    "Mr Mrs Ms Mx Dr Drs Prof Gen Sen Rep Gov Lt Col Sgt Capt Cmdr Maj Adm Rev Hon Pres Supt Det Insp St Ste Mt Ft "
    "Messrs Mme Mlle MM Sr Sra Srta Dra Ud Uds Hr Fr Frl Ing Dipl Sig Dott Avv On Mons"
)
"""Never the last word of a sentence: a name follows."""

_GO_ON: Final = _words(
    "e.g i.e cf vs viz approx ca c resp esp incl excl bzw z.b d.h u.a vgl sog evtl ggf usf inkl p.ej p.ex i.d.r o.g "
    "u.u s.o s.u t.ex bl.a bijv d.w.z o.a m.a.w s.v c.f"
)
"""In small letters. The sentence goes on whatever follows."""

_BEFORE_NUMBER: Final = _words(
    "no nos nr fig figs tab p pp vol vols art sec sect ch chap eq par para ver pt op cap núm num pág pag jan feb mar "
    "apr jun jul aug sep sept oct nov dec bd abs abb kap anm ex"
)
"""In small letters. The sentence goes on if a number follows: "No. 5", "Fig. 2", "Oct. 3"."""

_MAY_END: Final = _words(
    "inc co corp ltd llc plc bros jr etc al dept univ assn ave blvd rd usw u.s.w ff cie s.a gmbh ed eds trans "
    "a.m p.m ph.d m.d b.a m.a"
)
"""In small letters. An end only if a word follows that likes to open sentences."""

_OPENING_WORDS: Final = _words(
    "The A An This That These Those He She It They We You I In On At By For From With As But And Or If So When While "
    "After Before Since There Here His Her Its Their Our My Your What Who Why How Where Some Many Most All No Not One "
    "Two However Although Though Because Meanwhile Also Now Then Still Yet Instead Even Only "
    "Der Die Das Ein Eine Er Sie Es Wir Ich Im Am Bei Mit Nach Und Aber Auch Doch Wenn Als So Dies Diese "
    "Le La Les Un Une Il Elle Ils Elles On Nous Vous Je Ce Cette Dans Mais Et En Pour Avec Selon "
    "El Los Las Una Ella Ellos Este Esta Pero Según Con Para Por Se "
    "De Het Een Hij Zij Dit Dat Maar"
)

_ORDINAL_LANGUAGES: Final = _words("de da nb nn no fi et cs sk sl hr hu is lv pl tr eu fo lb")
"""Languages that write ordinals with a stop."""


def sentence_spans(text: str, language: str | None = None) -> list[tuple[int, int]]:
    """Return (start, end) of each sentence of `text`, in characters.

    Args:
        language: BCP 47 tag, or None if it is not known. It matters for ordinals only.

    Returns:
        Spans in order; none for text that is empty or all white space. A blank line and a bullet always begin a
        new sentence; a single line break is white space.
    """
    ordinals = language is not None and language[:2].lower() in _ORDINAL_LANGUAGES
    small = text.islower()
    spans: list[tuple[int, int]] = []
    start = _skip_space(text, 0)
    for candidate in _CANDIDATE.finditer(text):
        stop, end = candidate.span()
        if stop < start:
            continue
        mark = text[stop]
        if mark == "\n" or mark in _BULLETS:
            if not _begins_item(text, stop, mark):
                continue
            end = start + len(text[start:stop].rstrip())
            if end > start:
                spans.append((start, end))
            start = _skip_space(text, stop)
        elif _is_end(text, start, stop, end, small=small, ordinals=ordinals):
            spans.append((start, end))
            start = _skip_space(text, end)
    end = len(text) if not text[-1:].isspace() else start + len(text[start:].rstrip())
    if end > start:
        spans.append((start, end))
    if not text.isascii() and _HAS_SPACED.search(text):
        spans = [clause for span in spans for clause in _clauses(text, *span)]
    if len(text) > LONGEST:
        spans = [part for span in spans for part in _bounded(text, *span)]
    return spans


def _clauses(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a sentence between the spaces that part clauses of Thai and Lao."""
    for space in _CLAUSE.finditer(text, start, end):
        following = _CLAUSE.search(text, space.end(), end)
        after = (end if following is None else following.start()) - space.end()
        if space.start() - start >= _CLAUSE_LETTERS and after >= _CLAUSE_LETTERS:
            yield start, space.start()
            start = space.end()
    yield start, end


def _bounded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield a sentence in parts of at most `LONGEST` characters, cut after a clause or else between words."""
    while end - start > LONGEST:
        window = text[start : start + LONGEST]
        cut = max((mark.end() for mark in _CLAUSE_END.finditer(window, LONGEST // 2)), default=0)
        if not cut:
            space = _TO_LAST_SPACE.match(window)
            cut = LONGEST if space is None else space.end()
        yield start, start + len(window[:cut].rstrip())
        start = _skip_space(text, start + cut)
    yield start, end


def _skip_space(text: str, start: int) -> int:
    space = _SPACE.match(text, start)
    return start if space is None else space.end()


def _begins_item(text: str, at: int, mark: str) -> bool:
    """Whether a bullet or line break at `at` stands where an item can begin."""
    return mark == "\n" or at == 0 or text[at - 1].isspace()


def _is_end(text: str, start: int, stop: int, end: int, *, small: bool, ordinals: bool) -> bool:
    """Whether the sentence from `start` ends with the stop at `stop`, closing marks up to `end`."""
    if stop - start < 4 and not text[start:stop].strip(". …"):
        return False  # a stray stop is no sentence of its own
    if text[stop] in _SURE_STOPS:
        return True
    if text[stop] in _WIDE_STOPS:
        return _is_wide_end(text, stop, end)
    word = _NEXT_WORD.match(text, end)
    following = "" if word is None else word.group(1)
    if not following:
        return True
    # "Yahoo! is", '"Why?" he asked', "and so on ... until"; iPhone and eBay do open sentences.
    if following[0].islower() and not small and not following[1:2].isupper():
        return False
    if text[stop] != "." or text[stop + 1 : stop + 2] in (".", "!", "?"):
        return True
    return _ends_at_full_stop(text, start, stop, following, ordinals)


def _is_wide_end(text: str, stop: int, end: int) -> bool:
    """Whether a Chinese or Japanese stop ends a sentence: not within a number, nor in a quotation that goes on."""
    after = text[end : end + 1]
    if text[stop] == "．" and (after.isalnum() or text[stop - 1 : stop].isdigit()):
        return after == "" or after.isspace()
    quoted = text[end - 1] in "」』）"
    return not (quoted and "\u3041" <= after <= "\u3096")


def _ends_at_full_stop(text: str, start: int, stop: int, following: str, ordinals: bool) -> bool:
    """Whether a full stop ends the sentence that runs from `start`; a capital or a number comes after it.

    `following` is the next word with its own stop, if it has one, so that "A." is an initial and "A" an article.
    """
    words = text[max(start, stop - 40) : stop].rsplit(None, 2)
    if not words:
        return True
    word = words[-1].lstrip(_OPENERS)
    opens = stop - start <= len(words[-1])
    if word.isdigit():
        # "1. Introduction" is one heading; "am 3. Oktober" goes on.
        return not (opens and len(word) <= 3) and not (ordinals and len(word) <= 2)
    if len(word) == 1 and word.isalpha():
        return _ends_at_letter(word, words, opens, following)
    if word in _TITLES:
        return False
    lower = word.lower()
    if lower in _GO_ON:
        return False
    if lower in _BEFORE_NUMBER and following[0].isdigit():
        return False
    if lower in _MAY_END or ("." in word and _is_acronym(word)):
        return following in _OPENING_WORDS
    return True


def _ends_at_letter(word: str, words: list[str], opens: bool, following: str) -> bool:
    """Whether a single letter with a stop ends a sentence: "vitamin C." may; a name's initials and "z. B." do not."""
    if opens or len(words) < 2 or (len(following) == 2 and following[1] == "."):
        return False
    if word.islower():
        return word not in "cp" or not following[0].isdigit()
    if word == "I" and not words[-2][:1].isupper():
        return True
    return following in _OPENING_WORDS


def _is_acronym(word: str) -> bool:
    """Whether a word is letters and stops in turn: "U.S", "a.m", "Ph.D"."""
    return all(len(part) <= 2 and part.isalpha() for part in word.split("."))
