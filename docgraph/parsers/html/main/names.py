"""What a tag, class name or id says about its element: families of words such as "comment", "related" or "body".

    class="post-relatedArticles" ─ words ─> post, related, articles ─> columns of "article" and "related"

A word is read on its own; what tools add to names (hashes, Tailwind's "md:flex") is passed over. Every answer is kept
for the names that come again, which on a page are nearly all.
"""

import re
from functools import lru_cache
from typing import Final

from docgraph.parsers.html.tags import words_in

FAMILIES: Final[dict[str, str]] = {
    "article": r"^articles?$|^story$|^stories$|^post$|^entry$|^news$|^blog",
    "body": r"body|^bod$|^text$|^copy$|^rte$|^richtext|^prose$|^markdown$|^wysiwyg|^rich$",
    "content": r"^cont$|content|^contenido|^inhalt",
    "main": r"^main|^primary$|^single$|^center$|^middle$|^detail",
    "paragraph": r"^para|^paragraph|^p$",
    "lead": r"^lead$|^lede$|^intro|^summary|^abstract|^standfirst|^teasertext|^dek$|^deck$|^excerpt|^subtitle|^subhead|"
    r"^kicker|^vorspann",
    "comment": r"comments?$|^comment(?!ed|ab|at|ar)|disqus|discuss|repl(?:y|ies)|respond|remark|^reactions?$|forum|"
    r"kommentar|livefyre",
    "share": r"shar(?:e|ing)|social|facebook|twitter|whatsapp|pinterest|addthis|addtoany|sharedaddy|follow|^like",
    "related": r"^relate|relatedp|recommend|^more$|^also$|similar|read(?:more|next|also)|outbrain|taboola|zerg|"
    r"revcontent|mgid|trending|popular|latest|mostread|^most$|suggest|^further|upnext|^seealso",
    "navigation": r"^nav|menu|breadcrumb|crumb|pagination|^pager|^pages?link|^tabs?$|^toc$|^skip|sitemap|toolbar|^jump|"
    r"dropdown|accordion",
    "header": r"header|masthead|^head$|^top$|^topbar|^logo|^hero|brand",
    "footer": r"foot|^bottom|colophon|^legal|copyright|imprint|disclaimer|^end$",
    "side": r"side|^aside|^rail|^right|^left$|^col2|^secondary|^margin|^gutter|complementary|^sticky",
    "advert": r"^ads?$|^adv|advert|sponsor|banner|promoted|^dfp|^gpt|^adsense|doubleclick|^commercial|werbung|anzeige|"
    r"paid|affiliate|^native|^adslot|^adbox|^adunit|interstitial",
    "promo": r"promo|newsletter|subscri|signup|paywall|^cta|^offer|donat|membership|^register|registration|^upsell|"
    r"^plus$|piano|abo$|^abo|marketing|campaign|shop|product|^buy|price",
    "author": r"auth?or|byline|^bio$|^by$|writer|contributor|reporter|^profile|avatar|^person",
    "meta": r"^meta|^date|^time|timestamp|publish|^posted|^info$|^updated|dateline|^read(?:ing)?time|stats|counter|"
    r"views|rating|votes?|score",
    "caption": r"caption|credit|legend|^figure|^fig$|^photo|^image|^img|^picture|^pic$|thumb|gallery|slide|carousel|"
    r"swiper|^media|lightbox|bild",
    "tags": r"^tags?$|taglist|tagged|^topics?$|keyword|categor|^cat$|^labels?$|^channel|^section(?:name|label)|themen",
    "video": r"video|player|audio|podcast|youtube|^embed|jwplayer|brightcove|playlist",
    "consent": r"cookie|consent|gdpr|privacy|modal|popup|overlay|dialog|tooltip|notice|alert|^message|toast|hidden|"
    r"print|noprint",
    "search": r"search|^form|login|signin|^user|account|^input|^field|^btn|^button|survey|poll$|quiz",
    "teaser": r"teaser|^cards?$|^tiles?$|^items?$|^blocks?$|^widget|^module|^box|^list|^grid|feed|^stream|^archive|"
    r"collection|headlines?$|^river|^ticker|^panel",
    "quote": r"quot|^pull|^tweet|instagram|^aside$|callout|highlight|^factbox|infobox|^fact|^note|^sidebar",
    "title": r"^title|^headline|^heading|^hed$|^ueberschrift|^titel",
}
"""What a word in a class name or id says about its element: family -> pattern on one word in small letters."""

TAG_FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "tag_nav": ("nav", "menu"),
    "tag_header": ("header", "hgroup"),
    "tag_footer": ("footer",),
    "tag_aside": ("aside", "dialog"),
    "tag_form": ("form", "fieldset", "button", "select", "label", "textarea"),
    "tag_figure": ("figure", "figcaption", "picture"),
    "tag_list": ("ul", "ol", "dl", "menu"),
    "tag_table": ("table",),
    "tag_article": ("article",),
    "tag_main": ("main",),
    "tag_section": ("section",),
    "tag_quote": ("blockquote",),
    "tag_link": ("a",),
    "item_body": (),
}

NAMES: Final = tuple(FAMILIES) + tuple(TAG_FAMILIES)
TAG_COLUMNS: Final[dict[str, tuple[int, ...]]] = {
    tag: tuple(NAMES.index(name) for name, tags in TAG_FAMILIES.items() if tag in tags)
    for tags in TAG_FAMILIES.values()
    for tag in tags
}
ITEM_BODY: Final = NAMES.index("item_body")
_HASH: Final = re.compile(r"__(?=[A-Za-z_-]*[A-Z0-9])[A-Za-z0-9_-]{5}$|^(?:css|sc|jsx|svelte|astro)-.*")
"""What tools add to a class name; and names of theirs that say nothing (with ":" or "[", Tailwind's)."""
_OF_TOOLS: Final = ("__", ":", "[", "css-", "sc-", "jsx-", "svelte-", "astro-")
"""One of these is in every attribute with such a name."""
_PATTERNS: Final = tuple(re.compile(pattern) for pattern in FAMILIES.values())


@lru_cache(maxsize=16_384)
def families_of_word(word: str) -> tuple[int, ...]:
    """Return the columns of the families that a word of a class name belongs to."""
    return tuple(column for column, pattern in enumerate(_PATTERNS) if pattern.search(word))


@lru_cache(maxsize=8_192)
def families_of_name(names: str) -> tuple[int, ...]:
    """Return the columns of the families that a class or id attribute names."""
    return tuple(sorted({family for word in words_in(said_by(names)) for family in families_of_word(word)}))


def said_by(names: str) -> str:
    """Return a class or id attribute without what tools add to its names, and without names that only tools read."""
    if not any(map(names.__contains__, _OF_TOOLS)):
        return names
    return " ".join(_HASH.sub("", name) for name in names.split() if ":" not in name and "[" not in name)
