"""What code can tell of an answer's form: Markdown, tags, openings and endings, first letters and last ones."""

from __future__ import annotations

import re
from itertools import pairwise, takewhile
from typing import Literal

from truenorth.base import UserError
from truenorth.judges import _counting as count
from truenorth.judges.checks._text import Patterns, as_tuple, compiled

SIGN = "[\u2600-\u27bf\u2b50\u2b55\U0001f300-\U0001faff]"
MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\\.?"
DAY = r"\d{1,2}(?:st|nd|rd|th)?"
DATE = "|".join(
    [
        r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}",
        r"\d{1,2}[-/.]\d{1,2}[-/.]\d{4}",
        r"\d{4}年\d{1,2}月(?:\d{1,2}日)?",
        rf"{DAY} {MONTH} \d{{4}}",
        rf"{MONTH} {DAY},? \d{{4}}",
    ]
)
ELEMENTS: dict[str, str] = {  # what can be counted in an answer, as patterns
    "number": r"\d+(?:[.,]\d+)*",
    "link": r"(?:https?://|www\.)[^\s)>\]]+",
    "email": r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+",
    "date": DATE,
    "time": r"(?<![\d:])(?:[01]?\d|2[0-3])[:：][0-5]\d(?!\d)",
    "emoji": f"[\U0001f1e6-\U0001f1ff]{{2}}|{SIGN}(?:[\ufe0f\U0001f3fb-\U0001f3ff]|\u200d{SIGN})*",
    "code block": r"^```[^\n]*\n[\s\S]*?^```",
    "quotation": r'"[^"\n]+"|“[^“”\n]+”|«[^«»\n]+»|「[^「」\n]+」|„[^„“”\n]+[“”]',
    "question": r"[?？؟]",
    "exclamation": r"[!！]",
    "hashtag": r"(?<![\w&#])#\w+",
    "mention": r"(?<![\w.])@\w+",
    "placeholder": r"\[[^\[\]\n]+\](?!\()",
    "bold": r"\*\*[^\s*](?:[^*\n]*[^\s*])?\*\*",
    "title mark": r"《[^《》\n]+》|<<[^<>\n]+>>",
}


def within(found: int | None, least: int | None, most: int | None) -> bool | None:
    """least <= found <= most, both included; None for a count that cannot be told.

    Raises: UserError: neither bound is given, or the least is above the most.
    """
    if (least is None and most is None) or (least is not None and most is not None and least > most):
        raise UserError(
            f"least {least} and most {most}", where="constraint", expected="one or both, in order"
        )
    if found is None:
        return None
    return (least is None or found >= least) and (most is None or found <= most)


def table(text: str, *, columns: Patterns = (), rows: int | None = None) -> bool:
    """A Markdown table, with these columns in order, and so many rows below its head."""
    lines = text.split("\n")
    for at, (head, ruler) in enumerate(pairwise(lines)):
        if "|" not in head + ruler or "-" not in ruler or ruler.strip(" \t:|-"):
            continue
        cells = [cell.strip().strip("*") for cell in head.strip().strip("|").split("|")]
        body = takewhile(lambda line: "|" in line, lines[at + 2 :])
        if (not columns or cells == list(as_tuple(columns))) and (
            rows is None or sum(1 for _ in body) == rows
        ):
            return True
    return False


def headings(
    text: str, *, least: int | None = None, most: int | None = None, level: int | None = None
) -> bool | None:
    """So many Markdown headings, of one level if it is given."""
    return within(sum(level in (None, len(m[1])) for m in count.HEADING.finditer(text)), least, most)


def code_block(text: str, *, language: str = "") -> bool:
    """A fenced block, marked as this language if one is given."""
    marks = [m.strip().lower() for m in re.findall(r"^```([^\n`]*)\n[\s\S]*?^```", text, re.MULTILINE)]
    return language.lower() in marks if language else bool(marks)


def tags(text: str, *, tags: Patterns) -> bool:
    """Each tag is opened and closed, as in <b>...</b>."""

    def paired(tag: str) -> bool:
        opened = re.search(rf"<{re.escape(tag)}(?:\s[^<>]*)?>", text)
        return opened is not None and f"</{tag}>" in text[opened.end() :]

    return all(map(paired, as_tuple(tags)))


def plain(text: str) -> bool:
    """No Markdown: no headings, tables, code blocks, bold words or bullets."""
    marked = re.search(r"^[ \t]*[-*+][ \t]+\S|^```|`[^`\n]+`|\[[^\[\]\n]+\]\(", text, re.MULTILINE)
    return not (marked or count.HEADING.search(text) or re.search(ELEMENTS["bold"], text) or table(text))


def starts_with(text: str, *, phrase: Patterns) -> bool:
    """With one of the phrases, in any case."""
    return text.strip().casefold().startswith(tuple(p.strip().casefold() for p in as_tuple(phrase)))


def ends_with(text: str, *, phrase: Patterns) -> bool:
    return text.strip().casefold().endswith(tuple(p.strip().casefold() for p in as_tuple(phrase)))


def template(text: str, *, pattern: Patterns) -> bool:
    """The whole answer fits one of the regular expressions."""
    return any(compiled(p).fullmatch(text.strip()) for p in as_tuple(pattern))


def kinds_of_sentence(
    text: str, *, mark: Literal["question", "exclamation"], least: int | None = None, most: int | None = None
) -> bool | None:
    """So many sentences that ask, or that call out."""
    if mark not in ("question", "exclamation"):
        raise UserError(f"mark {mark!r}", where="constraint", expected="question or exclamation")
    closed = re.compile(rf"{ELEMENTS[mark]}[{count.CLOSING}]*$")
    return within(sum(bool(closed.search(s)) for s in count.sentences_of(text)), least, most)


def acrostic(text: str, *, letters: str) -> bool:
    """The first letters of the lines spell this; spaces in it are left out."""
    firsts = [m[0] for row in count.lines_of(text) if (m := re.search(r"[^\W\d_]", row))]
    return "".join(firsts).casefold() == "".join(letters.split()).casefold()


def first_letter(text: str, *, letter: str) -> bool:
    """Every word begins with the letter."""
    found = count.WORD.findall(text)
    return bool(found) and all(w.casefold().startswith(letter.casefold()) for w in found)


def line_endings(text: str, *, endings: Patterns) -> bool:
    """Every line ends in one of these, marks left out: what can be told of a rhyme by its spelling."""
    rows = [row[: last_letter(row)].casefold() for row in count.lines_of(text)]
    return bool(rows) and all(row.endswith(tuple(e.casefold() for e in as_tuple(endings))) for row in rows)


def last_letter(row: str) -> int:
    """Where the last letter or digit ends."""
    return next((at for at in range(len(row), 0, -1) if row[at - 1].isalnum()), 0)
