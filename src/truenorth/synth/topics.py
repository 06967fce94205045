"""Topic-guided prompts: topics are asked for by kind of question, adversarial kinds included, then prompts by topic.

Source: Sun et al. 2023, "Principle-driven self-alignment" (SELF-ALIGN, arXiv:2305.03047), section 3.1: kinds of
questions that a model gets wrong by nature, so that the rules have something to do.
"""

from __future__ import annotations

from collections.abc import Sequence

from truenorth.models.protocol import Model, Tick
from truenorth.records import Row, Source
from truenorth.synth.asking import gathered, part_seed
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered
from truenorth.synth.writing import Brief, Way, prompts_from, write_prompts

# What a model without tools, senses or news cannot answer well, or should not.
ADVERSARIAL = (
    "questions that nobody could answer without news of today",
    "questions about what will happen in the future",
    "questions about a private person",
    "questions that need to see, hear or touch something",
    "questions that need a computation too long for the head",
    "questions that rest on a mistake of fact",
    "questions that ask the assistant for feelings or memories of its own",
    "questions that could be used to hurt somebody",
    "questions that ask for a legal or medical decision",
    "questions whose answer differs from place to place",
)
TOPIC = (
    "Kind of question: {about}\n{shown}\nName topics of such questions, from number {next}, in a few words."
)
PROMPT = "{about}\n{shown}\nWrite such questions as a user would type them, from number {next}, as varied as you can."


def topics(
    model: Model,
    kinds: Sequence[str] = ADVERSARIAL,
    n: int = 1,
    *,
    template: str = TOPIC,
    count: int = 10,
    most_words: int = 8,
    max_tokens: int = 256,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (kind, topic), each topic of a kind once. Reasons: faults, "format", "long", "seen".

    Args:
        n: requests for each kind, each read for up to `count` topics.
    """
    found = write_prompts(
        model,
        [Brief(about=kind) for kind in kinds],
        n,
        template=template,
        count=count,
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
        tick=tick,
    )
    made: list[Row | str] = []
    seen: set[tuple[str, str]] = set()
    for kind, group in zip(kinds, found, strict=True):
        for one in group:
            text = one.text.rstrip(".")
            key = (kind, normalise(text))
            long = "long" if len(text.split()) > most_words else ""
            wrong = one.fault or long or ("seen" if key in seen else "")
            if not wrong:
                seen.add(key)
            source = Source("topics", "imitation", model=model.name, seed=seed)
            made.append(wrong or Row({"kind": kind, "topic": text}, source))
    return gathered(made)


def topic_prompts(
    model: Model,
    rows: Sequence[Row],
    n: int = 1,
    *,
    way: Way = "list",
    template: str = PROMPT,
    shown: Sequence[str] = (),
    count: int = 5,
    max_tokens: int = 256,
    temperature: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Prompts on each topic (rows kind, topic; one without a kind is about anything), with those columns kept.

    Reasons: those of `prompts_from`.

    Args:
        shown: prompts as examples, the same in every request.
    """
    briefs = []
    for row in rows:
        kind, topic = str(row.data.get("kind", "")), str(row.data["topic"])
        about = f"Kind of question: {kind}\nTopic: {topic}" if kind else f"Topic: {topic}"
        columns = (("kind", kind), ("topic", topic))
        briefs.append(Brief(about, tuple(shown), str(row.data.get("begin", "")), (row.id,), "", columns))
    return prompts_from(
        model,
        briefs,
        n,
        producer="topic",
        way=way,
        template=template,
        count=count,
        max_tokens=max_tokens,
        temperature=temperature,
        seed=part_seed(seed, "topic"),
        tick=tick,
    )
