"""What stands below an article and is none of it: comments, who wrote it, other stories, an offer to subscribe.

    main text, elements by name, headings by what they say ─ drop_what_is_below ─> main text without such boxes

A name or a heading says what a box is; that it stands below at least three paragraphs says that it belongs to an
article. Without those, comments are a thread, and stories an index: the text of their page.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Literal

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Elements
from docgraph.parsers.html.main.features import Measured
from docgraph.parsers.html.main.names import NAMES, families_of_name

Box = Literal["comments", "author", "stories", "offer", ""]

_COMMENT: Final = NAMES.index("comment")
_COMMENT_NAME: Final = re.compile(
    r"(?:^|[\s_-])(?:responses?|disqus|(?:next|more|further)-?(?:story|stories|articles?|posts?)\b|comentarios\b|"
    r"commentaires\b|komentarze\b|yorumlar\b|talkbacks?\b|reacties\b|hozzaszolasok?\b|"
    r"binh-?luan)",
    re.I,
)
"""What is named so below an article is none of it."""
_MAY_BE_TEXT: Final = re.compile(r"respon|reacti(?!es)|repl|remark|discuss|stor|article|post", re.I)
"""Names that parts of a text of few words have, too: what an API answers, what people say of an event."""
_STATE_OF_COMMENTS: Final = re.compile(
    r"(?:no|has|with|without|allows?|show|hide)[-_]comments?(?![\w-])|comments?[-_](?:open|closed|enabled|disabled|on|off)(?!\w)",
    re.I,
)
"""A name that says whether there are comments, not that these are some."""
_AUTHOR_NAME: Final = re.compile(
    r"(?:author|writer|contributor)s?[-_]*(?:bio(?:graphy)?|info(?:rmation)?|box|card|about|profile|details?|description)"
    r"(?![a-z])|(?:post|entry|article|about)[-_]*(?:the[-_]?)?author(?![\w-])|(?:^|[\s_-])bio-?box",
    re.I,
)
_STORIES_NAME: Final = re.compile(
    r"(?:related|recommended|similar|more|other|latest|popular)[-_]*(?:posts?|articles?|stories|story|news|content|reads?"
    r"|reading|links?)(?![a-z])|(?:^|[\s_-])(?:jp-)?related(?:posts)?(?:$|[\s_])|read[-_]?(?:next|more[-_]stories)(?![a-z])|"
    r"you[-_]?(?:may|might)[-_]?(?:also[-_]?)?like|up[-_]next(?![a-z])",
    re.I,
)
_OFFER_NAME: Final = re.compile(
    r"(?:paywall|subscri(?:be|ption)|newsletter|donat(?:e|ion)|sign-?up|upsell|regwall)(?:$|[\s_-]*(?:$|\s|box|form|offer"
    r"|banner|block|cta|widget|wrapper|module|card|inline|promo|sign-?up))",
    re.I,
)
_ASKS_FOR: Final = re.compile(
    r"subscri|sign up|newsletter|inbox|unlimited|free trial|cancel any|donat|support (?:us|our)|abonn|abbon|suscr[ií]"
    r"|spende|jetzt testen|kostenlos|[£$€]\s?\d|\b(?:pounds?|euros?|dollars?)\b",
    re.I,
)
"""In an offer: what it offers, or what it costs."""
_NAMED: Final[dict[Box, re.Pattern[str]]] = {"author": _AUTHOR_NAME, "stories": _STORIES_NAME, "offer": _OFFER_NAME}
_IN_NAMES: Final = (
    "author", "writer", "contributor", "bio", "related", "recommended", "similar", "more", "other", "latest", "popular",
    "next", "like", "paywall", "subscri", "newsletter", "donat", "sign", "upsell", "regwall", "further", "comment",
    "disqus", "discuss", "repl", "respon", "remark", "reaction", "forum", "kommentar", "livefyre", "coment", "koment",
    "yorum", "talkback", "reacties", "hozzasz", "luan",
)  # fmt: skip
"""One of these is in every such name, and in those of the family "comment"; looking for them is quicker."""
_SAYS: Final[dict[Box, re.Pattern[str]]] = {
    "comments": re.compile(
        r"(?:\(?\d{1,5}\)? )?(?:(?:reader )?comments?|responses|kommentare?|commentaires?|coment[aá]rios?|commenti"
        r"|reacties|kommentarer|komentarze|комментари[ийяев]{1,2}|коментар[іи]|yorumlar|hozzászólások|komentáře|σχόλια"
        r"|bình luận|ý kiến|التعليقات|תגובות|टिप्पणियां|ความคิดเห็น|댓글|コメント|评论)(?: ?\(?\d{1,5}\)?)?",
        re.I,
    ),
    "author": re.compile(
        r"about (?:the )?authors?|(?:über|zu)[mr]? (?:den |die )?autor(?:in|en)?|à propos de l['’]auteure?"
        r"|(?:sobre|acerca del?) (?:el |la |o |a )?autora?|(?:l['’])?autore|over de auteur|об авторе",
        re.I,
    ),
    "stories": re.compile(
        r"(?:related|recommended|similar|popular|more|other|latest)(?: (?:posts?|articles?|stories|news|reading|reads"
        r"|content|from .{1,40}|in .{1,30}|on this))?|you (?:may|might) (?:also )?(?:like|enjoy)"
        r"|read (?:next|also|more)|up next|recommended for you|don['’]t miss|mehr zum thema"
        r"|das könnte sie auch interessieren"
        r"|weitere (?:artikel|beiträge)|(?:à )?lire aussi|articles liés|sur le même sujet"
        r"|(?:artículos|noticias) relacionad[oa]s|te puede interesar|leggi anche|potrebbe interessarti(?: anche)?"
        r"|lees ook|artigos relacionados|leia também|читайте также|関連記事|相关(?:文章|阅读)",
        re.I,
    ),
}
_MOST_SAID: Final = 50
"""Letters of a heading that says such a thing."""
_REPLIES: Final = re.compile(
    r"repl(?:y|ies)|antworten|répondre|responder|rispondi|beantwoord(?:en)?|svara?|odpowiedz|ответить|відповісти"
    r"|yanıtla|cevapla|válasz|odpovědět|απάντηση|trả lời|رد|הגב|תגובה|답글|回复|返信",
    re.I,
)
_LEAST_UNITS: Final = 3
"""So many boxes of a name are what an article is made of, and no offers."""
_MOST_ITEMS: Final = 600
"""Of a box, but of comments: as many are looked at again where boxes lie in boxes."""
_MOST_WORDS: Final = {"author": 150, "offer": 120}
_PARAGRAPH_WORDS: Final = 10
_LEAST_PARAGRAPHS: Final = 3
_BOX_LEVELS: Final = 4
_WHOLE: Final = frozenset(("article", "body", "html", "main"))
"""Elements that are more than a box."""


def drop_what_is_below(elements: Elements, flow: Flow, measured: Measured, main: set[int]) -> None:
    """Take out of `main` the boxes below at least three paragraphs of it that are none of the article."""
    places = flow.places()
    long = sorted(index for index in main if measured.words_at(index) >= _PARAGRAPH_WORDS)
    named = [*_named(elements, places)]
    offers = sum(kind == "offer" for kind, *_ in named)
    for kind, box, start, stop in (*named, *_headed(elements, flow, measured, places)):
        before, until = bisect_left(long, start), bisect_left(long, stop)
        if before < (1 if kind == "offer" else _LEAST_PARAGRAPHS):
            if kind == "comments" and until > before:
                break  # a thread: its posts are the text
            continue
        words = measured.before[stop] - measured.before[start]
        if kind != "comments" and stop - start > _MOST_ITEMS:
            continue
        if kind == "comments":
            is_below = until == len(long) and (
                before < until or _are_short_comments(elements, measured, box, start, stop)
            )
        elif kind == "author":
            is_below = until == len(long) and until - before < _LEAST_PARAGRAPHS and words <= _MOST_WORDS[kind]
        elif kind == "stories":
            is_below = _is_of_stories(elements, flow, start, stop)
        else:
            is_below = offers < _LEAST_UNITS and words <= _MOST_WORDS[kind] and _is_offer(elements, flow, start, stop)
        if is_below:
            main.difference_update(range(start, stop))


def _named(elements: Elements, places: dict[int, tuple[int, int]]) -> Iterator[tuple[Box, int, int, int]]:
    """Yield the boxes whose class or id attribute says what they are."""
    for row in elements.rows_named(says_what_is_below, _IN_NAMES):
        if row in places and elements.tag[row] not in _WHOLE:
            own = elements.attributes[row]
            kind = says_what_is_below(own.get("class", ""), own.get("id", ""))
            yield kind, row, *places[row]


def _headed(
    elements: Elements, flow: Flow, measured: Measured, places: dict[int, tuple[int, int]]
) -> Iterator[tuple[Box, int, int, int]]:
    """Yield the boxes that have nothing but a part of the page under such a heading, the heading first."""
    texts = measured.index
    for row in sorted(flow.headings):
        start = places[row][0] if row in places else -1
        said = elements.text(row).strip(" :…\t\n") if start >= 0 else ""
        if not 0 < len(said) <= _MOST_SAID:
            continue
        kind: Box = next((kind for kind, says in _SAYS.items() if says.fullmatch(" ".join(said.split()))), "")
        if not kind:
            continue
        here = bisect_left(texts, start)
        for box in elements.around(elements.parent[row], _BOX_LEVELS):
            if box not in places or elements.tag[box] in _WHOLE:
                break
            first, stop = places[box]
            if here and texts[here - 1] >= first:
                break  # a text before the heading
            if here + 1 < len(texts) and texts[here + 1] < stop:
                if kind != "comments" or _is_replied_to(elements, box):
                    yield kind, box, start, stop
                break


def _are_short_comments(elements: Elements, measured: Measured, box: int, start: int, stop: int) -> bool:
    """Whether a box without a paragraph holds comments: somebody and what he says, under no name that texts have."""
    own, texts = elements.attributes[box], bisect_left(measured.index, stop) - bisect_left(measured.index, start)
    named = texts > 1 and not _MAY_BE_TEXT.search(f"{own.get('class', '')[:200]} {own.get('id', '')[:100]}")
    return named or _is_replied_to(elements, box)


def _is_replied_to(elements: Elements, box: int) -> bool:
    """Whether one can answer to something in a box, as one can to comments."""
    inner = range(box, min(elements.end(box), box + _MOST_ITEMS))
    return any(elements.tag[row] in ("button", "a") and _REPLIES.fullmatch(elements.text(row).strip()) for row in inner)


def _is_of_stories(elements: Elements, flow: Flow, start: int, stop: int) -> bool:
    """Whether a part of the page leads elsewhere: its headings but the first are links, or else most of its texts."""
    texts = [item for item in flow.items[start:stop] if isinstance(item, TextBlock) and item.text]
    leads = [
        item.linked >= len(item.text)
        or any(elements.tag[one] == "a" for one in elements.around(item.element, _BOX_LEVELS))
        for item in texts
    ]
    heads = [item.element in flow.headings for item in texts]
    below = [lead for lead, head in zip(leads[1:], heads[1:], strict=True) if head]
    others = [lead for lead, head in zip(leads, heads, strict=True) if not head]
    return all(below) if below else (leads[:1] == heads[:1] == [True] or 2 * sum(others) > len(others))


def _is_offer(elements: Elements, flow: Flow, start: int, stop: int) -> bool:
    """Whether a box asks for an address or for money, with something to press or to fill in."""
    box = flow.items[start]
    assert isinstance(box, int)
    asks = any(_ASKS_FOR.search(item.text) for item in flow.items[start:stop] if isinstance(item, TextBlock))
    return asks and any(
        elements.tag[row] in ("button", "input")
        or (elements.tag[row] == "a" and "button" in elements.attributes[row].get("class", ""))
        for row in range(box, min(elements.end(box), box + _MOST_ITEMS))
    )


@lru_cache(maxsize=8_192)
def says_what_is_below(class_: str, id_: str) -> Box:
    """Return what a class and an id attribute say that their element is, "" for anything else."""
    if _names_comments(class_, id_):
        return "comments"
    for names in (class_[:200], id_[:100]):
        for kind, says in _NAMED.items():
            if says.search(names):
                return kind
    return ""


def _names_comments(class_: str, id_: str) -> bool:
    for names in (class_[:200], id_[:100]):
        names = _STATE_OF_COMMENTS.sub("", names)
        if _COMMENT in families_of_name(names) or _COMMENT_NAME.search(names):
            return True
    return False
