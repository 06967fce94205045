"""IFEval's 25 instructions, each a function of the answer: does it follow the instruction?

Source: Zhou et al., "Instruction-Following Evaluation for Large Language Models" (2023), and the rules of its
published checkers. Ours differ in three places: keywords are words and not regular expressions, sentences and
capital words are told by our own splitter (theirs is nltk's), languages by `_languages` (theirs is langdetect,
which is random, and counts as followed what it cannot tell).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from truenorth.base import UserError
from truenorth.judges._counting import count_sentences
from truenorth.judges._languages import language_of
from truenorth.judges.checks._text import as_tuple

CAPITAL_WORD = re.compile(r"[^\W_]+(?:[-'’.&][^\W_]+)*")
CONSTRAINED = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def counted(relation: str, count: int, limit: int) -> bool:
    """Raises: UserError: a relation that is not IFEval's."""
    if relation not in ("less than", "at least"):
        raise UserError(f"relation {relation!r}", where="ifeval", expected="'less than' or 'at least'")
    return count < limit if relation == "less than" else count >= limit


def keyword_existence(text: str, *, keywords: Sequence[str]) -> bool:
    return all(re.search(re.escape(word), text, re.IGNORECASE) for word in as_tuple(keywords))


def keyword_frequency(text: str, *, keyword: str, frequency: int, relation: str) -> bool:
    found = re.findall(re.escape(keyword.strip()), text, re.IGNORECASE)
    return counted(relation, len(found), frequency)


def forbidden_words(text: str, *, forbidden_words: Sequence[str]) -> bool:
    found = (
        re.search(rf"(?<!\w){re.escape(w)}(?!\w)", text, re.IGNORECASE) for w in as_tuple(forbidden_words)
    )
    return not any(found)


def letter_frequency(text: str, *, letter: str, let_frequency: int, let_relation: str) -> bool:
    return counted(let_relation, text.lower().count(letter.lower()), let_frequency)


def response_language(text: str, *, language: str) -> bool:
    return language_of(text) == language


def number_sentences(text: str, *, num_sentences: int, relation: str) -> bool:
    return counted(relation, count_sentences(text), num_sentences)


def number_paragraphs(text: str, *, num_paragraphs: int) -> bool:
    parts = re.split(r"\s?\*\*\*\s?", text)
    inner = parts[1:-1]
    return all(p.strip() for p in inner) and sum(bool(p.strip()) for p in parts) == num_paragraphs


def number_words(text: str, *, num_words: int, relation: str) -> bool:
    return counted(relation, len(re.findall(r"\w+", text)), num_words)


def nth_paragraph_first_word(text: str, *, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    parts = text.split("\n\n")
    count = sum(bool(p.strip()) for p in parts)
    if not 1 <= nth_paragraph <= count or not parts[nth_paragraph - 1].strip():
        return False
    word = parts[nth_paragraph - 1].split()[0].lstrip("'").lstrip('"')
    return count == num_paragraphs and re.split(r"[.,?!'\"]", word)[0].lower() == first_word.lower()


def number_placeholders(text: str, *, num_placeholders: int) -> bool:
    return sum(map(brackets, text.split("\n"))) >= num_placeholders


def brackets(line: str) -> int:
    """How often `\\[.*?\\]` fits, in one pass whatever the line."""
    count, at = 0, 0
    while (opened := line.find("[", at)) >= 0 and (closed := line.find("]", opened)) >= 0:
        count, at = count + 1, closed + 1
    return count


def postscript(text: str, *, postscript_marker: str) -> bool:
    marker = postscript_marker.strip()
    known = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return bool(re.search(known.get(marker, re.escape(marker.lower())), text.lower()))


def number_bullet_lists(text: str, *, num_bullets: int) -> bool:
    stars = re.findall(r"^[^\S\n]*\*[^*].*$", text, re.MULTILINE)
    return len(stars) + len(re.findall(r"^[^\S\n]*-.*$", text, re.MULTILINE)) == num_bullets


def constrained_response(text: str) -> bool:
    return any(answer in text for answer in CONSTRAINED)


def number_highlighted_sections(text: str, *, num_highlights: int) -> bool:
    single = [h.strip("*").strip() for h in re.findall(r"\*[^\n*]*\*", text)]
    double = [h[2:-2].strip() for h in re.findall(r"\*\*[^\n*]*\*\*", text)]
    return sum(map(bool, single + double)) >= num_highlights


def multiple_sections(text: str, *, section_spliter: str, num_sections: int) -> bool:
    marks = re.findall(rf"\s?{re.escape(section_spliter.strip())}\s?\d+\s?", text)
    return len(marks) >= num_sections


def json_format(text: str) -> bool:
    bare = re.sub(r"^```(?:json|Json|JSON)?|```$", "", text.strip()).strip()
    try:
        json.loads(bare)
    except (ValueError, RecursionError):
        return False
    return True


def title(text: str) -> bool:
    for line in text.split("\n"):  # as `<<[^\n]+>>` fits: from the first mark to the last
        opened, closed = line.find("<<"), line.rfind(">>")
        if 0 <= opened < closed - 2 and line[opened:closed].lstrip("<").rstrip(">").strip():
            return True
    return False


def two_responses(text: str) -> bool:
    parts = text.split("******")
    said = [p.strip() for p in parts if p.strip()]
    return all(p.strip() for p in parts[1:-1]) and len(said) == 2 and said[0] != said[1]


def repeat_prompt(text: str, *, prompt_to_repeat: str) -> bool:
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def end_checker(text: str, *, end_phrase: str) -> bool:
    return text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def capital_word_frequency(text: str, *, capital_frequency: int, capital_relation: str) -> bool:
    capitals = sum(word.isupper() for word in CAPITAL_WORD.findall(text))
    return counted(capital_relation, capitals, capital_frequency)


def english_capital(text: str) -> bool:
    return text.isupper() and language_of(text) in ("en", "")


def english_lowercase(text: str) -> bool:
    return text.islower() and language_of(text) in ("en", "")


def no_comma(text: str) -> bool:
    return "," not in text


def quotation(text: str) -> bool:
    bare = text.strip()
    return len(bare) > 1 and bare[0] == bare[-1] == '"'


CHECKERS: dict[str, Callable[..., bool]] = {
    "keywords:existence": keyword_existence,
    "keywords:frequency": keyword_frequency,
    "keywords:forbidden_words": forbidden_words,
    "keywords:letter_frequency": letter_frequency,
    "language:response_language": response_language,
    "length_constraints:number_sentences": number_sentences,
    "length_constraints:number_paragraphs": number_paragraphs,
    "length_constraints:number_words": number_words,
    "length_constraints:nth_paragraph_first_word": nth_paragraph_first_word,
    "detectable_content:number_placeholders": number_placeholders,
    "detectable_content:postscript": postscript,
    "detectable_format:number_bullet_lists": number_bullet_lists,
    "detectable_format:constrained_response": constrained_response,
    "detectable_format:number_highlighted_sections": number_highlighted_sections,
    "detectable_format:multiple_sections": multiple_sections,
    "detectable_format:json_format": json_format,
    "detectable_format:title": title,
    "combination:two_responses": two_responses,
    "combination:repeat_prompt": repeat_prompt,
    "startend:end_checker": end_checker,
    "change_case:capital_word_frequency": capital_word_frequency,
    "change_case:english_capital": english_capital,
    "change_case:english_lowercase": english_lowercase,
    "punctuation:no_comma": no_comma,
    "startend:quotation": quotation,
}


def follows(instruction: str, text: str, settings: Mapping[str, Any], *, loose: bool = False) -> bool:
    """Does the answer follow the instruction? An empty answer follows none.

    Args:
        settings: IFEval's `kwargs` of the instruction; those that are None are left out.
        loose: also accept it without its first line, its last line, or its asterisks (IFEval's loose score).

    Raises:
        UserError: unknown instruction, or settings that it does not take.
    """
    texts = variants(text) if loose else [text]
    return any(checked(CHECKERS, instruction, t, settings, "ifeval") for t in texts)


def checked(
    checkers: Mapping[str, Callable[..., bool | None]],
    name: str,
    text: str,
    settings: Mapping[str, Any],
    where: str,
) -> bool | None:
    """The verdict of one of `checkers`; False for an empty answer. Settings that are None are left out.

    Raises:
        UserError: no checker of that name, or settings that it does not take.
    """
    check = checkers.get(name)
    if check is None:
        expected = "one of " + ", ".join(checkers)
        raise UserError(f"unknown instruction {name!r}", where=where, expected=expected)
    given = {key: value for key, value in settings.items() if value is not None}
    try:
        return check(text, **given) if text.strip() else False
    except TypeError as error:
        raise UserError(str(error), where=f"{where}, {name}", fix="see its settings") from error


def variants(text: str) -> list[str]:
    """The eight readings of IFEval's loose score, the answer itself first."""
    rows = text.split("\n")
    cut = [text, *("\n".join(part).strip() for part in (rows[1:], rows[:-1], rows[1:-1]))]
    return [v for t in cut for v in (t, t.replace("*", ""))]
