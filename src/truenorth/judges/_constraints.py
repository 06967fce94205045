"""Constraints on an answer that code can check, beyond IFEval's: those of CFBench's kinds, in any script.

Each is a function of the answer; `CONSTRAINTS` names them by CFBench's primary categories. What only a reader can
tell (meaning, tone, a role) is a question instead: see `cfbench.py`. None: cannot be told.

Source of the categories: Zhang et al., "CFBench" (2024), which asks a model about all of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from truenorth.base import UserError
from truenorth.judges import _counting as count
from truenorth.judges import _formats as form
from truenorth.judges._formats import ELEMENTS, within
from truenorth.judges._ifeval import CHECKERS, checked
from truenorth.judges._languages import SCRIPTS, language_of
from truenorth.judges.checks._text import Patterns, as_tuple
from truenorth.judges.checks.casing import casing
from truenorth.judges.checks.json_schema import json_schema

Part = Literal["paragraph", "sentence", "line", "item"]
PARTS: dict[str, Callable[[str], list[str]]] = {
    "paragraph": count.paragraphs_of,
    "sentence": count.sentences_of,
    "line": count.lines_of,
    "item": count.items_of,
}
UNITS: dict[str, Callable[[str], int | None]] = {
    "words": count.count_words,
    "characters": count.count_characters,
    "sentences": count.count_sentences,
    "lines": lambda text: len(count.lines_of(text)),
}


def include(text: str, *, words: Patterns, least: int = 1, most: int | None = None) -> bool:
    """Each of the words, so often."""
    return all(bool(within(count.times(w, text), least, most)) for w in as_tuple(words))


def any_of(text: str, *, words: Patterns, least: int = 1, most: int | None = None) -> bool | None:
    """So many of the words."""
    return within(sum(count.times(w, text) > 0 for w in as_tuple(words)), least, most)


def exclude(text: str, *, words: Patterns) -> bool:
    return not any(count.times(w, text) for w in as_tuple(words))


def scripts(text: str, *, only: Patterns = (), none: Patterns = ()) -> bool:
    """Letters of these scripts alone, or none of those ("latin", "han", "cyrillic", ...)."""
    if unknown := sorted({*as_tuple(only), *as_tuple(none)} - set(SCRIPTS)):
        raise UserError(f"unknown script {unknown[0]!r}", where="constraint", expected=", ".join(SCRIPTS))
    if only and any(c.isalpha() and not any(SCRIPTS[s].match(c) for s in as_tuple(only)) for c in text):
        return False
    return not any(SCRIPTS[s].search(text) for s in as_tuple(none))


def element(text: str, *, element: str, least: int | None = None, most: int | None = None) -> bool | None:
    """So many numbers, links, dates, emoji, ... (`ELEMENTS`, and "punctuation"); one at least by default."""
    least = 1 if least is None and most is None else least
    if element == "punctuation":
        return within(sum(unicodedata.category(c)[0] == "P" for c in text), least, most)
    if element not in ELEMENTS:
        expected = ", ".join([*ELEMENTS, "punctuation"])
        raise UserError(f"unknown element {element!r}", where="constraint", expected=expected)
    return within(len(re.findall(ELEMENTS[element], text, re.MULTILINE)), least, most)


def counted_in(unit: str) -> Callable[..., bool | None]:
    """The check of a count of `UNITS` in the whole answer."""

    def counted(text: str, *, least: int | None = None, most: int | None = None) -> bool | None:
        return within(UNITS[unit](text), least, most)

    return counted


def parts_in(part: Part) -> Callable[..., bool | None]:
    """The check of how many parts the answer has."""

    def parts(text: str, *, least: int | None = None, most: int | None = None) -> bool | None:
        return within(len(PARTS[part](text)), least, most)

    return parts


def each(
    text: str, *, part: Part, unit: str = "words", least: int | None = None, most: int | None = None
) -> bool | None:
    """Every paragraph, sentence, line or item has so many words, characters, sentences or lines."""
    if part not in PARTS or unit not in UNITS:
        expected = f"part: {', '.join(PARTS)}; unit: {', '.join(UNITS)}"
        raise UserError(f"part {part!r}, unit {unit!r}", where="constraint", expected=expected)
    found = [within(UNITS[unit](piece), least, most) for piece in PARTS[part](text)]
    return None if None in found else bool(found) and all(found)


def documents(text: str, *, least: int | None = None, most: int | None = None, mark: str = "") -> bool | None:
    """So many pieces between rulers (--- and its like), or between lines that are `mark`."""
    ruler = re.compile(rf"^[ \t]*{re.escape(mark)}[ \t]*$", re.MULTILINE) if mark else count.RULER
    return within(sum(bool(piece.strip()) for piece in ruler.split(text)), least, most)


def language(text: str, *, language: str) -> bool | None:
    """The ISO 639-1 code of the answer's language; None where it cannot be told."""
    told = language_of(text)
    return told == language if told else None


def order(text: str, *, words: Sequence[str]) -> bool:
    """The phrases stand in the answer, in this order."""
    at = 0
    for word in as_tuple(words):
        found = text.casefold().find(word.casefold(), at)
        if found < 0:
            return False
        at = found + len(word)
    return True


def replaced(text: str, *, old: Patterns, new: Patterns) -> bool:
    """None of the old words is left, and each of the new ones stands there."""
    return exclude(text, words=old) and include(text, words=new)


def choice(text: str, *, options: Sequence[str]) -> bool:
    """The answer is one of the options and nothing else, marks around it left out."""
    bare = text.strip().strip(" .。!！\"'`*").casefold()
    return bare in {o.strip().casefold() for o in as_tuple(options)}


def negated(text: str, *, constraint: str, settings: Mapping[str, Any] | None = None) -> bool | None:
    """Another constraint, or instruction of IFEval, that must not be kept."""
    found = keeps(constraint, text, settings or {})
    return None if found is None else not found


CONSTRAINTS: dict[str, Callable[..., bool | None]] = {
    "content:include": include,
    "content:any_of": any_of,
    "content:exclude": exclude,
    "content:scripts": scripts,
    "content:element": element,
    "numerical:words": counted_in("words"),
    "numerical:characters": counted_in("characters"),
    "numerical:sentences": parts_in("sentence"),
    "numerical:paragraphs": parts_in("paragraph"),
    "numerical:lines": parts_in("line"),
    "numerical:items": parts_in("item"),
    "numerical:documents": documents,
    "numerical:each": each,
    "format:json": lambda text, *, schema=None: json_schema("", text, schema=schema) == 1.0,
    "format:table": form.table,
    "format:headings": form.headings,
    "format:code_block": form.code_block,
    "format:tags": form.tags,
    "format:plain": form.plain,
    "format:starts_with": form.starts_with,
    "format:ends_with": form.ends_with,
    "format:template": form.template,
    "linguistic:language": language,
    "linguistic:sentence_kind": form.kinds_of_sentence,
    "linguistic:case": lambda text, *, case: casing("", text, case=case) == 1.0,
    "linguistic:acrostic": form.acrostic,
    "linguistic:first_letter": form.first_letter,
    "linguistic:line_endings": form.line_endings,
    "inverse:not": negated,
    "rule:order": order,
    "rule:replaced": replaced,
    "rule:choice": choice,
}

ALL = {**CONSTRAINTS, **CHECKERS}


def keeps(constraint: str, text: str, settings: Mapping[str, Any]) -> bool | None:
    """Does the answer keep the constraint, or IFEval's instruction of that id? An empty answer keeps none.

    None: the answer does not let it be told, such as words of Thai.

    Raises:
        UserError: unknown constraint, or settings that it does not take.
    """
    return checked(ALL, constraint, text, settings, "constraint")
