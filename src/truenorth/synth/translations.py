"""A second language: rows put into it by a model, and pairs of sentences as exercises in both directions.

Source: Zhu et al. 2023, "Extrapolating large language models to non-English by aligning languages" (x-LLaMA,
arXiv:2308.04948), section 2: cross-lingual instruction data beside translation pairs. A sentence counts if
translating it back says much the same (Sennrich et al. 2016, back-translation), which needs no speaker of the
language.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import partial

from truenorth.judges._prompts import replace_last_user
from truenorth.models.protocol import Model, Tick
from truenorth.records import Prompt, Row, Source
from truenorth.synth.answers import answer_text, as_answer
from truenorth.synth.asking import Said, gathered, part_seed, request, say
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, last_turn, row_prompt
from truenorth.synth.rouge import rouge_l

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
NAMES = re.compile(r"(?<![A-Z]\w )\b([A-Z]\w+) ([A-Z]\w+)(?! [A-Z])")  # two capitals, and no third
BEGINS = re.compile(r"(?:^|[.?!])\W*$")  # what stands before the first word of a sentence
TEMPLATE = "Translate into {language}, and reply with the translation alone:\n{text}"


def translated(
    model: Model,
    rows: Sequence[Row],
    *,
    language: str = "",
    template: str = TEMPLATE,
    back: str = "",
    least: float = 0.5,
    temperature: float = 0.0,
    max_tokens: int = 128,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, and completion where there is one) in another language: last user turn and answer, each by itself.

    Reasons: faults, "unchanged", "lost on the way" (see `back`).

    Args:
        template: with {text} and, where it has it, {language}.
        back: a template for the way back; each text must come back with ROUGE-L F `least` or more. "" does not ask.
    """
    sides = [
        [last_turn(row), *([answer_text(row.data["completion"])] if "completion" in row.data else [])]
        for row in rows
    ]
    texts = [text for side in sides for text in side]
    ask = partial(_translated, model, language, temperature, max_tokens, tick)
    found = ask(texts, template, part_seed(seed, "there"))
    faults = [
        one.fault or ("unchanged" if normalise(one.text) == normalise(text) else "")
        for text, one in zip(texts, found, strict=True)
    ]
    if back:
        good = [i for i, fault in enumerate(faults) if not fault]
        again = ask([found[i].text for i in good], back, part_seed(seed, "back"))
        for i, one in zip(good, again, strict=True):
            if one.fault or rouge_l(texts[i], one.text).f < least:
                faults[i] = "lost on the way"
    made: list[Row | str] = []
    at = 0
    for row, side in zip(rows, sides, strict=True):
        here, fault = found[at : at + len(side)], next((f for f in faults[at : at + len(side)] if f), "")
        at += len(side)
        made.append(fault or _row(row, [one.text for one in here], model, seed, language))
    return gathered(made)


def translation_pairs(
    rows: Sequence[Row],
    *,
    there: str = "Translate: {text}",
    back: str = "",
    columns: tuple[str, str] = ("text", "translation"),
) -> Filtered:
    """Chats (prompt, completion) that ask for the translation, and with `back` for the way back as well.

    Reasons: "blank" (one side is), "unchanged" (both sides are the same).

    Args:
        columns: of the rows: a sentence, and the same in the other language.
    """
    made: list[Row | str] = []
    for row in rows:
        one, other = (str(row.data[column]).strip() for column in columns)
        ways = [(there, one, other), *([(back, other, one)] if back else [])]
        for template, text, answer in ways:
            if not text or not answer or normalise(text) == normalise(answer):
                made.append("blank" if not text or not answer else "unchanged")
                continue
            prompt = request(template, {"text": text})
            source = Source("translation", "imitation", parents=(row.id,))
            made.append(Row({"prompt": prompt, "completion": as_answer(prompt, answer)}, source))
    return gathered(made)


def _translated(
    model: Model,
    language: str,
    temperature: float,
    max_tokens: int,
    tick: Tick | None,
    texts: Sequence[str],
    template: str,
    seed: int,
) -> list[Said]:
    asked = [request(template, {"text": text, "language": language}) for text in texts]
    found = say(model, asked, max_tokens=max_tokens, temperature=temperature, seed=seed, tick=tick)
    return [one for [one] in found]


def _row(row: Row, texts: Sequence[str], model: Model, seed: int, language: str) -> Row:
    prompt: Prompt = replace_last_user(row_prompt(row), lambda _: texts[0])
    data = {**row.data, "prompt": prompt}
    if len(texts) > 1:
        data["completion"] = as_answer(prompt, texts[1])
    source = Source("translated", "imitation", model=model.name, seed=seed, parents=(row.id,), note=language)
    return Row(data, source)


def word_for_word(rows: Sequence[Row], pairs: Sequence[tuple[str, str]], *, language: str = "") -> Filtered:
    """Rows (prompt, completion) in a language that keeps the order of words, by the words of translated sentences.

    A word is what it is most often where both sides of a pair have as many. Numbers stay, and so do unknown words with
    a capital beside another one: names. Reasons: "unknown words" (there is any), "unchanged".
    """
    known = dictionary(pairs)
    made: list[Row | str] = []
    for row in rows:
        sides = [last_turn(row), *([answer_text(row.data["completion"])] if "completion" in row.data else [])]
        found = [in_words(text, known) for text in sides]
        texts = [text for text in found if text is not None]
        if len(texts) < len(sides):
            made.append("unknown words")
        elif texts == sides:
            made.append("unchanged")
        else:
            prompt: Prompt = replace_last_user(row_prompt(row), lambda _, texts=texts: texts[0])  # type: ignore[misc]
            answer = {"completion": as_answer(prompt, texts[1])} if len(texts) > 1 else {}
            source = Source("word for word", "imitation", parents=(row.id,), note=language)
            made.append(Row({**row.data, "prompt": prompt, **answer}, source))
    return gathered(made)


def dictionary(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Small word -> what stands in its place most often.

    >>> dictionary([("The cat runs.", "Le chat court."), ("A cat.", "Un chat."), ("Go on.", "Continuez.")])["cat"]
    'chat'
    """
    seen: dict[str, Counter[str]] = {}
    for text, other in pairs:
        one, two = (WORD.findall(side.lower()) for side in (text, other))
        if len(one) == len(two):
            for a, b in zip(one, two, strict=True):
                seen.setdefault(a, Counter())[b] += 1
    return {word: found.most_common(1)[0][0] for word, found in seen.items()}


def in_words(text: str, known: dict[str, str]) -> str | None:
    """The text word by word, sentences beginning in capitals as they do; None where a word is unknown.

    >>> in_words("The cat, Ann Lee!", {"the": "le", "cat": "chat"})
    'Le chat, Ann Lee!'
    """
    unknown = []
    names = {at for found in NAMES.finditer(text) for at in (found.start(1), found.start(2))}

    def put(found: re.Match[str]) -> str:
        word, new = found[0], known.get(found[0].lower())
        if word.isdigit() or new == word.lower() or (new is None and found.start() in names):
            return word
        unknown.extend([word] if new is None else [])
        return (new or "").capitalize() if BEGINS.search(text[: found.start()]) else new or ""

    made = WORD.sub(put, text)
    return None if unknown else made
