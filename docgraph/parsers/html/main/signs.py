"""Lines that are written beside any article: who may share it, how often it was read, when, what the browser opens.

    text of a block ─ is_sign, is_dateline ─> whether it is one; `IN_DATELINES` is in each of the latter

A whole text must be one: words of a sentence are none.
"""

import re
from typing import Final

LONGEST_SIGN: Final = 60
"""Letters."""
_LONGEST_DATELINE: Final = 120
_SHARE: Final = (
    r"(?:share(?: this| on)?|teilen|partager|compart(?:ir|e|ilhar|ilhe)|condividi|delen?|dela|udostępnij|paylaş|"
    r"bagikan|chia sẻ|поделиться|поділитися|"
    r"κοινοποίηση|شارك|مشاركة|שתפו|शेयर करें|แชร์|分享(?:到|至)?|シェア(?:する)?|공유)"
)
_NETWORK: Final = (
    r"(?:facebook|twitter|whatsapp|telegram|linkedin|pinterest|reddit|tumblr|messenger|viber|bluesky|mastodon|threads|"
    r"e-?mail|copy link|вконтакте|одноклассники|фейсбук|твиттер|телеграм|فيسبوك|تويتر|واتساب|تيليجرام|لينكد ?إن|"
    r"פייסבוק|טוויטר|וואטסאפ|फेसबुक|ट्विटर|व्हाट्सएप|ツイート|シェアする?|はてなブックマーク|微信|微博|朋友圈|qq空间|페이스북|트위터|"
    r"카카오톡)"
)
"""What is before the networks that a page can be shared on, and these: a line of nothing else is a row of buttons."""
_SIGN: Final = re.compile(
    r"(?:advertise?ment|anzeige|werbung|publicité|publicidad|pubblicità|advertentie|reklame?a?|sponsored)|"
    r"(?:- )?(?:advertise?ment[ -]*)?(?:story|article|post) continues below(?: (?:this )?(?:ad|advertise?ment))?|"
    r"(?:scroll|continue(?: scrolling)?|keep reading|skip) (?:to continue|for more|below|"
    r"(?:past )?advertisement)|"
    r"continue reading(?: (?:the main story|below))?|loading(?: (?:comments?|more|content|video|player))?\W*|"
    r"(?:dalsza część|ciąg dalszy) (?:artykułu|tekstu)\W.{0,30}|(?:der )?(?:artikel|text) (?:wird )?(?:unter|nach) "
    r"(?:der|dieser) (?:anzeige|werbung)(?: fortgesetzt)?|weiter nach der (?:anzeige|werbung)|"
    r"(?:la )?suite (?:de l['’]article )?après (?:la|cette) publicité|"
    r"(?:el )?artículo continúa (?:después|debajo) de la publicidad|continua (?:a leggere )?dopo la pubblicità|"
    r"continua (?:após|depois d)a publicidade|(?:het )?artikel gaat (?:verder|door) (?:onder|na) (?:de )?\w{3,12}|"
    r"art(?:ikeln|iklen|ikkelen) fort(?:sätter|sætter|setter) (?:under|efter|etter|nedanför) \w{3,12}|"
    r"opens? in (?:a )?new (?:tab|window)|"
    r"\d[\d.,]{0,6}[km]? (?:likes?|shares?|views?|claps?|kudos|retweets?|upvotes?|accesses|citations|downloads)|"
    r"(?:[^.!?]{0,40}\d[^.!?]{0,20}\s|(?:post|page) )?"
    r"(?:views|hits|acessos|просмотр(?:ов|ы)|перегляд(?:ів|и)|aufrufe|zugriffe|odsłony|wyświetlenia|"
    r"vues|lecturas|visualizzazioni|visualizações|görüntülenme|okunma|lượt xem|阅读[数量]?|浏览[数量]?|閲覧数|조회수?|"
    r"(?:عدد )?المشاهدات)\s*[:：]\s*\d[\d., ]{0,9}|"
    rf"{_SHARE}\s*[:：]?\s*{_NETWORK}(?:[\s/|·,•]*{_NETWORK})*|{_NETWORK}(?:[\s/|·,•]*{_NETWORK}){{2,}}|"
    r"(?:you are here|(?:sie|du) (?:sind|befinden sich|bist) hier|vous êtes ici|(?:usted )?está (?:aquí|aqui)|sei qui|"
    r"jesteś tutaj|вы здесь|您?(?:当前|现在)(?:所在)?的?位置|您(?:所在)?的位置)\s*[:：]"
    r"(?:\s*(?:home|start|inicio|início|accueil|startseite|strona główna|главная|首页)\b.{0,100}|"
    r".{0,60}[>›»/→].{0,60})|expand (?:description|attributes)|"
    r"(?:jump|skip|scroll) (?:down )?to (?:(?:the )?(?:recipe|content|main content|comments?|video))|"
    r"(?:(?:責任|责任)?(?:編輯|编辑)|责编|校对|审核|來源|来源)\s*[:：]\s*\S{1,16}|"
    r"(?:click|tap) (?:here )?to (?:expand|enlarge|view|collapse|reveal|load)(?: (?:the )?(?:image|photo|video|map))?|"
    r"(?:read|show|see|view|load) (?:more|less|all)|press enter or click to view image in full size|"
    r"(?:.{0,20}\W)?\d{1,3}[ -]min(?:ute)?s?(?: read| d[ei] (?:lecture|lettura|lectura)| lesezeit)(?:\W.{0,30})?|"
    r"(?:reading time|lesezeit|temps de lecture|tiempo de lectura|tempo di lettura|czas czytania)\W.{1,16}",
    re.I,
)
"""All that a text says, which then is a sign in the page."""
_KEYS: Final = re.compile(
    r"(?:(?:(?:play|pause)(?: video)?|(?:video|audio|media) player(?: is loading)?\.?|stream type|live|stop|"
    r"(?:un)?mute|replay|rewind|(?:exit )?full ?screen|settings|speed|quality|auto|volume|"
    r"(?:closed )?captions?|subtitles?|(?:on|off)|listen(?: to (?:this|the) (?:article|story|post))?|"
    r"(?:current|remaining) time|duration|playback (?:rate|speed)|picture[ -]in[ -]picture|"
    r"-?\d{1,2}:\d\d(?::\d\d)?|\d(?:[.,]\d{1,2})?[x×]|[+-]\d{1,2} ?s(?:ec)?|\d{1,3} min(?:utes?)?(?: read| listen)?)"
    r"[\s/|·•,–-]*)+",
    re.I,
)
_KEY: Final = re.compile(r"[a-z]{4}|\d[x×]|/", re.I)
"""All that a text says, and one of what it must say: the keys of a player, and not the time of an entry."""
_DATELINE: Final = re.compile(
    r"(?:first )?(?:published|(?:last )?updated|posted|publié|mis à jour|modifié|(?:última )?actualiza(?:do|ción)|"
    r"publicado|atualizado|(?:zuletzt )?aktualisiert|veröffentlicht|giriş tarihi|son güncelleme|opublikowano|"
    r"aktualizacja|publicerad|uppdaterad|gepubliceerd|bijgewerkt|aggiornato|pubblicato|опубликовано|обновлено|"
    r"公開日?|更新日?|発表|发布时间|發布時間|更新时间)"
    r"(?: (?:on|at|le|am|el|il|em|den|op|dnia|há|hace|vor))?\s*[:：]?\s*"
    r"(?:[^\W\d]{2,12}[,.]? ){0,2}\d[^!?]{0,100}",
    re.I,
)
"""All that a line says which tells when its page was written."""
IN_DATELINES: Final = (
    "publi", "pubbli", "pdated", "posted", "mis à jour", "modifi", "tualiz", "tualis", "veröff", "giriş", "güncel",
    "uppdat", "bijgew", "aggiorn", "опубл", "обнов", "公開", "更新", "発表", "发布", "發布",
)  # fmt: skip
"""One of these is in every such line."""


def is_sign(text: str, whole: str) -> bool:
    """Whether a text, without the points and dashes at its ends, or the whole of it is a sign."""
    return len(text) <= LONGEST_SIGN and (_SIGN.fullmatch(text) is not None or _is_of_keys(whole))


def _is_of_keys(text: str) -> bool:
    return _KEYS.fullmatch(text.strip()) is not None and _KEY.search(text) is not None


def is_dateline(text: str) -> bool:
    """Whether a text, no sentence, says when its page was written and no more."""
    is_line = len(text) <= _LONGEST_DATELINE and not text.removesuffix("min.").endswith(".")
    return is_line and _DATELINE.fullmatch(text.strip(" .…–—-")) is not None
