"""Names in an author field or byline.

"By Ann Lee and Bob Ray | 3 May" ─ author_names ─> ["Ann Lee", "Bob Ray"]
"""

import re
from typing import Final

_BEFORE_NAMES: Final = re.compile(
    r"^(?:by|von|auth?or(?:in|en|es|i)?|autore|auteure?s?|författare|forfatter|skribent|tekijä|kirjoittaja|te[kx]st[eo]?|"
    r"testo|words|автор(?:ы|ка)?(?: (?:статьи|текста|материала))?|текст|συντάκτης|κείμενο|yazar|yazan|penulis|tác giả|"
    r"szerző|autorzy|autoři|כתבה?|كتبت?|الكاتبة?|लेखक|लेखिका|रिपोर्ट|ผู้เขียน|เรื่อง)\s*[:：–—]\s*|"
    r"^(?:(?:written|posted|published|reported|story|words|article|text|report|review|reviewed|edited|uploaded|"
    r"submitted|created|photos?|geschrieben|verfasst|ein bericht|interview|(?:eine )?analyse|ein kommentar|écrit|"
    r"publié|rédigé|escrito|publicado|geschreven|skrevet|skriven|a cura|scritto|pubblicato|postado|eingestellt|"
    r"gepost|geplaatst)\s+)?"
    r"(?:by|von|por|par|di|door|av|af|autor(?:in)?|author|texto|text|fotos?|"
    r"(?<=scritto )da|(?<=pubblicato )da|автор|του|της|oleh|bởi|מאת|بقلم)"
    r"\s*:?\s+|"
    r"^(?:posted|published|updated|submitted|veröffentlicht|publié|publicado)\b[^|]{0,40}\d{1,4}[^|\d]{0,20}?\s"
    r"(?:by|von|par|por)\s+",
    re.I,
)
_CJK_BEFORE: Final = re.compile(
    r"^[（(【〔]?(?:(?:(?:取材|構成|執筆|写真|作者|著者|筆者|文字?|記者|记者|撰文|(?:責任|责任)?(?:編輯|编辑)|글|기자)[・·、]?)+"
    r"\s*[:：/／＝=｜]\s*|(?:本[報报社刊])?(?:[實实見见]習|实习|特[派约約]|首席)?[記记]者\s*(?=[\u4e00-\u9fff]{2}))"
)
_CJK_AFTER: Final = re.compile(
    r"(?:[／/]\s*[^／/]{0,12}[報报][導导道]|[\s、，]+(?:写真|撮影|構成|編集|攝影|摄影)\s*[:：/／＝=]|"
    r"(?<=[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]{2})\s?(?:[記记]者|기자|특파원)(?=$|[\s=／/])).*$",
    re.S,
)
"""What Chinese, Japanese and Korean write before a name ("文＝") and after it ("／台北報導")."""
_CONTACT: Final = re.compile(r"(?<![^\s(<\[])[(<\[]?[^\s(<\[]*@[^\s)>\]]+[)>\]]?")
"""An address of mail, or a name on a network."""
_PLACE: Final = re.compile(r"\s(?:in|IN|aus|à|from)\s+[^\W\d_a-zà-ÿ][^,;&]*?(?=$|[,;&|]|\s(?:and|und|et)\s)")
"""Where an author writes from."""
_AFTER_NAMES: Final = re.compile(
    r"\s*(?:[|•·]|\s[/–—-]\s|\bon\b\s+\w+,?\s+\d|\bupdated\b|\bpublished\b|\b(?:stand|veröffentlicht|publié|publicado)\b|"
    r"\b(?-i:am|le|el|il|op|den|em|dia|dnia)\s+\d|,?\s+\d{1,2}[.:/ ]|"
    r"[,;]?\s(?:photo(?:s|graph|graphs|graphy)?|pictures|fotos?|bilder?)(?:\s*:|\s(?:by|von|par)\b)|"
    r"\b(?:january|february|march|april|may|june|july|august|september|october|november|december)\s+\d).*$",
    re.I | re.S,
)
_BETWEEN_NAMES: Final = re.compile(r"\s*(?:;|、|\s(?:and|und|y|et|e|&|og|och|en)\s|\||\n)\s*", re.I)
_NO_NAME: Final = re.compile(
    r"^https?:|^www\.|@|^\W*$|^(?:admin|administrator|staff|editor|none|null|undefined|unknown|authors|affiliations?|contributors|"
    r"byline|written by|share|follow)$|"
    r"^[a-z0-9]+(?:-[a-z0-9]+)+$|[{}<>\[\]]|^\(",
    re.I,
)
HOST: Final = re.compile(r"^[\w-]+\.[a-z]{2,6}$|\bwww\.|\b(?:GmbH|Inc|Ltd|LLC|Corp|S\.A)\b\.?$", re.I)
"""Names of sites and companies."""
_POST: Final = re.compile(
    r"\b(?:staff|(?:senior |chief )?(?:writer|reporter|correspondent|editor|producer|columnist|photographer)s?|"
    r"redakteur(?:in|e)?|korrespondent(?:in|en)?|corresponsal(?:es)?|redactora?|journaliste?s?|newsroom|desk|"
    r"special to)\b",
    re.I,
)
_ORGANISATION: Final = re.compile(
    r"(?i:(?:.*\s)?(?:news|press|agency|agencies|media|magazine|newspaper|bureau|network|radio|tv|television|times|tribune|"
    r"herald|gazette|reuters|bloomberg))|(?!(?:[IVX]+|JR|SR)$)[A-Z]{2,5}"
)
"""Whom an author writes for: by its last word, or a few capitals that are not "III"."""
_OF_PHOTOS: Final = re.compile(r"(?:photo|foto|edited|uploaded|写真)", re.I)
_IN_BRACKETS: Final = re.compile(r"\(([^()]+)\)")
_MOST_WORDS: Final = 4
"""Of a name."""
_PARTICLES: Final = frozenset(
    "al bin da dal de del della den der des di dos du el ibn la le ten ter van von zu zum".split()
)
"""Words in small letters that a name may begin with."""
LONGEST_NAME: Final = 80


def author_names(text: str) -> list[str]:
    """Return the names in an author field or byline: "By Ann Lee and Bob Ray | 3 May" -> ["Ann Lee", "Bob Ray"]."""
    text = _CONTACT.sub(" ", text).strip()
    if (inside := _IN_BRACKETS.fullmatch(text)) is not None:
        text = inside.group(1)  # "ann@post.example (Ann Lee)"
    if _NO_NAME.search(text) or is_only_before_names(text):
        return []
    text = _PLACE.sub("", _AFTER_NAMES.sub("", _CJK_AFTER.sub("", without_what_is_before(text))))
    names: list[str] = []
    for part in [text] if "(" in text else _BETWEEN_NAMES.split(text):
        first, *more = part.split(", ")
        pieces = [first, *(piece for piece in more if not (first[:1].isupper() and _is_of_bearer(piece, after=first)))]
        # "Ann Lee, Bob Ray" are two, "Lee, Ann" is one; a post after the name ("Ann Lee, Reporter") is no name.
        several = len(pieces) > 1 and all(len(piece.split()) > 1 for piece in pieces)
        for name in pieces if several else [", ".join(pieces)]:
            name = name.strip(" ,.:;|-–—）】〕")
            if (
                1 < len(name) <= LONGEST_NAME
                and name.count("(") == name.count(")")
                and not _NO_NAME.search(name)
                and name not in names
            ):
                names.append(name)
    return names


def surname_last(text: str) -> str:
    """Return names that are written surname first ("Lee, Ann; Ek, Bo") as they are spoken; others as they are."""
    return "; ".join(map(_spoken, text.split(";")))


def _spoken(name: str) -> str:
    surname, _, given = (part.strip() for part in name.partition(","))
    is_other = not given or "," in given or _is_of_bearer(given, surname) or HOST.search(given)
    if is_other or (len(surname.split()) > 1 and len(given.split()) > 1):
        return name.strip()
    return f"{given} {surname}"


def is_only_before_names(text: str) -> bool:
    """Whether a text is nothing but what stands before names: "By", "Written by", "Author:"."""
    return without_what_is_before(f"{text} x") == "x"


def is_named_author(text: str) -> bool:
    """Whether a text is a byline by its words alone: "By Ann Lee and Bo Ek"."""
    names = author_names(text)
    is_said = without_what_is_before(text) != text and not _OF_PHOTOS.match(text)
    return is_said and bool(names) and all(map(is_name, names))


def is_name(text: str) -> bool:
    """Whether a text looks like the name of a person: few words, each with a capital but for particles, no post."""
    words = text.split()
    return (
        1 < len(words) <= _MOST_WORDS
        and all(word in _PARTICLES or word[0].isupper() or _has_no_case(word[0]) for word in words)
        and not any(map(str.isdigit, text))
        and not _POST.search(text)
        and not _ORGANISATION.fullmatch(text)
    )


def _has_no_case(letter: str) -> bool:
    """Whether a letter is of a script without capitals."""
    return letter.isalpha() and letter.lower() == letter.upper()


def without_what_is_before(text: str) -> str:
    """Return a byline without its first words: "Written by Ann Lee" -> "Ann Lee"."""
    return _BEFORE_NAMES.sub("", _CJK_BEFORE.sub("", text))


def _is_of_bearer(piece: str, after: str) -> bool:
    """Whether what follows a name and a comma says what its bearer does or for whom: in small letters, or by a word for
    it. What follows a surname alone ("Lee, ann") is the rest of the name.
    """
    start = piece.split()[0] if piece.strip() else ""
    is_small = start[:1].islower() and start not in _PARTICLES and not start.startswith(("al-", "d'", "d’"))
    is_employer = _ORGANISATION.fullmatch(piece) is not None and not after.isupper()
    return (len(after.split()) > 1 and (is_small or is_employer)) or _POST.search(piece) is not None
