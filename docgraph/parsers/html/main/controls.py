"""Text that belongs to a machine in the page: the controls of a player,
the placeholder of an embed that asks for consent.

    Elements, Flow, Measured ─ controls ─> places in `Flow.items` that are no text of the page's author

It stands in the middle of the article, between its paragraphs, in sentences that are as long as theirs. What gives a
placeholder away is a button beside words of consent; what gives a player away is the name that its maker put on it.
Both are small: a box with much text is never one, whatever it is called.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from docgraph.parsers.html.blocks import Flow, TextBlock
from docgraph.parsers.html.elements import Attributes, Elements
from docgraph.parsers.html.main.features import Measured
from docgraph.parsers.html.main.signs import IN_DATELINES, LONGEST_SIGN, is_dateline, is_sign
from docgraph.parsers.html.searched import Searched

MOST_WORDS: Final = 120
LONGEST_CONTROL: Final = 25
LONGEST_SIGN_UP: Final = 60
"""Words of a whole box, of one text of a player's, and of a box around a field for an address."""
_MOST_ITEMS: Final = 80
_NEAR: Final = 8
_BOX_LEVELS: Final = 6
_PLAYER: Final = re.compile(
    r"\b(?:video-?js|vjs|jw-?player|jw(?=-)|plyr|mejs|mediaelement|brightcove|shaka|bmpui|ytp|flowplayer|"
    r"html5-video|(?:video|audio|media)-?player|player-?(?:controls?|ui|skin|bar))\b",
    re.I,
)
_CONSENT: Final = re.compile(
    r"cookie(?=を|等|\b|s\b)|\b(?:consent|third part(?:y|ies)|personal data|data privacy|privacy (?:policy|settings)|"
    r"external content|"
    r"einwillig\w*|zustimm\w*|datenschutz\w*|personenbezogen\w*|drittanbieter\w*|externe[nr]? inhalt\w*|"
    r"consentement|accepté? les cookies|données personnelles|contenus? externes?|"
    r"consentimiento|datos personales|contenidos? externos?|"
    r"consenso|dati personali|contenut[oi] estern[oi]|toestemming|persoonsgegevens|samtykke|samtycke|zgod[aęy])\b",
    re.I,
)
_TRACKS: Final = (
    "ookie", "eväste", "çerez", "sütik", "쿠키", "бисквит", "informasjonskaps", " device", " gerät", " Gerät",
    " appareil", " dispositivo", " urządzeniu",
)  # fmt: skip
"""One of these is in every text that tells that the site uses cookies, in one word or another."""
_ASKS: Final = re.compile(
    r"\b(?:us(?:es?|ing)|stores?|verwende\w*|nutz\w*|setz\w*|utilis\w*|utiliz\w*|usa\w*|usiamo|używa\w*|gebruik\w*|"
    r"bruke\w*|bruger|använder|используе\w*)\W+(?:\w[\w’']*[^\w’']+[’']*){0,5}cookie|cookie[^.。]{0,20}(?:使用|利用|-uri)|使用[^.。]{0,6}cookie|"
    r"eväste\w*|çerez\w*|sütiket|쿠키|бисквитк\w*|informasjonskaps\w*|"
    r"(?:stores?|access|speicher\w*|stock\w*|archivi\w*|almacen\w*|przechow\w*)[^.]{0,40}"
    r"(?:on (?:a|your) device|auf (?:einem|ihrem) gerät|sur un appareil|su un dispositivo|en un dispositivo|"
    r"na urządzeniu)",
    re.I,
)
"""A sentence that tells that the site uses cookies."""
_LONGEST_ASKING: Final = 600
_LEADS_ON: Final = re.compile(
    r"(?:(?:read|see|watch|listen)(?: (?:also|more|next|too|this|on))?|also (?:read|see)|more(?: on this)?|"
    r"related(?: \w+)?|don['’]t miss|mehr (?:dazu|zum thema|lesen)|lesen sie (?:auch|mehr|hier|dazu)|auch interessant|"
    r"(?:à |a )?lire aussi|lire (?:également|la suite)|le[ea] (?:también|además|más|mais)|leer más|"
    r"leia (?:também|mais)|leggi anche|lees ook|les (?:også|mer)|läs (?:också|även|mer)|læs (?:også|mere)|lue myös|"
    r"czytaj (?:też|także|również|więcej)|zobacz (?:też|także)|přečtěte si|čtěte také|olvas[ds]\w* (?:el|még|tovább)|"
    r"διαβάστε (?:επίσης|ακόμα)|δείτε (?:επίσης|ακόμα)|यह भी (?:पढ़ें|पढ़ें|देखें)|اقرأ (?:أيضا|أيضاً|المزيد)|קראו (?:גם|עוד)|"
    r"ayrıca (?:okuyun|bkz)|baca juga|simak juga|xem thêm|đọc thêm|"
    r"читайте (?:также|ещё)|читати також|延伸閱讀|延伸阅读|相關(?:新聞|文章)|関連記事)\s*(?:[:：>»→]+|[–—-]\s)\s*",
    re.I,
)
"""What a line that leads to another article begins with; the rest of it is a link."""
_SIGNATURE: Final = re.compile(r"(?:^|\s)(?:(?:post|message|user|forum)[-_]?)?signature(?:$|\s)|^sig-?\d+$", re.I)
"""Class, or identifier, of what an author puts under all posts."""
_LONGEST_SIGNATURE: Final = 60
_MOST_LED_TO: Final = 6
_LANGUAGES: Final = frozenset(
    "python bash shell sh zsh console terminal powershell javascript js typescript ts jsx tsx json jsonc html xml css "
    "scss java kotlin c c++ cpp c# csharp go golang rust sql yaml yml toml ini php ruby perl lua r swift scala haskell "
    "elixir dart diff dockerfile makefile graphql markdown plaintext text".split()
)
"""Names of languages, which stand above code as labels."""


_NEEDS: Final = re.compile(
    r"(?:enable|activate|turn on|requires?) java-?script|supports? html5|browser (?:does not|doesn['’]t) support|"
    r"java-?script (?:aktivier|einschalt|is (?:disabled|required))|flash player|"
    r"activa(?:r|te)? java-?script|activer java-?script|"
    r"you(?:['’]re| are| have)? receiv(?:ing|ed) this (?:e-?mail|newsletter|message)|"
    r"(?:recibes?|vous recevez|sie erhalten) (?:este|cet?|diese) (?:e-?mail|newsletter|message|correo)|"
    r"unsubscribe(?: here| from this|\s*[|·•])|you (?:get|receive) this (?:e-?mail|newsletter) because|"
    r"^view (?:it )?in (?:your |a |the )?(?:web )?browser$|"
    r"(?:^|(?:trouble|problems?|difficult\w*|unable to|can['’]?t|cannot) )(?:view|read|see)(?:ing)? (?:this|the|our) "
    r"(?:e-?mail|newsletter|message)\b.{0,40} (?:in|with) (?:your |a |the )?(?:web )?browser|"
    r"^(?:generated|powered) (?:on .{1,40} )?(?:by|with|using) (?:doxygen|sphinx|javadoc|jsdoc|typedoc|"
    r"mkdocs|hugo|jekyll|hexo|pelican|gitbook|docusaurus|dokuwiki|mediawiki|wordpress|ghost)\b[\w\s.®™]{0,24}$|"
    r"best viewed (?:with|in|at|using) (?:\d|internet|netscape|firefox|chrome|mozilla|ie\b)|"
    r"you are visitor (?:no\b|number|#|\d)|"
    r"(?:you (?:buy|purchase|shop)|(?:affiliate|our|these) links)\b[^.]{0,60}\bwe (?:may |might |will )?"
    r"(?:earn|receive|get)\b[^.]{0,30}\bcommission",
    re.I,
)
"""In a short text: it tells what a player needs, why one got a mail, how the page is best seen, or who pays for it."""
_IN_NEEDS: Final = (
    "script", "html5", "browser", "flash", "receiv", "recib", "recev", "erhalten", "unsubscribe", "viewed", "visitor",
    "generated", "powered", "get this",
    "commission",
)  # fmt: skip
_CHANNELS: Final = ("whatsapp", "telegram", "google news", "google notícias", "google actualités", "google haberler")
_JOINS: Final = re.compile(
    r"^\W*(?:(?:click|tap) here to |clique (?:aqui|no link) (?:para|e) |haz clic aquí para |cliquez ici pour )?"
    r"(?:follow|join|subscribe|siga|sigue|seguir|síguenos|entre (?:no|em)|entrar|participe|receba|recibe|únete|unirse|"
    r"suscríbete|inscreva-se|suivez|rejoignez|abonnez|folge|seguici|iscriviti|volg ons|følg|följ|takip|ikuti|gabung|"
    r"theo dõi|подпишитесь|подписывайтесь|читайте|dołącz|obserwuj|जुड़ें|تابعوا?|تابعونا|انضموا?|עקבו|הצטרפו)(?!\w)"
    r".*(?:whatsapp|telegram|google \w+).{0,120}$",
    re.I | re.S,
)
"""A short text with a link that begins so and names one of the channels asks the reader to follow the site there."""
_IN_PLAYERS: Final = ("video", "player", "jw", "vjs", "plyr", "mejs", "media", "brightcove", "shaka", "bmpui", "ytp")
"""One of these is in all that the pattern finds something in; looking for them is quicker."""
_LONGEST_NEED: Final = 260
_AGREES: Final = re.compile(
    r"(?:i )?(?:accept|agree|allow)(?: (?:all|cookies|all cookies))?|ok(?:ay)?|got it!?|(?:alle )?akzeptieren|"
    r"zustimmen|einverstanden|verstanden|(?:tout )?accepter|j['’]accepte|aceptar|acepto|accett[ao]|akkoord|accepteren|"
    r"zgadzam się|akceptuję|aceitar|godkänn|acceptera|acceptér|accepter alle|godta|hyväksy|souhlasím|přijmout|"
    r"elfogadom|kabul et|принять|прийняти|αποδοχή|同意する?|接受|동의|приемам",
    re.I,
)
_BUTTON: Final = re.compile(r"(?:^|[\s_-])(?:btn|button)(?:$|[\s_-])", re.I)
_SIGNED: Final = frozenset(("div", "aside", "td"))
_CELL_LEVELS: Final = 6
_WHOLE: Final = frozenset(("article", "body", "main", "section"))
"""Elements that are more than a box."""


def controls(elements: Elements, flow: Flow, measured: Measured) -> set[int]:
    """Return the places of the blocks of players, of what asks for consent, and of signs ("Advertisement")."""
    places, before = flow.places(), measured.before
    found: set[int] = set()
    buttons = (*elements.rows_of("button"), *elements.rows_of("label"))
    links = (row for row in elements.rows_of("a") if _is_button(elements.attributes[row]))
    for box in {_box_around(elements, flow, before, row) for row in (*buttons, *links)}:
        if box is not None and any(map(_CONSENT.search, _texts(flow, *box))):
            found.update(range(*box))
    for row in elements.rows_of("input"):
        box = _box_around(elements, flow, before, row) if elements.attributes[row].get("type") == "email" else None
        if box is not None and before[box[1]] - before[box[0]] <= LONGEST_SIGN_UP:
            found.update(range(*box))
    short = [block.text if len(block.text) <= _LONGEST_ASKING else "" for block in measured.block]
    tracks = {*Searched(short).having(_TRACKS)}
    lower = Searched(text.lower() for text in short)
    needs, dated = {*lower.having(_IN_NEEDS)}, {*lower.having(IN_DATELINES)}
    joins = {*lower.having(_CHANNELS)}
    linked = [*[block.linked for block in measured.block], 0]
    for place, (index, block) in enumerate(zip(measured.index, measured.block, strict=True)):
        text = block.text
        if place in tracks and _ASKS.search(text):
            alone = places.get(block.element) if elements.tag[block.element] == "div" else None
            box = _box_around(elements, flow, before, block.element) or alone
            if box is not None and _has_button(elements, flow, box):
                found.update(range(*box))
        if len(text) <= _LONGEST_NEED and block.element not in flow.headings:
            text = text.strip(" .…–—-")
            says = is_sign(text, block.text) or (place in dated and is_dateline(block.text))
            says = says and not _is_of_data(elements, block.element)
            is_need = (place in needs and _NEEDS.search(text)) or (
                place in joins and block.linked and _JOINS.search(text)
            )
            if linked[place + 1] and not block.linked and _LEADS_ON.fullmatch(f"{text[:LONGEST_SIGN]}: "):
                found.update(_led_to(flow, measured, place))
            if says or is_need or (block.linked and _leads_on(block)) or _names_language(flow, index):
                found.add(index)
    for row in elements.rows_named(_is_signature, ("sig",)):
        start, stop = places.get(row, (0, 0))
        if elements.tag[row] in _SIGNED and before[stop] - before[start] <= _LONGEST_SIGNATURE:
            found.update(range(start, stop))
    done = -1
    for row in elements.rows_named(_is_player, _IN_PLAYERS):
        if row >= done and row in places:
            done = elements.end(row)
            start, stop = places[row]
            most = max(map(measured.words_at, range(start, stop)))
            if 0 < most <= LONGEST_CONTROL and before[stop] - before[start] <= MOST_WORDS:
                found.update(range(start, stop))
    return found


def _leads_on(block: TextBlock) -> bool:
    """Whether a line only leads to another article: "Read more: " and a link."""
    start = _LEADS_ON.match(block.text)
    return start is not None and block.linked >= len(block.text) - start.end() - 2


def _led_to(flow: Flow, measured: Measured, label: int) -> list[int]:
    """Return the places of a line that says that links follow, and of these; none if none do."""
    led = list[int]()
    for place in range(label + 1, min(len(measured.block), label + 1 + _MOST_LED_TO)):
        block = measured.block[place]
        if block.linked < len(block.text) or block.element in flow.headings:
            break
        led.append(measured.index[place])
    return [measured.index[label], *led] if led else []


def _names_language(flow: Flow, index: int) -> bool:
    """Whether a text is the label of the code right after it."""
    if flow.items[index].text.lower() not in _LANGUAGES:  # type: ignore[union-attr]
        return False
    return any(isinstance(item, TextBlock) and item.preformatted for item in flow.items[index + 1 : index + _NEAR])


def _is_signature(class_: str, id_: str) -> bool:
    return any(_SIGNATURE.search(names[:200]) for names in (class_, id_))


def _is_of_data(elements: Elements, row: int) -> bool:
    """Whether an element lies in a table with headers: what a cell of it counts or lists is said, and no sign."""
    for around in elements.around(row, _CELL_LEVELS):
        if elements.tag[around] == "table":
            return "th" in elements.tag[around : elements.end(around)]
    return False


def _is_player(class_: str, id_: str) -> bool:
    return _PLAYER.search(f"{class_} {id_}"[:200]) is not None


def _is_button(own: Attributes) -> bool:
    return own.get("role") == "button" or _is_named_button(own.get("class", ""))


@lru_cache(maxsize=8_192)
def _is_named_button(names: str) -> bool:
    return _BUTTON.search(names[:200]) is not None


def _has_button(elements: Elements, flow: Flow, box: tuple[int, int]) -> bool:
    """Whether a box has a button, or a link that says what such a button would."""
    rows = [row for row in flow.items[slice(*box)] if isinstance(row, int) and row >= 0]
    if any(_is_button(elements.attributes[row]) or elements.tag[row] == "button" for row in rows):
        return True
    inner = range(rows[0], elements.end(rows[0])) if rows else range(0)
    return any(elements.tag[row] == "a" and _AGREES.fullmatch(elements.text(row).strip()) for row in inner)


def _box_around(elements: Elements, flow: Flow, before: list[int], row: int) -> tuple[int, int] | None:
    """Return where the largest box around a button begins and ends, None if there is none."""
    places, box = flow.places(), None
    for around in elements.around(elements.parent[row], _BOX_LEVELS):
        if elements.tag[around] in _WHOLE:
            break
        if around not in places:
            continue
        start, stop = places[around]
        if stop - start > _MOST_ITEMS or before[stop] - before[start] > MOST_WORDS:
            break
        box = (start, stop)
    return box


def _texts(flow: Flow, start: int, stop: int) -> Iterator[str]:
    return (item.text for item in flow.items[start:stop] if isinstance(item, TextBlock) and item.text)
