"""Words, sentences, paragraphs and list items of a text in any script: what constraints of length count.

Chinese and Japanese have no spaces: each of their characters counts as a word, as their writers count. Thai, Lao,
Khmer and Burmese are not cut into words here: a count of their words is None, their characters can be counted.
"""

from __future__ import annotations

import re

from truenorth.judges.checks._text import MARKS

ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st sr jr vs etc inc ltd co no fig al approx dept est e.g i.e u.s a.m p.m".split()
)
CLOSING = "\"'”’)\\]*_」』）》»"
MARK = ".!?…।؟۔"
END = re.compile(rf"(?<![{MARK}])[{MARK}]+[{CLOSING}]*(?=\s|$)|[。！？]+[{CLOSING}]*|\n\s*\n")
CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
UNCUT = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
CHARACTER = re.compile(f"[{CJK}]")
UNCUT_CHARACTER = re.compile(f"[{UNCUT}]")
WORD = re.compile(rf"[^\W_][\w{MARKS}\u200c\u200d]*(?:[-'’.&][^\W_][\w{MARKS}\u200c\u200d]*)*")
ITEM = re.compile(
    r"^[ \t]*(?:[-*+•·](?![-*+])|\d{1,3}(?:[.．](?!\d)|[)、）])|[(（](?:\d{1,3}|[一二三四五六七八九十]+)[)）]|"
    r"[一二三四五六七八九十]+、)[ \t]*\S.*$",
    re.MULTILINE,
)
HEADING = re.compile(r"^(#{1,6})[ \t]+\S.*$", re.MULTILINE)
RULER = re.compile(r"^[ \t]*(?:-{3,}|\*{3,}|_{3,}|={3,})[ \t]*$", re.MULTILINE)


def count_words(text: str) -> int | None:
    """Words between spaces, and each Chinese or Japanese character; None where the script cannot be cut.

    >>> count_words("我用 state-of-the-art 的词。")
    5
    """
    if UNCUT_CHARACTER.search(text):
        return None
    return len(CHARACTER.findall(text)) + len(WORD.findall(CHARACTER.sub(" ", text)))


def count_characters(text: str) -> int:
    """Everything but spaces and line ends."""
    return len(re.sub(r"\s", "", text))


def sentences_of(text: str) -> list[str]:
    """Stretches with a word that end in a mark of ending, or in a blank line; not cut at abbreviations."""
    found, start = [], 0
    for match in END.finditer(text):
        before = text[start : match.start()].split()
        last = before[-1].strip("(\"'“‘") if before else ""
        listed = len(before) == 1 and last.isdecimal()  # the number of a list, not a sentence
        initial = len(last) == 1 and last.isupper() and last != "I"
        short = last.lower() in ABBREVIATIONS or initial
        if match[0][0] == "." and (listed or short) and match.end() < len(text.rstrip()):
            continue
        found.append(text[start : match.end()])
        start = match.end()
    return [s.strip() for s in (*found, text[start:]) if re.search(r"\w", s)]


def count_sentences(text: str) -> int:
    return len(sentences_of(text))


def paragraphs_of(text: str) -> list[str]:
    """Blocks between blank lines, or lines where no line is blank; headings and rulers are none."""
    bare = RULER.sub("", HEADING.sub("", text))
    blocks = re.split(r"\n\s*\n", bare.strip())
    if len(blocks) == 1 and not re.search(r"\n[ \t]*\n", text.strip()):
        blocks = bare.split("\n")
    return [b.strip() for b in blocks if b.strip()]


def lines_of(text: str) -> list[str]:
    return [row.strip() for row in text.split("\n") if row.strip()]


def items_of(text: str) -> list[str]:
    """Lines of a list, with bullets or with numbers."""
    return [m[0].strip() for m in ITEM.finditer(text)]


def times(word: str, text: str) -> int:
    """How often `word` stands in `text`, in any case: as a whole word, or as a stretch where scripts have no spaces.

    >>> times("cat", "Cat, cats"), times("手机", "我的手机和手机壳")
    (1, 2)
    """
    word = word.strip()
    if not word:
        return 0
    inner = rf"(?![{CJK}{UNCUT}])[\w{MARKS}]"
    before = rf"(?<!{inner})" if re.match(inner, word) else ""
    after = rf"(?!{inner})" if re.match(inner, word[-1]) else ""
    return len(re.findall(before + re.escape(word) + after, text, re.IGNORECASE))
