"""Readers: both layouts of every set, dirt named and counted, splits that hold, and nothing that leaks a label."""

import gzip
import json
import pickle
from pathlib import Path

import pytest
from PIL import Image

from docgraph.errors import DataError
from training.datasets import Corpus, guess_format, load
from training.datasets.dataset import DocumentDataset
from training.datasets.folder import read_pages
from training.datasets.image_files import judge
from training.datasets.n24news import read_n24news
from training.datasets.origins import TextOrigin
from training.datasets.records import Record, unseen_labels
from training.datasets.sentiment import paragraphs, read_elec, read_imdb
from training.datasets.splitting import read_split, split_records, take_share, write_split
from training.datasets.table import read_table


def news_record(number: int, section: str = "Health", **changes: object) -> dict[str, object]:
    return {
        "section": section,
        "headline": f"headline {number}",
        "abstract": f"abstract {number}",
        "caption": f"caption {number}",
        "body": f"body {number}. It has two sentences.\n\nAnd two paragraphs.",
        "image_id": f"img{number}",
        "image_url": f"http://pictures/{section}/{number}.jpg",
        "article_url": f"http://paper/{section}/{number}",
        **changes,
    }


def write_news(root: Path, records: list[dict[str, object]], *, images: str = "images") -> Path:
    (root / images).mkdir(parents=True, exist_ok=True)
    for record in records:
        if record.get("image_id"):
            Image.new("RGB", (20, 10), (200, 30, 30)).save(root / images / f"{record['image_id']}.jpg")
    return root


def single_list(root: Path, records: list[dict[str, object]], **options: str) -> Path:
    write_news(root, records, **options)
    (root / "nytimes_dataset.json").write_text(json.dumps(records), encoding="utf-8")
    return root


def split_lists(root: Path, records: dict[str, list[dict[str, object]]], **options: str) -> Path:
    (root / "news").mkdir(parents=True)
    for name, some in records.items():
        write_news(root, some, **options)
        (root / "news" / f"nytimes_{name}.json").write_text(json.dumps(some), encoding="utf-8")
    return root


# -- N24News ---------------------------------------------------------------------------------------------------


def test_given_splits_with_imgs_and_article_are_read_as_they_are(tmp_path):
    article = news_record(1, article="The body.", section="Books")
    del article["body"]
    root = split_lists(tmp_path, {"train": [news_record(0), article], "test": [news_record(2)]}, images="imgs")
    corpus = read_n24news(root)
    assert [record.id for record in corpus["train"]] == ["img0", "img1"]
    assert [record.id for record in corpus["test"]] == ["img2"]
    assert corpus.labels == ("Books", "Health")
    assert corpus["train"][1].origin.text().endswith("The body.")
    assert all(record.fields[-1] == "image" for record in corpus["train"])
    assert not corpus.problems


def test_one_list_is_split_8_1_1_and_the_split_file_is_followed(tmp_path):
    records = [news_record(n, section=("Health", "Books")[n % 2]) for n in range(50)]
    root, file = single_list(tmp_path, records), tmp_path / "run" / "split.json"
    corpus = read_n24news(root, split_file=file, check_images=False)
    sizes = {name: len(some) for name, some in corpus.splits.items()}
    assert sizes == {"train": 40, "dev": 5, "test": 5}
    stored = json.loads(file.read_text())
    stored["train"], stored["test"] = stored["test"], stored["train"]
    file.write_text(json.dumps(stored))
    again = read_n24news(root, split_file=file, check_images=False)
    assert [record.id for record in again["train"]] == [record.id for record in corpus["test"]]


def test_missing_and_broken_pictures_are_named_and_left_out(tmp_path):
    records = [news_record(n) for n in range(5)]
    root = split_lists(tmp_path, {"train": records})
    pictures = root / "images"
    (pictures / "img1.jpg").unlink()
    noise = Image.effect_noise((400, 300), 80).convert("RGB")
    noise.save(pictures / "img2.jpg")
    whole = (pictures / "img2.jpg").read_bytes()
    (pictures / "img2.jpg").write_bytes(whole[: len(whole) // 2])
    (pictures / "img3.jpg").write_bytes(b"<html>404</html>")
    Image.new("1", (6000, 6000)).save(pictures / "img4.png")
    (pictures / "img4.jpg").unlink()
    corpus = read_n24news(root)
    assert corpus.problem_counts == {"image.missing": 1, "image.unreadable": 2, "image.too_large": 1}
    assert {problem.record for problem in corpus.problems} == {"img1", "img2", "img3", "img4"}
    assert ["image" in record.fields for record in corpus["train"]] == [True, False, False, False, False]
    assert all(str(root) in problem.message for problem in corpus.problems)


def test_error_pages_and_empty_fields_are_counted_and_left_out(tmp_path):
    shared = "The very same words under several headlines: the page of a newsletter, say."
    records = [news_record(n, body=shared) for n in range(5)]
    records += [news_record(5, body="Page not found. Go back to our home page."), news_record(6, body=" ")]
    records += [news_record(7, caption=None), news_record(8, image_id="")]
    corpus = read_n24news(split_lists(tmp_path, {"train": records}))
    assert corpus.problem_counts == {
        "body.error_page": 6,
        "body.empty": 1,
        "caption.empty": 1,
        "image.missing": 1,
    }
    assert [("body" in record.fields) for record in corpus["train"]] == [False] * 7 + [True] * 2


def test_an_article_that_talks_about_errors_keeps_its_body(tmp_path):
    body = "Page not found, they all say. " + "This is how the web forgets. " * 40
    corpus = read_n24news(split_lists(tmp_path, {"train": [news_record(0, body=body)]}))
    assert "body" in corpus["train"][0].fields


def test_a_record_with_nothing_but_a_headline_and_one_with_nothing_at_all_are_kept(tmp_path):
    records = [{"section": "Health", "headline": "Alone"}, {"section": "Health"}, "not a record"]
    root = split_lists(tmp_path, {"train": []})
    (root / "news" / "nytimes_train.json").write_text(json.dumps(records))
    corpus = read_n24news(root)
    assert [record.fields for record in corpus["train"]] == [("headline",), ()]
    assert corpus.problem_counts["record.empty"] == 1
    assert corpus.problem_counts["record.unreadable"] == 1


def test_fields_can_be_chosen_and_unknown_ones_are_refused(tmp_path):
    root = split_lists(tmp_path, {"train": [news_record(0)]})
    record = read_n24news(root, fields=["headline", "caption"])["train"][0]
    assert record.fields == ("headline", "caption")
    assert record.origin.text() == "headline 0\n\ncaption 0"
    with pytest.raises(DataError, match=r"fields must be some of headline, .* but author was asked for"):
        read_n24news(root, fields=["headline", "author"])


def test_two_records_with_one_picture_have_two_ids(tmp_path):
    root = split_lists(tmp_path, {"train": [news_record(0), news_record(0)], "test": [news_record(0)]})
    ids = [record.id for records in read_n24news(root).splits.values() for record in records]
    assert len(set(ids)) == 3


def test_a_broken_list_gives_one_clear_error(tmp_path):
    (tmp_path / "nytimes_dataset.json").write_text("[{")
    with pytest.raises(DataError, match=r"nytimes_dataset.json must be a JSON list of records, but cannot"):
        read_n24news(tmp_path)
    with pytest.raises(DataError, match="there is nothing at"):
        read_n24news(tmp_path / "absent")


# -- reviews ---------------------------------------------------------------------------------------------------


def test_two_break_marks_end_a_paragraph_and_one_a_line():
    assert paragraphs("One.<br /><br />Two.<br/> <BR>Three<br />four.") == "One.\n\nTwo.\n\nThree\nfour."


def imdb_folder(root: Path) -> Path:
    """40 reviews a class of 10 films, 4 reviews a film; the published names and url files."""
    for half in ("train", "test"):
        for sign, rating in (("neg", 1), ("pos", 9)):
            (root / half / sign).mkdir(parents=True)
            urls = []
            for number in range(40):
                (root / half / sign / f"{number}_{rating}.txt").write_text(f"{half} {sign} {number}<br /><br />End")
                urls.append(f"http://www.imdb.com/title/tt{half == 'test':d}{number // 4:05d}/usercomments")
            (root / half / f"urls_{sign}.txt").write_text("\n".join(urls) + "\n")
    return root


def test_imdb_folder_is_read_with_labels_and_film_disjoint_validation(tmp_path):
    corpus = read_imdb(imdb_folder(tmp_path / "aclImdb"))
    assert corpus.labels == ("negative", "positive")
    assert len(corpus["test"]) == 80
    assert len(corpus["train"]) + len(corpus["dev"]) == 80
    assert len(corpus["dev"]) >= 8
    films = [{int(r.id.split("/")[2].split("_")[0]) // 4 for r in corpus[name]} for name in ("train", "dev")]
    assert not films[0] & films[1]
    first = corpus["train"][0]
    assert first.origin.text().endswith("\n\nEnd")
    assert first.label == ("negative" if "/neg/" in first.id else "positive")


def test_imdb_lines_are_film_disjoint_and_the_split_does_not_depend_on_order(tmp_path):
    rows = [{"id": f"r{n}", "label": n % 2, "movie": f"tt{n % 17}", "text": f"Review {n}"} for n in range(200)]
    for name, some in (("a", rows), ("b", rows[::-1])):
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in some)
    assert guess_format(tmp_path / "a.jsonl.gz") == "imdb"
    one, other = read_imdb(tmp_path / "a.jsonl.gz"), read_imdb(tmp_path / "b.jsonl.gz")
    assert {r.id for r in one["dev"]} == {r.id for r in other["dev"]}
    film = {row["id"]: row["movie"] for row in rows}
    assert not {film[r.id] for r in one["dev"]} & {film[r.id] for r in one["train"]}
    assert abs(len(one["dev"]) - 20) <= 6  # a tenth, but for half a film of 11 or 12 reviews


def test_elec_pairs_are_read_and_validation_is_the_last_tenth(tmp_path):
    texts = [f"review {n} with \x85 and \u2028 inside" for n in range(20)]
    (tmp_path / "elec-25k-train.txt.tok").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (tmp_path / "elec-25k-train.cat").write_text("1\n2\n" * 10)
    (tmp_path / "elec-test.txt.tok").write_text("good\n")
    (tmp_path / "elec-test.cat").write_text("2\n")
    corpus = load(tmp_path)
    assert [record.id for record in corpus["dev"]] == ["train/18", "train/19"]
    assert [record.label for record in corpus["dev"]] == ["negative", "positive"]
    assert corpus["test"][0].label == "positive"
    (tmp_path / "elec-test.cat").write_text("2\n1\n")
    with pytest.raises(DataError, match="one line for each review, but have 1 and 2"):
        read_elec(tmp_path)


# -- folders and tables ----------------------------------------------------------------------------------------


def page(words: str) -> str:
    return f"<html><body><article><h1>{words}</h1><p>About {words}.</p></article></body></html>"


def test_sub_folders_are_labels_and_split_folders_are_splits(tmp_path):
    for split, label in (("train", "cats"), ("train", "dogs"), ("val", "cats")):
        (tmp_path / split / label).mkdir(parents=True)
        (tmp_path / split / label / "one.html").write_text(page("fur"))
    corpus = read_pages(tmp_path)
    assert {name: [r.label for r in some] for name, some in corpus.splits.items()} == {
        "train": ["cats", "dogs"],
        "dev": ["cats"],
    }


def test_labels_csv_names_labels_and_absent_pages(tmp_path):
    (tmp_path / "a.html").write_text(page("a"))
    (tmp_path / "labels.csv").write_text("file,label,split\na.html,x,train\nb.html,y,train\n")
    corpus = load(tmp_path)
    assert [(record.id, record.label) for record in corpus["train"]] == [("a.html", "x")]
    assert corpus.problem_counts == {"page.missing": 1}


def test_the_sample_pages_are_a_labelled_folder(sample_data):
    corpus = load(sample_data / "pages")
    assert sum(len(records) for records in corpus.splits.values()) == 6
    assert guess_format(sample_data / "news") == "n24news"


def test_a_table_is_read_with_any_subset_of_fields_and_several_pictures(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    rows = [
        {"id": 1, "label": "x", "title": "Title", "images": ["one.png", "two.png"], "split": "train"},
        {"id": 2, "label": "y", "paragraphs": ["First.", "Second."], "split": "validation"},
        {"id": 3, "label": "", "summary": "No label", "split": "train"},
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = read_table(tmp_path / "t.jsonl")
    first, third = corpus["train"]
    assert first.fields == ("headline", "image")
    assert first.origin.images == (str(tmp_path / "one.png"),)
    assert corpus["dev"][0].origin.text() == "First.\n\nSecond."
    assert third.label is None
    assert corpus.problem_counts == {"image.missing": 1}
    dataset = DocumentDataset(corpus, "train")
    assert len(dataset) == 1
    assert [problem.code for problem in dataset.problems] == ["image.missing", "label.missing"]


def test_an_image_name_longer_than_a_file_system_takes_is_told(tmp_path):
    row = {"text": "Words.", "label": "x", "image": "a" * 300 + ".png"}
    (tmp_path / "t.jsonl").write_text(json.dumps(row) + "\n")
    corpus = read_table(tmp_path / "t.jsonl")
    assert corpus["train"][0].origin.images == ()
    assert corpus.problem_counts == {"image.unreadable": 1}


def test_parquet_with_embedded_pictures_reads_like_lines(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    content = (tmp_path / "one.png").read_bytes()
    table = pyarrow.table({"label": ["x"], "text": ["Body"], "image": [{"bytes": content, "path": None}]})
    parquet.write_table(table, tmp_path / "t.parquet")
    (record,) = load(tmp_path / "t.parquet")["train"]
    assert record.fields == ("body", "image")
    assert record.origin.images == (content,)


def test_a_table_of_pages_is_read_as_pages(shared_data):
    corpus = load(shared_data / "html_labelled" / "webkb.jsonl.gz")
    assert sum(len(records) for records in corpus.splits.values()) == 478
    assert len(corpus.labels) == 4


def test_a_broken_line_is_named(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"label": 1, "text": "a"}\n{"label"\n')
    with pytest.raises(DataError, match=r"t\.jsonl:2 must be one JSON object"):
        read_table(tmp_path / "t.jsonl")


def test_unknown_formats_and_options_are_refused_with_the_known_ones(tmp_path):
    with pytest.raises(DataError, match="looks like none of them"):
        load(tmp_path)
    with pytest.raises(DataError, match="format must be one of auto, n24news"):
        load(tmp_path, "squad")
    with pytest.raises(DataError, match="options of this format are seed, but fields was given"):
        load(tmp_path, "imdb", fields=["headline"])


# -- splits, labels, pickling ----------------------------------------------------------------------------------


def plain(name: str, label: str | None = "x") -> Record:
    return Record(name, label, TextOrigin(name), ("text",), len(name))


def test_groups_stay_together_and_shares_are_met():
    records = [plain(f"{n % 30}/{n}") for n in range(300)]
    split = split_records(records, {"train": 0.8, "dev": 0.1, "test": 0.1}, seed=3, key=lambda r: r.id.split("/")[0])
    assert {name: len(some) for name, some in split.items()} == {"train": 240, "dev": 30, "test": 30}
    groups = [{r.id.split("/")[0] for r in some} for some in split.values()]
    assert sum(len(group) for group in groups) == 30
    other = split_records(records, {"train": 0.8, "dev": 0.1, "test": 0.1}, seed=4, key=lambda r: r.id.split("/")[0])
    assert other != split


def test_a_share_keeps_the_labels_proportions_and_a_larger_one_holds_it():
    records = [plain(str(n), "rare" if n % 100 == 0 else "often") for n in range(400)]
    some, more = take_share(records, 0.1), take_share(records, 0.3)
    assert [r.label for r in some].count("often") == 40  # 0.1 * 396
    assert [r.label for r in take_share(records, 0.001)].count("rare") == 1
    assert set(some) < set(more) < set(records)
    assert more == [r for r in records if r in set(more)]


def test_a_split_file_with_an_unknown_id_is_refused(tmp_path):
    file = tmp_path / "split.json"
    write_split(file, {"train": [plain("a")], "dev": [plain("b")]})
    assert [r.id for r in read_split(file, [plain("b"), plain("a")])["train"]] == ["a"]
    with pytest.raises(DataError, match=r"1 are not, such as 'b'\. Delete the file"):
        read_split(file, [plain("a")])


def test_labels_unseen_in_training_are_named_and_set_aside():
    known, problems = unseen_labels([plain("a"), plain("b", "z"), plain("c", None)], ["x"])
    assert [record.id for record in known] == ["a"]
    assert [problem.code for problem in problems] == ["label.unseen", "label.missing"]
    assert "the label 'z' is not one of the 1 that were trained: x." in problems[0].message


def test_two_records_with_one_id_are_refused():
    with pytest.raises(DataError, match="1 ids come twice, such as 'a'"):
        Corpus("twice", {"train": [plain("a")], "dev": [plain("a")]})


def test_records_are_small_and_pickle():
    record = plain("a")
    assert pickle.loads(pickle.dumps(record)) == record
    assert len(pickle.dumps(record)) < 500


def test_judge_never_raises_on_rubbish(tmp_path):
    from docgraph import Limits

    for content in (
        b"",
        b"\xff\xd8\xff",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 30,
        bytes(range(256)) * 4,
    ):
        (tmp_path / "x.jpg").write_bytes(content)
        wrong = judge(tmp_path, "x.jpg", Limits())
        assert wrong is not None
        assert wrong[0] == "image.unreadable"
