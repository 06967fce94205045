"""From a handful of question-answer pairs to many: nothing but the nearest pairs is shown, no rule and no reward.

Source: Guo et al. 2024, "Human-instruction-free LLM self-alignment with limited samples" (ISARA, arXiv:2401.06785):
retrieve, write a question and its answer in context, train, and retrieve from what was written. The pairs are found
by BM25 instead of an embedding; call it again with the new rows as `pool` for the next round.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from truenorth.base import UserError, seed_of
from truenorth.models.protocol import Model, Tick
from truenorth.records import Message, Prompt, Row, Source, as_messages
from truenorth.synth.answers import answer_text
from truenorth.synth.asking import Said, gathered, part_seed, say_apart
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, last_turn
from truenorth.synth.guided import after_examples
from truenorth.synth.magpie import Opening, user_opening
from truenorth.synth.retrieve import Index


def few_sample(
    model: Model,
    pool: Sequence[Row],
    n: int,
    *,
    shown: int = 4,
    max_tokens: int = 64,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Up to `n` new rows (prompt, completion) as chats; parents are the pairs shown, the nearest to one drawn by seed.

    The question is what the model writes as the user after the pairs; the answer what it says to that after the same
    pairs. A model without a chat template is shown plain text, "Q:" and "A:". Reasons: faults, "seen" (a question of
    the pool, or an earlier one), and "answer: " before the faults of an answer.

    Raises:
        UserError: an empty pool, or no pairs to be shown.
    """
    if not pool or shown < 1:
        raise UserError(f"{len(pool)} pairs, {shown} shown", where="few samples", expected="one or more")
    chat = bool(getattr(getattr(model, "tokenizer", None), "chat_template", None))
    ask = partial(say_apart, model, max_tokens=max_tokens, temperature=temperature, top_p=top_p, tick=tick)
    groups = _nearest(pool, n, shown, seed)
    openings = [_opening(model, rows) if chat else Opening(_text(rows), "\n") for rows in groups]
    stop = sorted({opening.end for opening in openings} - {""})
    asked = [opening.prefix for opening in openings]
    questions = [_line(one, chat) for [one] in ask(asked, seed=part_seed(seed, "question"), stop=stop)]
    faults = _faults(questions, pool)
    new = [(one.text, rows) for one, rows, bad in zip(questions, groups, faults, strict=True) if not bad]
    prompts: list[Prompt] = [
        after_examples([{"role": "user", "content": text}], rows) if chat else _text(rows, text)
        for text, rows in new
    ]
    replies = ask(prompts, seed=part_seed(seed, "answer"), stop=() if chat else ("\n",))

    def made(text: str, rows: Sequence[Row], answer: Said) -> Row | str:
        parents = tuple(row.id for row in rows)
        source = Source("few samples", "imitation", model=model.name, seed=seed, parents=parents)
        question, said = (
            [{"role": r, "content": t}] for r, t in (("user", text), ("assistant", answer.text))
        )
        return (
            f"answer: {answer.fault}"
            if answer.fault
            else Row({"prompt": question, "completion": said}, source)
        )

    rows = [made(text, rows, _line(one, chat)) for (text, rows), [one] in zip(new, replies, strict=True)]
    return gathered([*(bad for bad in faults if bad), *rows])


def _nearest(pool: Sequence[Row], n: int, shown: int, seed: int) -> list[list[Row]]:
    """For each of `n` draws a pair and those nearest to it by the words of the question, the nearest last."""
    index = Index.of([last_turn(row) for row in pool])
    starts = [last_turn(pool[seed_of("few", seed, i) % len(pool)]) for i in range(n)]
    return [[pool[i] for i, _ in reversed(found)] for found in index.nearest(starts, shown)]


def _faults(questions: Sequence[Said], pool: Sequence[Row]) -> list[str]:
    """What is wrong with each question, or ""."""
    known = {normalise(last_turn(row)) for row in pool}
    faults = []
    for one in questions:
        said = normalise(one.text)
        faults.append(one.fault or ("seen" if said in known else ""))
        known.add(said)
    return faults


def _line(one: Said, chat: bool) -> Said:
    """A turn as it is; of plain text the first line, which came to its end if another one follows."""
    if chat:
        return one
    first, more, _ = one.text.partition("\n")
    fault = "" if more and one.fault in ("cut off", "repeated") else one.fault
    return one._replace(text=first.strip(), fault=fault)


def _opening(model: Model, rows: Sequence[Row]) -> Opening:
    """The pairs as turns, and the user's next turn opened."""
    turns: list[Message] = []
    for row in rows:
        turns += [m for m in as_messages(row.data["prompt"]) if m["role"] != "system"]
        turns.append({"role": "assistant", "content": answer_text(row.data["completion"])})
    return user_opening(getattr(model, "tokenizer", None), before=turns)


def _text(rows: Sequence[Row], question: str = "") -> str:
    """The pairs as plain text, up to the next question or its answer."""
    pairs = [(last_turn(row), answer_text(row.data["completion"])) for row in rows]
    shown = "".join(f"Q: {' '.join(q.split())}\nA: {' '.join(a.split())}\n\n" for q, a in pairs)
    return f"{shown}Q: {question}\nA:" if question else f"{shown}Q:"
