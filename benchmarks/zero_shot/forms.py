"""The hierarchies and forms that are compared: the paper's, and the improved ones."""

from encoders.zero_shot import Form, Windows

Named = tuple[str, Windows, Form]

FINE = (4, *(2,) * 10)
FORMS: list[Named] = [
    ("paper", Windows((2, 4, 8, 16)), Form()),
    ("paper, own special tokens", Windows((2, 4, 8, 16), "own"), Form()),
    ("paper + second cumulant, own", Windows((2, 4, 8, 16), "own"), Form(cumulant=True)),
    ("paper's form, windows 16,8, own", Windows((16, 8), "own"), Form()),
    ("rows untied + near 1 + attention-pooled, windows 8,4,4,4, own",
     Windows((8, 4, 4, 4), "own"), Form("rows", 1, "attention")),
    ("queries untied, own", Windows((2, 4, 8, 16), "own"), Form("queries")),
    ("queries untied + second cumulant, own", Windows((2, 4, 8, 16), "own"), Form("queries", cumulant=True)),
    ("queries untied + attention-pooled, own", Windows((2, 4, 8, 16), "own"), Form("queries", 0, "attention")),
    ("queries untied + near 1, windows 4,2,2,..., own", Windows(FINE, "own"), Form("queries", 1)),
    ("queries untied + near 1 + attention-pooled, windows 4,2,2,..., own",
     Windows(FINE, "own"), Form("queries", 1, "attention")),
    ("queries untied + near 1 + attention-pooled, windows 8,2,2,..., own",
     Windows((8, *(2,) * 10), "own"), Form("queries", 1, "attention")),
    ("queries untied + attention-pooled + 4 opened, windows 4,4,4,..., own",
     Windows((4,) * 8, "own"), Form("queries", 0, "attention", opened=4)),
    ("queries untied + moments-pooled + 4 opened, windows 4,4,4,..., own",
     Windows((4,) * 8, "own"), Form("queries", 0, "moments", opened=4)),
    ("queries untied + moments-pooled + 6 opened, windows 4,4,4,..., own",
     Windows((4,) * 8, "own"), Form("queries", 0, "moments", opened=6)),
]  # fmt: skip
PAPER, CLOSE, OPENED = FORMS[0], FORMS[10], FORMS[12]
CHEAP = FORMS[7]
FIT = FORMS[9]
"""What `calibrate` chooses for MiniLM at a tenth of the attention."""

SWEEP: list[Named] = [
    ("2,4,8,16", Windows((2, 4, 8, 16)), Form()),
    ("8,4,2", Windows((8, 4, 2)), Form()),
    ("7,7,7,7", Windows((7, 7, 7, 7)), Form()),
    ("improved", FIT[1], FIT[2]),
]

TIMED = {"paper": PAPER, "untied": CHEAP, "chosen": FIT, "closest": CLOSE, "opened": OPENED}
