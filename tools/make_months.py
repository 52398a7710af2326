"""Write the names of months in the world's languages, from the Unicode CLDR as Babel carries it.

    python tools/make_months.py        (needs: pip install babel)

months.json: name in small letters -> month, or {language: month} where languages disagree ("listopad" is October in
Croatian and November in Czech). Source: CLDR, Unicode Licence v3.
"""

import json
from pathlib import Path

from babel import Locale, localedata

FILE = Path(__file__).resolve().parent.parent / "docgraph" / "parsers" / "html" / "metadata" / "months.json"


def main() -> None:
    """Write the file."""
    names: dict[str, dict[str, int]] = {}
    for identifier in localedata.locale_identifiers():
        if "_" in identifier:
            continue
        locale = Locale.parse(identifier)
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for month, name in locale.months[context][width].items():
                    name = name.strip().rstrip(".").lower()
                    if len(name) > 1 and not any(letter.isdigit() for letter in name):
                        names.setdefault(name, {})[identifier] = month
    table: dict[str, int | dict[str, int]] = {}
    for name, months in sorted(names.items()):
        different = set(months.values())
        table[name] = different.pop() if len(different) == 1 else months
    FILE.write_text(json.dumps(table, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    print(len(table), "names,", FILE.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
