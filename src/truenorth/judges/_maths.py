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
DROPPED = re.compile(r"\\(?:left|right|displaystyle|quad|,|;|!|:|\s)|\\[$%]|[$]|\\\(|\\\)|\\\[|\\\]")
PLAIN_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")
SIGNS = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "\u00a0": " ",
        "×": "*",
        "·": "*",
        "⋅": "*",
        "÷": "/",
        "π": "pi",
        "√": "\\sqrt",
        "²": "^2",
    }
    | {"³": "^3", "∞": "\\infty", "≤": "\\le ", "≥": "\\ge ", "∈": "\\in"}
)
SPELT = (  # LaTeX, and how the grammar of expressions writes it
    ("\\cdot", "*"), ("\\times", "*"), ("\\div", "/"), ("\\pi", "pi"), ("\\leq", "<="), ("\\le", "<="),
    ("\\geq", ">="), ("\\ge", ">="), ("\\infty", "inf"), ("%", ""), ("**", "^"), ("{,}", ""),
    ("\\cup", "∪"), ("\\pm", "±"),
)  # fmt: skip
ARGUMENT = r"\s*(?:\{([^{}]*)\}|(\d|[A-Za-z]))"
INNERMOST = (  # LaTeX with arguments, rewritten from the inside out
    (re.compile(rf"\\[dt]?frac{ARGUMENT}{ARGUMENT}"), r"((\1\2)/(\3\4))"),
    (re.compile(rf"\\sqrt\s*\[(\d+)\]{ARGUMENT}"), r"((\2\3)^(1/\1))"),
    (re.compile(rf"\\sqrt{ARGUMENT}"), r"sqrt(\1\2)"),
    (re.compile(r"\^\s*\{([^{}]*)\}"), r"^(\1)"),
    (re.compile(r"\\(?:text|mathrm|mbox|textbf|mathbf)\s*\{([^{}]*)\}"), r" \1 "),
)
LONGEST = 2000  # characters; what is longer is no final answer
UNITS = re.compile(
    r"(?<=[\d})])\s*\\?(?:(?:square|cubic|sq\.?)\s+)?(?:degrees?|dollars?|cents?|percent|units?|inch(?:es)?|feet|miles?|hours?|minutes?|"
    r"seconds?|days?|weeks?|years?|kg|km|cm|mm|meters?|metres?|cups?|people|apples?|points?)\b\.?"
    r"(?:\s*\^\s*\(?[23]\)?)?",
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
    if a == b:
        return bool(a)
    x, y = number_of(a), number_of(b)
    if x is not None and y is not None:
        return x == y
    parts = [listed(a), listed(b)]
    if parts[0] is not None or parts[1] is not None:
        return same_lists(parts[0] or ("", [a]), parts[1] or ("", [b]))
    if a.casefold() == b.casefold():
        return len(a) != 1 or {a, b} <= set("ABCDEFGHabcdefgh")
    if tight(a) == tight(b):
        return True
    if a.count("=") == b.count("=") == 1:
        return same_equation(a, b)
    return equal_values(a, b)


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """An answer without LaTeX's dress, `x =`, units and marks around it."""
    text = text.strip().strip("*").translate(SIGNS)
    text = text.replace("\\{", "\x01").replace("\\}", "\x02")
    text = DROPPED.sub("", text)
    text = re.sub(r"\^\s*\{?\s*\\circ\s*\}?|°", "", text)
    text = inside_out(text)
    for latex, sign in SPELT:
        text = text.replace(latex, sign)
    text = re.sub(r"\\(sin|cos|tan|ln|log|exp)", r"\1", text)
    text = UNITS.sub("", text)
    text = re.sub(r"^\s*[A-Za-z]\w*(?:\([A-Za-z]\))?\s*(?:=|\\in)\s*(?=\S)", "", text)
    text = re.sub(r"(?<=\S)\s+(?:and|or)\s+(?=\S)", ", ", text)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text) if not re.match(r"\s*[\[({\x01]", text) else text
    text = text.replace("\x01", "{").replace("\x02", "}")
    text = re.sub(r"\s+", " ", text).strip().rstrip(".").strip()
    choice = re.fullmatch(r"\(\s*([A-Za-z])\s*\)", text)
    return choice[1] if choice else text


def inside_out(text: str) -> str:
    r"""Fractions, roots, powers and words of LaTeX in plain signs: \frac{\sqrt{3}}2 is ((sqrt(3))/(2))."""
    for _ in range(20):
        before = text
        for pattern, sign in INNERMOST:
            text = pattern.sub(sign, text)
        if text == before:
            break
    return text


NUMERAL = r"\d{1,40}\.?\d{0,40}|\.\d{1,40}"
SCIENTIFIC = re.compile(
    r"[-+]?\d{1,40}(?:\.\d{1,40})?[eE](?:\+?\d{1,2}|-0\d)"
)  # 2e-3 may be 2 times e less 3
COMMON = re.compile(
    rf"(?P<sign>[-+]?)\(*(?P<top>[-+]?(?:{NUMERAL}))\)*(?:/\(*(?P<bottom>[-+]?(?:{NUMERAL}))\)*)?"
)
MIXED = re.compile(r"(-?)(\d{1,15}) ?(?:\(\((\d{1,15})\)/\((\d{1,15})\)\)|(?<= )(\d{1,15})/(\d{1,15}))")


def number_of(text: str) -> Fraction | None:
    """A whole, decimal, mixed, common or scientific number, exactly; None for anything else."""
    if SCIENTIFIC.fullmatch(text):
        return Fraction(text)
    if mixed := MIXED.fullmatch(text):
        over, under = int(mixed[3] or mixed[5]), int(mixed[4] or mixed[6])
        value = int(mixed[2]) + Fraction(over, under) if under else None
        return value if value is None or not mixed[1] else -value
    if re.fullmatch(r"-?\d{1,3}(?: \d{3})+", text):
        return Fraction(text.replace(" ", ""))
    found = COMMON.fullmatch(re.sub(r"\s*([()/+-])\s*", r"\1", text))
    if not found or text.count("(") != text.count(")"):
        return None
    top, bottom = Fraction(found["top"]), Fraction(found["bottom"] or "1")
    return (-top if found["sign"] == "-" else top) / bottom if bottom else None


def tight(text: str) -> str:
    """Without the spaces beside signs: "x > 3" as "x>3", but "3 4" as it is."""
    return re.sub(r" (?=\W)|(?<=\W) ", "", text)


def same_equation(a: str, b: str) -> bool:
    """Are the differences of their sides the same, or the same but for the sign?"""
    (p, q), (r, t) = a.split("="), b.split("=")
    return equal_values(f"({p})-({q})", f"({r})-({t})") or equal_values(f"({p})-({q})", f"({t})-({r})")


def listed(text: str) -> tuple[str, list[str]] | None:
    """(the brackets, the parts at the top level) of a list; "" for no brackets; None if it is no list.

    A union of intervals is a list under "∪", and `a ± b` two values.
    """
    if "∪" in text:
        return "∪", text.split("∪")
    if "±" in text and "," not in text:
        return "", [text.replace("±", sign) for sign in "+-"]
    if len(text) > 1 and text[0] in "([{" and text[-1] in ")]}":
        inner = parts_of(text[1:-1])
        if inner is not None and (len(inner) > 1 or text[0] == "{"):
            return text[0] + text[-1], inner
    parts = parts_of(text)
    return ("", parts) if parts is not None and len(parts) > 1 else None


def parts_of(text: str) -> list[str] | None:
    """What stands between the commas outside of brackets; None if a bracket closes that was not opened."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if depth < 0:
            return None
        if letter == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]


def same_lists(a: tuple[str, list[str]], b: tuple[str, list[str]]) -> bool:
    """Element by element; in any order unless they stand in brackets that order them."""
    if len(a[1]) != len(b[1]):
        return False
    if not ({a[0], b[0]} <= {"", "{}"} or a[0] == b[0] == "∪"):
        return a[0] == b[0] and all(map(same_answer, a[1], b[1]))
    left = list(b[1])
    for part in a[1]:
        twin = next((i for i, other in enumerate(left) if same_answer(part, other)), None)
        if twin is None:
            return False
        del left[twin]
    return True
