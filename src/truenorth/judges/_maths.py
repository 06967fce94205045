"""The final answer of a worked solution, and whether two answers are the same mathematics."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from truenorth.judges._expressions import equal_values

MARKS = (  # what announces a final answer; the last one counts
    r"####\s*(?P<a>[^\n]+)",
    r"(?:^|\n)[ \t]{0,8}\**A(?:nswer)?\**[ \t]*:\**[ \t]*(?P<a>[^\n]+)",
    r"(?i:final answer|answer)\W{0,3}\s*(?:is|are|=|:)\s*:?\s*(?P<a>[^\n]+)",
)
NUMBER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s*/\s*\d+(?!\.\d))?|-?\.\d+")
WORDS = re.compile(r"\\(?:text|mathrm|mbox|textbf|mathbf)\s*\{([^{}]*)\}")
DROPPED = re.compile(r"\\(?:left|right|displaystyle|quad|,|;|!|:|\s)|\\[$%]|[$]|\\\(|\\\)|\\\[|\\\]")
PLAIN_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")
LONGEST = 2000  # characters; what is longer is no final answer
UNITS = re.compile(
    r"(?<=[\d})])\s*\\?(?:degrees?|dollars?|cents?|percent|units?|inch(?:es)?|feet|miles?|hours?|minutes?|"
    r"seconds?|days?|weeks?|years?|kg|km|cm|mm|meters?|metres?|cups?|people|apples?|points?)\b\.?",
    re.IGNORECASE,
)


def final_answer(text: str) -> str:
    r"""The last boxed answer, else what follows the last mark of an answer, else the last number; "" if none.

    >>> final_answer(r"So \boxed{\frac{1}{2}}."), final_answer("It is 3 and 4.\n#### 1,200")
    ('\\frac{1}{2}', '1,200')
    """
    if boxed := last_boxed(text):
        return boxed
    found = [(m.start("a"), m["a"]) for pattern in MARKS for m in re.finditer(pattern, text)]
    if found:
        return max(found)[1].strip(" *").rstrip(".").strip(" *")
    numbers = NUMBER.findall(text)
    return numbers[-1] if numbers else ""


def last_boxed(text: str) -> str:
    r"""What stands in the last \boxed{...} or \fbox{...}, its brackets matched."""
    starts = [m.end() for m in re.finditer(r"\\f?box(?:ed)?\s{0,8}\{", text)]
    if not starts:
        return ""
    open_at: list[int] = []
    closed: dict[int, int] = {}  # where a bracket's content begins: where it ends; one pass over the text
    for match in re.finditer(r"[{}]", text):
        if match[0] == "{":
            open_at.append(match.end())
        elif open_at:
            closed[open_at.pop()] = match.start()
    return next((text[s : closed[s]].strip() for s in reversed(starts) if s in closed), "")


def same_answer(said: str, reference: str) -> bool:
    r"""Are both the same number, expression, choice, or list, tuple, set or interval of such?

    Numbers are compared exactly as fractions, expressions by their values at random points. `x = 5` is 5, `50%`
    is 50, units after a number are left out, `0.5` is `1/2`. Order counts in tuples and intervals, not in sets.

    >>> same_answer(r"\frac{3}{6}", "0.5"), same_answer("(1, 2)", "(2, 1)"), same_answer("{1,2}", r"\{2, 1\}")
    (True, False, True)
    """
    if PLAIN_NUMBER.fullmatch(said) and PLAIN_NUMBER.fullmatch(reference):
        return Fraction(said) == Fraction(reference)
    if max(len(said), len(reference)) > LONGEST:
        return False
    a, b = plain(said), plain(reference)
    if not a or not b:
        return False
    if a == b:
        return True
    x, y = number_of(a), number_of(b)
    if x is not None and y is not None:
        return x == y
    parts = [listed(a), listed(b)]
    if parts[0] is not None or parts[1] is not None:
        return same_lists(parts[0], parts[1])
    if a.casefold() == b.casefold():
        return len(a) != 1 or not a.isalpha() or {a, b} <= set("ABCDEFGHabcdefgh")
    return equal_values(a, b)


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """An answer without LaTeX's dress, `x =`, units and marks around it."""
    text = text.strip().strip("*").replace("−", "-").replace("\u00a0", " ")
    text = re.sub(r"\\\{", "\x01", text)
    text = re.sub(r"\\\}", "\x02", text)
    text = DROPPED.sub("", text)
    text = re.sub(r"\^\s*\{?\s*\\circ\s*\}?|°", "", text)
    text = WORDS.sub(r" \1 ", text)
    text = fractions(text.replace("\\tfrac", "\\frac").replace("\\dfrac", "\\frac"))
    text = re.sub(r"\\sqrt\s*\{([^{}]*)\}", r"sqrt(\1)", text)
    text = re.sub(r"\\sqrt\s*(\w)", r"sqrt(\1)", text)
    for latex, sign in (("\\cdot", "*"), ("\\times", "*"), ("\\div", "/"), ("\\pi", "pi"), ("π", "pi")):
        text = text.replace(latex, sign)
    text = re.sub(r"\\(sin|cos|tan|ln|log|exp)", r"\1", text)
    text = text.replace("\\infty", "inf").replace("\\%", "").replace("%", "").replace("**", "^")
    text = re.sub(r"\^\s*\{([^{}]*)\}", r"^(\1)", text)
    text = UNITS.sub("", text)
    text = re.sub(r"^\s*[A-Za-z]\w*\s*(?:=|\\in)\s*(?=\S)", "", text)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text) if not re.match(r"\s*[\[({\x01]", text) else text
    text = text.replace("\x01", "{").replace("\x02", "}")
    text = re.sub(r"\s+", " ", text).strip().rstrip(".").strip()
    choice = re.fullmatch(r"\(\s*([A-Za-z])\s*\)", text)
    return choice[1] if choice else text


def fractions(text: str) -> str:
    r"""\frac{a}{b} and \frac12 as ((a)/(b)), the innermost first."""
    text = re.sub(r"\\frac\s*(\d)\s*(\d)", r"((\1)/(\2))", text)
    pattern = re.compile(r"\\frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
    for _ in range(20):
        text, changed = pattern.subn(r"((\1)/(\2))", text)
        if not changed:
            break
    return text


def number_of(text: str) -> Fraction | None:
    """A whole, decimal, mixed or common number, exactly; None for anything else."""
    bare = re.sub(r"[()\s]", "", text) if re.fullmatch(r"[()\s\d./+-]+", text) else text
    if mixed := re.fullmatch(r"(-?)(\d{1,15}) (\d{1,15})/(\d{1,15})", text.strip()):
        bottom = int(mixed[4])
        value = Fraction(int(mixed[2])) + Fraction(int(mixed[3]), bottom) if bottom else None
        return value if value is None or not mixed[1] else -value
    if not re.fullmatch(r"[-+]?(?:\d{1,40}\.?\d{0,40}|\.\d{1,40})(?:/-?\d{1,40})?", bare):
        return None
    top, _, bottom_text = bare.partition("/")
    bottom_value = Fraction(bottom_text or "1")
    return Fraction(top.rstrip(".") or "0") / bottom_value if bottom_value else None


def listed(text: str) -> tuple[str, list[str]] | None:
    """(the brackets, the parts at the top level) of a list; "" for no brackets; None if it is no list."""
    brackets, inner = "", text
    if len(text) > 1 and text[0] in "([{" and text[-1] in ")]}":
        brackets, inner = text[0] + text[-1], text[1:-1]
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(inner):
        depth += (letter in "([{") - (letter in ")]}")
        if depth < 0:
            return None
        if letter == "," and depth == 0:
            parts.append(inner[start:at].strip())
            start = at + 1
    parts.append(inner[start:].strip())
    return (brackets, parts) if len(parts) > 1 or brackets == "{}" else None


def same_lists(a: tuple[str, list[str]] | None, b: tuple[str, list[str]] | None) -> bool:
    if a is None or b is None or len(a[1]) != len(b[1]):
        return False
    unordered = {a[0], b[0]} <= {"", "{}"}
    if not unordered:
        return a[0] == b[0] and all(map(same_answer, a[1], b[1]))
    left = list(b[1])
    for part in a[1]:
        twin = next((i for i, other in enumerate(left) if same_answer(part, other)), None)
        if twin is None:
            return False
        del left[twin]
    return True
