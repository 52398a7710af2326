"""Names in an author field or byline.

"By Ann Lee and Bob Ray | 3 May" ─ author_names ─> ["Ann Lee", "Bob Ray"]
"""

import re
from typing import Final

_BEFORE_NAMES: Final = re.compile(
    r"^(?:(?:written|posted|published|reported|story|words|article|text|report|review|reviewed|edited|uploaded|"
    r"submitted|created|photos?)\s+)?(?:by|von|por|par|di|door|av|af|autor(?:in)?|author|texto|text|fotos?)\s*:?\s+|"
    r"^(?:by|author|autor|von)\s*:\s*",
    re.I,
)
_CHINESE_BEFORE: Final = re.compile(r"^(?:作者|文|記者|记者|撰文|編輯|编辑|責任編輯|责任编辑|글|기자)\s*[:：/]\s*")
_AFTER_NAMES: Final = re.compile(
    r"\s*(?:[|•·]|\s[/–—-]\s|\bon\b\s+\w+\s+\d|\bupdated\b|\bpublished\b|\b(?:stand|veröffentlicht|publié|publicado)\b|"
    r"\bam\s+\d|,?\s+\d{1,2}[.:/ ]|"
    r"\b(?:january|february|march|april|may|june|july|august|september|october|november|december)\s+\d).*$",
    re.I | re.S,
)
_BETWEEN_NAMES: Final = re.compile(r"\s*(?:;|\s(?:and|und|y|et|e|&|og|och|en)\s|\||\n)\s*", re.I)
_NO_NAME: Final = re.compile(
    r"^https?:|^www\.|@|^\W*$|^(?:admin|administrator|staff|editor|none|null|undefined|unknown)$|"
    r"^[a-z0-9]+(?:-[a-z0-9]+)+$|[{}<>\[\]]|^\(",
    re.I,
)
HOST: Final = re.compile(r"^[\w-]+\.[a-z]{2,6}$|\bwww\.|\b(?:GmbH|Inc|Ltd|LLC|Corp|S\.A)\b\.?$", re.I)
"""Names of sites and companies."""
_POST: Final = re.compile(
    r"\b(?:staff|(?:senior |chief )?(?:writer|reporter|correspondent|editor|producer|columnist|photographer)|"
    r"redakteur(?:in)?|korrespondent(?:in)?|corresponsal|redactora?|journaliste?|newsroom)\b",
    re.I,
)
_PARTICLES: Final = frozenset(
    "al bin da dal de del della den der des di dos du el ibn la le ten ter van von zu zum".split()
)
"""Words in small letters that a name may begin with."""
LONGEST_NAME: Final = 80


def author_names(text: str) -> list[str]:
    """Return the names in an author field or byline: "By Ann Lee and Bob Ray | 3 May" -> ["Ann Lee", "Bob Ray"]."""
    if _NO_NAME.search(text.strip()):
        return []
    text = _AFTER_NAMES.sub("", _BEFORE_NAMES.sub("", _CHINESE_BEFORE.sub("", text.strip())))
    names: list[str] = []
    for part in [text] if "(" in text else _BETWEEN_NAMES.split(text):
        first, *more = part.split(", ")
        pieces = [first, *(piece for piece in more if not (first[:1].isupper() and _is_post(piece, after=first)))]
        # "Ann Lee, Bob Ray" are two, "Lee, Ann" is one; a post after the name ("Ann Lee, Reporter") is no name.
        several = len(pieces) > 1 and all(len(piece.split()) > 1 for piece in pieces)
        for name in pieces if several else [", ".join(pieces)]:
            name = name.strip(" ,.:;|-–—")
            if (
                1 < len(name) <= LONGEST_NAME
                and name.count("(") == name.count(")")
                and not _NO_NAME.search(name)
                and name not in names
            ):
                names.append(name)
    return names


def _is_post(piece: str, after: str) -> bool:
    """Whether what follows a name and a comma says what its bearer does: in small letters, or by a word for it. What
    follows a surname alone ("Lee, ann") is the rest of the name.
    """
    start = piece.split()[0] if piece.strip() else ""
    is_small = start[:1].islower() and start not in _PARTICLES and not start.startswith(("al-", "d'", "d’"))
    return (is_small and len(after.split()) > 1) or _POST.search(piece) is not None
