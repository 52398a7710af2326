"""Kinds of faults: signs and labels in the text, notes, entries, next stories, names of sites in titles, far dates."""

import pytest

from docgraph import parse_html
from docgraph.parsers.html.metadata.dates import iso_date
from tests.white_tower import BODY, LINES, article, bound, codes, heading_over


@pytest.mark.parametrize(
    "markup",
    [
        "<p>Read more: <a href=/x>The grey tower of the north</a></p>",
        "<p><a href=/x>Lesen Sie auch: Der graue Turm im Norden</a></p>",
        "<p>À lire aussi » <a href=/x>La tour grise du nord</a></p>",
        "<p><strong>Related:</strong> <a href=/x>The grey tower of the north</a></p>",
        "<p>Article continues below this ad</p>",
        "<div aria-busy=true>Loading comments</div>",
        "<div class=quote-more>Click to expand...</div>",
        "<div><button>Listen to this article</button><span>5 min</span><span>1x</span></div>",
        "<div><video src=a.mp4></video><div><span>0:00 / 2:41</span><button>Full screen</button></div></div>",
        "<div><span>-10s</span><span>+30s</span><span>Speed</span></div>",
    ],
)
def test_signs_keys_and_lines_that_lead_on_are_no_text_of_the_article(markup: str):
    assert article(markup).main_text.split("\n\n") == LINES


@pytest.mark.parametrize(
    "markup",
    [
        "<p>Read more about it in <a href=/x>the report of the harbour</a>, which has ninety pages.</p>",
        "<p>Related to this is the question who pays, as <a href=/x>a letter</a> says.</p>",
        "<p>At 10:45 they played on the quay.</p>",
        "<p>Read more: the report of the harbour, as <a href=/x>a letter</a> says, has ninety pages.</p>",
    ],
)
def test_sentences_that_begin_like_such_lines_are_text(markup: str):
    assert len(article(markup).main_text.split("\n\n")) == len(LINES) + 1


def test_labels_and_buttons_above_code_are_not_of_the_text():
    page = article(
        "<div class=code-block><div class=bar><span>python</span><button>Copy code</button></div>"
        "<pre><code class=language-python>if dark:\n&nbsp;&nbsp;shine()</code></pre></div>"
    )
    assert [(node.text, node.attributes["code_language"]) for node in page.find("code")] == [
        ("if dark:\n  shine()", "python")
    ]
    assert page.main_text.split("\n\n") == [*LINES[:2], "if dark:\n  shine()", *LINES[2:]]


@pytest.mark.parametrize(
    ("markup", "language"),
    [
        (
            "<div class='language-ruby highlighter-rouge'><div class=highlight><pre class=highlight><code><table "
            "class=rouge-table><tbody><tr><td class='rouge-gutter gl'><pre class=lineno>1\n2\n</pre></td>"
            "<td class=rouge-code><pre>shine\nstop\n</pre></td></tr></tbody></table></code></pre></div></div>",
            "ruby",
        ),
        (
            "<div class=highlight><div class=chroma><table class=lntable><tr><td class=lntd><pre class=chroma><code>"
            "<span class=lnt>1\n</span><span class=lnt>2\n</span></code></pre></td><td class=lntd><pre class=chroma>"
            "<code data-lang=go>shine\nstop\n</code></pre></td></tr></table></div></div>",
            "go",
        ),
        (
            "<div class='syntaxhighlighter java'><table><tbody><tr><td class=gutter><div>1</div><div>2</div></td>"
            "<td class=code><div><div class=line><code class='java plain'>shine</code></div><div class=line>"
            "<code>stop</code></div></div></td></tr></tbody></table></div>",
            "java",
        ),
        ("<pre><code data-lang=go>shine\nstop</code></pre>", "go"),
        ("<pre><code class='hljs c++'>shine\nstop</code></pre>", "c++"),
        ("<pre><code class='hljs language-rust'>shine\nstop</code></pre>", "rust"),
        ("<div class='highlight-ruby notranslate'><div class=highlight><pre>shine\nstop</pre></div></div>", "ruby"),
        ("<div class='highlight-default notranslate'><pre>shine\nstop</pre></div>", None),
        ("<pre><code class='hljs line-numbers'>shine\nstop</code></pre>", None),
        ("<div data-lang=de><pre>shine\nstop</pre></div>", None),
        ("<pre lang=python>shine\nstop</pre>", "python"),
        ("<pre lang=go>shine\nstop</pre>", "go"),
        ("<pre lang=de>shine\nstop</pre>", None),
        ("<pre lang=en-GB>shine\nstop</pre>", None),
    ],
)
def test_the_language_of_code_is_that_of_its_wrapper(markup: str, language: str | None):
    found = [(node.text, node.attributes.get("code_language")) for node in article(markup).find("code")]
    assert found == [("shine\nstop", language)]


@pytest.mark.parametrize(
    "note",
    [
        "<section role=doc-endnotes><ol><li>From the log. <a role=doc-backlink href=#a>Back</a></li></ol></section>",
        "<footer class=footnotes><ol><li>From the log. <a href=#r1 class=reversefootnote>↩</a></li></ol></footer>",
        "<ol><li><span class=mw-cite-backlink><b><a href=#r1>^</a></b></span> From the log.</li></ol>",
        "<p><a href=#r1>^</a> From the log.</p>",
    ],
)
def test_notes_are_main_text_without_their_way_back(note: str):
    page = parse_html(f"<title>A white tower</title><article><h1>A white tower</h1>{BODY}{note}</article><p>© 2020</p>")
    assert page.main_text.split("\n\n")[-1].lstrip("1. ") == "From the log."


def test_a_pulled_quote_is_said_once_and_another_quote_stays():
    page = article(f"<aside class=pullquote><p>“{LINES[2]}”</p></aside><blockquote><p>It was cold.</p></blockquote>")
    assert page.main_text.count(LINES[2]) == 1
    assert "It was cold." in page.main_text


def test_a_caption_for_two_kinds_of_screen_is_there_once():
    caption = (
        "<figcaption class=hide-mobile>The tower at noon</figcaption><figcaption class=only-mobile>The tower at noon"
    )
    page = article(f"<figure><img src=a.jpg>{caption}</figcaption></figure>")
    assert bound(page) == [("a.jpg", "The tower at noon")]


def test_a_drawing_in_an_object_is_the_image_that_stands_in_it():
    page = article("<object data=plan.svg type=image/svg+xml><img src=plan.png alt=Plan></object>")
    assert [image.attributes["src"] for image in page.images()] == ["https://e.example/d/plan.png"]


@pytest.mark.parametrize(
    "entry",
    [
        "<dt><time>{}</time></dt><dd><h3>{}</h3><p>{}</p></dd>",
        "<li><time>{}</time><h3>{}</h3><p>{}</p></li>",
    ],
)
def test_entries_in_lists_are_sections_that_hold_their_times(entry: str):
    told = [("10:45", "Paint", LINES[0]), ("10:20", "Ropes", LINES[1]), ("09:58", "Wind", LINES[2])]
    entries = "".join(entry.format(*parts) for parts in told)
    page = parse_html(f"<h1>Live</h1>{'<dl>' if entry.startswith('<dt') else '<ol>'}{entries}")
    for time, _, line in told:
        node = [node for node in page.walk() if line in node.text][-1]
        while node.kind != "section":
            node = node.parent
        assert time in node.text
        assert not any(other in node.text for other, *_ in told if other != time)


def test_definitions_under_times_that_are_no_entries_stay_a_list():
    page = article("<dl><dt>10:45<dd>boat<dt>11:45<dd>boat<dt>12:45<dd>last boat</dl>")
    assert len(page.find("term")) == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "<div id=more><div class=post><h1>Another day</h1>{}</div></div>"),
        ("<article><h2>Another day</h2>{}</article>", ""),
    ],
)
def test_stories_beside_the_one_that_the_page_is_about_are_not_its_text(before: str, after: str):
    other = "".join(f"<p>{line.replace('the', 'another')} And more of it.</p>" for line in LINES)
    own = ("<div class=post>", "</div>") if after else ("<article>", "</article>")
    page = parse_html(
        f"<title>A white tower</title>{before.format(other)}<main>{own[0]}<h1>A white tower</h1>{BODY}{own[1]}</main>"
        f"{after.format(other)}"
    )
    assert page.main_text.split("\n\n") == LINES


def test_a_name_that_says_that_there_are_no_comments_is_no_name_of_comments():
    page = parse_html(
        f"<title>A white tower</title><main><h1>A white tower</h1>{BODY}<div class=no-comments>{BODY}</div>"
    )
    assert page.main_text.split("\n\n") == LINES * 2


def test_a_body_that_microdata_declares_in_a_meta_element_is_given():
    body = " ".join(LINES) * 3
    page = parse_html(
        f"<title>A tower</title><main><h1>A tower</h1><p>{LINES[0]}</p><div itemscope itemtype=https://schema.org/Article>"
        f'<meta itemprop=articleBody content="{body}"></div></main>'
    )
    assert "main.declared" in codes(page)
    assert page.metadata.extra["declared_body"] == body


def test_a_title_is_whole_and_without_the_name_of_the_site():
    head = "<title>A white tower :: Island News</title>"
    page = parse_html(f"{head}<body><h1 class=logo>Island News</h1><h2>A white tower</h2>{BODY}")
    assert page.metadata.title == "A white tower"
    assert parse_html(f"<title>A tower &amp;amp; its keeper</title>{BODY}").metadata.title == "A tower & its keeper"


def test_a_title_that_is_cut_off_elsewhere_is_whole():
    head = "<title>A white tower in the north</title><meta property=og:title content='A white tower in …'>"
    assert parse_html(f"{head}{BODY}").metadata.title == "A white tower in the north"


def test_a_date_in_the_microdata_of_a_comment_is_not_that_of_the_page():
    page = article(
        "<div itemprop=comment itemscope itemtype=http://schema.org/Comment><meta itemprop=datePublished "
        "content=2025-01-01><p itemprop=text>Nice.</p></div>",
        head="<meta name=date content=2024-05-06>",
    )
    assert page.metadata.date == "2024-05-06"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("۱۵ مهر ۱۳۹۹", "2020-10-06"),
        ("۱ فروردین ۱۴۰۰", "2021-03-21"),
        ("۲۲ بهمن ۱۳۵۷", "1979-02-11"),
        ("1403/12/30", "2025-03-20"),
        ("1403/13/30", None),
    ],
)
def test_dates_of_the_calendar_of_iran_are_brought_to_ours(text: str, day: str | None):
    assert iso_date(text, "fa") == day


def test_japanese_under_a_western_label_is_read():
    text = "図書館が再び開いた。人々は長い列を作った。本も戻ってきた。" * 5
    page = parse_html(f"<meta charset=iso-8859-1><p>{text}</p>".encode("euc-jp"))
    assert page.text == text


def test_a_formula_alone_in_its_paragraph_is_written_as_a_block():
    page = article(
        "<div><math display=block><semantics><mi>a</mi><annotation encoding=application/x-tex>a = b_{0}</annotation>"
        "</semantics></math></div><p>So <math><semantics><mi>c</mi><annotation encoding=application/x-tex>c"
        "</annotation></semantics></math> is.</p>"
    )
    assert "\n\n$$a = b_{0}$$\n\n" in page.to_markdown()
    assert "So $c$ is." in page.to_markdown()


def test_heads_of_boxes_do_not_take_what_follows_them():
    page = article("<h2>Ropes</h2><p>They hung.</p><fieldset><legend>Facts</legend><p>Ninety feet.</p></fieldset>")
    assert heading_over(page, LINES[2]) == "Ropes"


@pytest.mark.parametrize(
    ("text", "agree"),
    [
        ("This website uses cookies to ensure you get the best experience.", "Got it"),
        ("Noi e i nostri partner archiviamo informazioni su un dispositivo.", "Accetta"),
        ("Käytämme evästeitä parantaaksemme käyttökokemustasi.", "Hyväksy"),
        ("Weboldalunk sütiket használ a jobb felhasználói élmény érdekében.", "Elfogadom"),
        ("Sitemizde daha iyi hizmet için çerezler kullanılmaktadır.", "Kabul et"),
        ("本网站使用Cookie以提升您的体验。", "接受"),
        ("이 웹사이트는 쿠키를 사용합니다.", "동의"),
        ("Този сайт използва бисквитки.", "Приемам"),
    ],
)
@pytest.mark.parametrize(
    "box", ["<div><p>{}</p><button>{}</button></div>", "<div class=x1><span>{}</span> <a href=/privacy>{}</a></div>"]
)
def test_what_asks_for_consent_in_the_midst_of_an_article_is_not_its_text(box: str, text: str, agree: str):
    assert article(box.format(text, agree)).main_text.split("\n\n") == LINES


def test_an_article_about_cookies_is_text():
    line = "The harbour office uses cookies, said the keeper, and asked them to <a href=/x>stop</a>."
    assert "uses cookies" in article(f"<p>{line}</p>").main_text


@pytest.mark.parametrize(
    "line",
    [
        "<p class='text-xl font-bold mt-4'>{}</p>",
        "<p class=bold>{}</p>",
        "<p><span class='fw-semibold'>{}</span></p>",
        "<p class=intertitle>{}</p>",
    ],
)
def test_a_line_that_is_bold_by_its_class_is_a_heading(line: str):
    page = article(line.format("Ropes and wind"))
    assert heading_over(page, LINES[1]) == "A white tower"
    assert heading_over(page, LINES[2]) == "Ropes and wind"


@pytest.mark.parametrize(
    "name",
    [
        "bildetekst",
        "bildtekst",
        "billedtekst",
        "kuvateksti",
        "opis-zdjecia",
        "légende",
        "popisek",
        "epigrafe",
    ],
)
def test_a_caption_beside_its_image_is_told_by_its_class_in_many_languages(name: str):
    page = article(f"<div class=a1><div><img src=a.jpg></div></div><p class={name}>The tower at noon</p>")
    assert bound(page) == [("a.jpg", "The tower at noon")]


def test_what_a_player_says_that_has_no_name_is_no_text():
    player = "<div class=x9><video src=a.mp4></video><p>Video Player is loading.</p><div>Play Video</div></div>"
    assert article(player).main_text.split("\n\n") == LINES


def test_an_article_that_is_part_of_a_collection_is_not_that_of_the_page():
    data = (
        '[{"@type": "CollectionPage", "hasPart": [{"@type": "Article", "author": "Otto Field", "datePublished": '
        '"2018-01-01"}]}, {"@type": "NewsArticle", "author": "Ida Brook", "datePublished": "2024-05-06"}]'
    )
    page = article(head=f"<script type=application/ld+json>{data}</script>")
    assert (page.metadata.authors, page.metadata.date) == (("Ida Brook",), "2024-05-06")


@pytest.mark.parametrize(
    ("text", "encoding", "label"),
    [
        ("圖書館再次開放，讀者排成長龍，書也回來了。" * 6, "big5", "gb2312"),
        ("Библиотека снова открылась после двух лет ремонта." * 6, "cp1251", "utf-8"),
    ],
)
def test_a_page_under_the_label_of_another_alphabet_is_read(text: str, encoding: str, label: str):
    assert parse_html(f"<meta charset={label}><p>{text}</p>".encode(encoding)).text == text


def test_what_else_a_figure_with_a_caption_says_names_its_source():
    page = article(
        "<figure><div><img src=a.jpg><span><span class=visually-hidden>Source, </span>Getty</span></div>"
        "<figcaption>The tower at noon</figcaption></figure>"
    )
    assert bound(page) == [("a.jpg", "The tower at noon")]
    assert [node.text for node in page.find("credit")] == ["Getty"]
    assert page.main_text.split("\n\n") == LINES


def test_a_heading_with_a_label_beside_it_heads_what_follows():
    page = article(
        "<div class=mw-heading><h2>Ropes</h2><span class=mw-editsection>[<a href=/e>edit</a>]</span></div>"
        "<p>They hung.</p>"
    )
    assert heading_over(page, LINES[2]) == "Ropes"
    assert "edit" not in page.text


@pytest.mark.parametrize("own", ["role=region", "role=region aria-labelledby=q1"])
def test_the_panels_of_an_accordion_are_text(own: str):
    page = article(
        f"<h3><button id=q1 aria-controls=f1>Who paid?</button></h3><div id=f1 {own} hidden><p>Nobody knows.</p></div>"
    )
    assert "Nobody knows." in page.main_text


@pytest.mark.parametrize(
    ("button", "own", "style"),
    [
        ("aria-expanded=false", "class=fold", ".fold:not(.show){display:none}"),
        ("aria-expanded=false", "style='display:none'", ""),
        ("data-toggle=collapse data-target='#f1'", "id=f1 style='display:none'", ""),
        ("data-bs-toggle=collapse data-bs-target='#f1'", "id=f1 hidden", ""),
    ],
)
def test_what_a_button_in_a_heading_opens_is_text(button: str, own: str, style: str):
    head = f"<style>{style}</style>"
    panel = f"<div {own}><p>Nobody knows.</p></div>"
    page = article(f"<h3><button {button}>Who paid?</button></h3>{panel}", head=head)
    assert "Nobody knows." in page.main_text
    apart = article(f"<div><button {button}>Who paid?</button></div><p>It is not known.</p>{panel}", head=head)
    assert ("Nobody knows." in apart.text) == ("target" in button and bool(style))


@pytest.mark.parametrize(
    ("button", "own", "is_text"),
    [
        ("aria-expanded=false aria-controls='f0 f1'", "id=f1", True),
        ("data-toggle=collapse data-target='#f0, #f1'", "id=f1", True),
        ("aria-expanded=false aria-controls=''", "", True),  # it names nothing: what follows
        ("data-toggle=collapse data-target='#'", "", True),
        ("data-toggle=collapse href='#f1'", "id=f1", True),  # a link of Bootstrap 3
        ("data-toggle=collapse href='#f0'", "id=f1", False),
        ("aria-expanded=false href='#q' id=q", "", True),  # a link to itself names no panel
        ("data-toggle=tooltip title=Who", "", False),
        ("data-bs-toggle=modal data-bs-target='#f1'", "id=f1", False),
        ("aria-expanded=false aria-haspopup=true", "", False),
    ],
)
def test_a_button_in_a_heading_opens_what_it_names(button: str, own: str, is_text: bool):
    tag = "a" if "href" in button else "button"
    page = article(f"<h3><{tag} {button}>Who paid?</{tag}></h3><div {own} hidden><p>Nobody knows.</p></div>")
    assert ("Nobody knows." in page.text) == is_text


@pytest.mark.parametrize("name", ["h", "a", "s"])
def test_a_link_to_its_own_heading_opens_what_follows(name: str):
    heading = f"<h3 id=h><a id=a aria-expanded=false href='#{name}'><span id=s>Who paid?</span></a></h3>"
    assert "Nobody knows." in article(f"{heading}<div hidden><p>Nobody knows.</p></div>").text


def test_what_a_button_opens_within_its_heading_is_text_and_a_hidden_neighbour_is_not():
    panel = "<button aria-expanded=false aria-controls=p>Who paid?</button><div id=p hidden>Nobody knows</div>"
    page = article(f"<h3>{panel}</h3><div hidden>Sport</div>")
    assert "Nobody knows" in page.text
    assert "Sport" not in page.text


def test_a_button_that_names_nothing_opens_nothing_without_a_name():
    heading = "<h3><button data-toggle=collapse data-target='#'>Who paid?</button></h3><p>It is not known.</p>"
    assert "Nobody knows." not in article(f"{heading}<div id='' hidden><p>Nobody knows.</p></div>").text


def test_a_button_in_a_heading_opens_nothing_that_is_hidden_by_its_place():
    panel = "<div style='position:absolute;left:-9999px'><p>Praise the lamps.</p></div>"
    assert "Praise" not in article(f"<h3><button aria-expanded=false>Who?</button></h3>{panel}").text


def test_a_menu_that_its_button_labels_stays_hidden():
    assert "Sport" not in article("<ul hidden aria-labelledby=b role=menu><li>Sport</ul>").text


def test_a_box_about_the_author_below_the_article_is_not_of_it():
    box = "<div class=author-info><h4>Ida Brook</h4><p>Ida Brook has written about the sea, and sails.</p></div>"
    page = parse_html(f"<title>A white tower</title><article><h1>A white tower</h1>{BODY}{box}</article>")
    assert page.main_text.split("\n\n") == LINES


@pytest.mark.parametrize("line", ["4 min read · May 6, 2024", "Lesezeit: 4 Minuten", "Ida Brook, 5 min read"])
def test_how_long_the_reading_takes_is_not_of_the_text(line: str):
    assert article(f"<div><span>{line}</span></div>").main_text.split("\n\n") == LINES


def test_a_line_that_the_page_makes_bold_by_a_class_is_a_heading():
    page = article(
        "<p class=c1><span class=c9>Ropes and wind</span></p>",
        head="<style>.c1 .c8{font-weight:700}.c2{font-weight:400}\n.c9{color:red;font-weight:700}</style>",
    )
    assert heading_over(page, LINES[2]) == "Ropes and wind"


def test_a_number_of_new_messages_is_not_of_the_title():
    assert parse_html(f"<title>(3) A white tower</title>{BODY}").metadata.title == "A white tower"


def test_a_date_may_stand_in_the_title_of_what_shows_how_long_ago_it_was():
    assert article("<span class=date title=2024-05-06T10:00:00>2 days ago</span>").metadata.date[:10] == "2024-05-06"


def test_a_rule_that_hides_does_not_show_by_its_place():
    rule = ".z{opacity:0;position:absolute;top:0;left:0;height:0;width:0}"
    assert "Praise" not in article("<div class=z>Praise the lamps.</div>", head=f"<style>{rule}</style>").text


def test_the_words_of_a_drawing_without_size_are_not_read():
    assert "Praise" not in article("<svg width=0 height=0><text>Praise the lamps.</text></svg>").text


def test_a_list_of_many_times_takes_no_time():
    page = parse_html(f"<h1>Live</h1><dl>{'<dt>10:45<dd><p>A boat.</p>' * 20_000}</dl>")
    assert page.text.count("A boat.") == 20_000  # were it read in quadratic time, this would take minutes
