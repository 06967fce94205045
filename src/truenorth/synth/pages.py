"""Texts that bear on a question: passages found in a corpus, or what a model writes when it begins with a name of it.

Source: Yu et al. 2023, "Generate rather than retrieve" (arXiv:2209.10063), for texts that the model writes itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from truenorth.judges.checks._text import sentences
from truenorth.models.protocol import Model, Tick
from truenorth.records import Row, Source
from truenorth.synth.asking import Said, gathered, say
from truenorth.synth.filters import Filtered, last_turn, row_prompt
from truenorth.synth.retrieve import Index

NAME = re.compile(r"\b[A-Z][\w'’-]*[a-z](?: [A-Z][\w'’-]*[a-z])+")


def found_pages(
    prompts: Sequence[Row], corpus: Sequence[Row], *, k: int = 4, column: str = "text"
) -> Filtered:
    """Rows (prompt, document): the `k` passages that share most with each question. Reason: "no passage"."""
    index = Index.of([str(row.data[column]) for row in corpus]) if corpus else None
    made: list[Row | str] = []
    for row in prompts:
        near = [corpus[i] for i, _ in index.search(last_turn(row), k)] if index else []
        text = " ".join(" ".join(str(one.data[column]).split()) for one in near)
        parents = (*(one.id for one in near), row.id)
        source = Source("found pages", "imitation", parents=parents)
        made.append(Row({"prompt": row_prompt(row), "document": text}, source) if near else "no passage")
    return gathered(made)


def own_pages(
    model: Model,
    prompts: Sequence[Row],
    *,
    n: int = 4,
    least: int = 1,
    max_tokens: int = 40,
    temperature: float = 0.7,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, document): what the model writes, `n` times, when a text begins with a name of the question.

    Sentences without the name, and those that a page breaks off, are left out; the same sentence stands once. Reasons:
    "no name", "nothing of it".

    Args:
        least: pages that a sentence must stand on: what is made up comes out another way each time.
    """
    names = [list(dict.fromkeys(NAME.findall(last_turn(row)))) for row in prompts]
    every = list(dict.fromkeys(name for some in names for name in some))
    drawn = say(model, every, n, max_tokens=max_tokens, temperature=temperature, seed=seed, tick=tick)
    pages = {name: _agreed(name, said, least) for name, said in zip(every, drawn, strict=True)}
    made: list[Row | str] = []
    for row, some in zip(prompts, names, strict=True):
        lines = list(dict.fromkeys(line for name in some for line in pages[name]))
        source = Source("own pages", "inductive_bias", model=model.name, seed=seed, parents=(row.id,))
        reason = "nothing of it" if some else "no name"
        made.append(
            Row({"prompt": row_prompt(row), "document": " ".join(lines)}, source) if lines else reason
        )
    return gathered(made)


def _agreed(name: str, pages: Sequence[Said], least: int) -> list[str]:
    """Whole sentences about somebody that stand on so many pages, in order of first appearance."""
    lines = [dict.fromkeys(sentences(f"{name} {one.text}")) for one in pages]
    times = Counter(
        line for page in lines for line in page if name in line and line.endswith((".", "!", "?"))
    )
    return [line for line, n in times.items() if n >= least]
