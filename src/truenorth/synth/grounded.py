"""Answers read from passages that were found in an unlabelled corpus; the rows keep the bare question.

Source: Kang et al. 2023, "Self-specialization" (arXiv:2310.00160), section 2: domain seeds grow by Self-Instruct, and
answers to them are written with passages of the domain's texts at hand. What an answer says must stand in them.
"""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.base import UserError
from truenorth.judges._content import content, stem
from truenorth.judges._languages import language_of
from truenorth.judges._prompts import replace_last_user
from truenorth.judges.checks._text import WORD, sentences
from truenorth.judges.logprob import fill
from truenorth.models.protocol import Model, Tick
from truenorth.records import Prompt, Row, Source
from truenorth.synth.answers import as_answer
from truenorth.synth.asking import Said, gathered, say
from truenorth.synth.filters import Filtered, last_turn, row_prompt
from truenorth.synth.retrieve import Index

FACT = 3  # ordinary words that a supported name or number weighs as much as
TEMPLATE = "Use these passages where they help:\n{passages}\n\n{prompt}"


def grounded_answers(
    model: Model,
    prompts: Sequence[Row],
    corpus: Sequence[Row],
    *,
    k: int = 3,
    column: str = "text",
    template: str = TEMPLATE,
    support: float = 0.5,
    keep_passages: bool = False,
    n: int = 1,
    max_tokens: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion): answers given with the `k` passages that share most with the question.

    A prompt with a column `document` (as the prompts of a taxonomy's leaf have) is answered with that document
    instead. Parents are the prompt and its passages. Reasons: "no passage" (none shares a word with the question),
    faults, "unsupported".

    Args:
        column: of the corpus, that holds a passage.
        template: what the last user turn becomes, with {passages} (a line each) and {prompt}.
        support: least share of an answer's content words, those of the question aside, that stand in its passages;
            see `supported`.
        keep_passages: the prompts keep their passages: the model learns to read, rather than to know.

    Raises:
        UserError: support that is no fraction.
    """
    if not 0 <= support <= 1:
        raise UserError(f"support {support}", where="grounded answers", expected="a fraction from 0 to 1")
    index = Index.of([str(row.data[column]) for row in corpus]) if corpus else None
    found = [_near(row, corpus, index, k, column) for row in prompts]
    open_ = [(row, near) for row, near in zip(prompts, found, strict=True) if near]
    asked = [with_passages(row, [str(p.data[column]) for p in near], template) for row, near in open_]
    settings = {"max_tokens": max_tokens, "temperature": temperature}
    replies = say(model, asked, n, **settings, seed=seed, tick=tick)  # type: ignore[arg-type]

    def made(row: Row, near: Sequence[Row], prompt: Prompt, one: Said) -> Row | str:
        passages = " ".join(str(p.data[column]) for p in near)
        if one.fault or supported(one.text, passages, last_turn(row)) < support:
            return one.fault or "unsupported"
        kept = prompt if keep_passages else row_prompt(row)
        parents = tuple(dict.fromkeys((row.id, *(p.id for p in near))))
        source = Source("grounded", "imitation", model=model.name, seed=seed, parents=parents)
        return Row({"prompt": kept, "completion": as_answer(kept, one.text)}, source)

    rows: list[Row | str] = ["no passage"] * (len(prompts) - len(open_))
    for (row, near), prompt, group in zip(open_, asked, replies, strict=True):
        rows += [made(row, near, prompt, one) for one in group]
    return gathered(rows)


def _near(row: Row, corpus: Sequence[Row], index: Index | None, k: int, column: str) -> list[Row]:
    """The passages for a question: its own document, or what is found in the corpus."""
    if document := row.data.get("document"):
        return [Row({column: document}, row.source, id=row.id)]
    return [corpus[i] for i, _ in index.search(last_turn(row), k)] if index else []


def with_passages(row: Row, passages: Sequence[str], template: str) -> Prompt:
    """The prompt with passages put into its last user turn."""
    told = "\n".join(" ".join(text.split()) for text in passages)
    return replace_last_user(row_prompt(row), lambda text: fill(template, {"passages": told, "prompt": text}))


def supported(answer: str, passages: str, question: str) -> float:
    """Share of an answer's content words, those of the question aside, that stand in the passages; 1 without any.

    Numbers and names are facts: one that stands in neither makes it 0, and each that does weighs as `FACT` other
    words, so that a paraphrase around the right name passes. Names are told by their capitals inside a sentence; in
    German, where those say nothing, by none.

    >>> supported("It is a red mill.", "The mill is old.", "What is it?")
    0.5
    >>> supported("It was put up long ago by Hanna Voss.", "Hanna Voss built it.", "Who built it?") > 0.5
    True
    """
    asked, known = ({stem(w) for w in content(text)} for text in (question, passages))
    said = {stem(w) for w in content(answer)} - asked
    hard = {stem(w) for w in facts(answer)} & said
    if hard - known:
        return 0.0
    weight = len(said) + (FACT - 1) * len(hard)
    return (len(said & known) + (FACT - 1) * len(hard)) / weight if weight else 1.0


def facts(text: str) -> set[str]:
    """Numbers, and words with a capital that do not begin a sentence, in lower case."""
    found = set()
    named = language_of(text) != "de"
    for sentence in sentences(text):
        first, *rest = WORD.findall(sentence) or [""]
        found |= {w for w in [first, *rest] if w.isdecimal()}
        found |= {w.replace("’", "'").removesuffix("'s").lower() for w in rest if named and w[0].isupper()}
    return found
