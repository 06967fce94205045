"""Instances of tasks, Self-Instruct's second step: inputs and outputs, labels first where a task is to classify.

Source: Wang et al. 2023, "Self-Instruct" (arXiv:2212.10560), section 2.2: input first; for classification output
first, as inputs made first are mostly of one label; then duplicates, equal inputs with different outputs and
malformed ones go.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from truenorth.judges.ask import Asker, How
from truenorth.models.protocol import Model, Tick
from truenorth.records import Row, Source
from truenorth.synth.answers import as_answer
from truenorth.synth.asking import gathered, request, say
from truenorth.synth.dedupe import normalise
from truenorth.synth.filters import Filtered, last_turn, like

CLASSIFIES = (
    "Task: {prompt}\n\nIs its answer one of a few labels, as in classification? Reply with Yes or No."
)
INPUT_FIRST = (
    "Task: {prompt}\n\nWrite up to {count} examples of it, each as\nInput: ...\nOutput: ...\nLeave the input empty "
    "where the task needs none."
)
OUTPUT_FIRST = (
    "Task: {prompt}\n\nWrite an example for each label, up to {count}, each as\nLabel: ...\nInput: ..."
)
FIELD = re.compile(
    r"^[ \t]*(?:\d+[.)][ \t]*)?(Input|Output|Label)[ \t]*:[ \t]*", re.MULTILINE | re.IGNORECASE
)


def instances(
    model: Model,
    rows: Sequence[Row],
    *,
    classifies: str = CLASSIFIES,
    input_first: str = INPUT_FIRST,
    output_first: str = OUTPUT_FIRST,
    count: int = 5,
    how: How = "auto",
    max_tokens: int = 512,
    temperature: float = 0.7,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """Rows (prompt, completion) of tasks (rows prompt): the task with an input, and its output; up to `count` each.

    The column `classification` says which way was asked; a task without a verdict counts as none. Reasons: faults,
    "format" (no instance in the reply), "incomplete" (an instance without an output), "two outputs" (of one input,
    which all go), "repeated".

    Args:
        how: see `Asker`; asks whether a task classifies.
    """
    asker = Asker(model, how)
    questions = [request(classifies, {"prompt": last_turn(row)}) for row in rows]
    kinds = [answer.choice == "Yes" for answer in asker.ask(questions, ["Yes", "No"])]
    asked = [
        request(output_first if kind else input_first, {"prompt": last_turn(row), "count": str(count)})
        for row, kind in zip(rows, kinds, strict=True)
    ]
    found = say(model, asked, max_tokens=max_tokens, temperature=temperature, seed=seed, tick=tick)
    made: list[Row | str] = []
    for row, kind, [one] in zip(rows, kinds, found, strict=True):
        if one.fault not in ("", "cut off"):
            made.append(one.fault)
            continue
        pairs = read_instances(one.text, labels_first=kind)[:count]
        if one.fault:  # the last one was not finished
            made += ["cut off"]
            pairs = pairs[:-1]
        made += [] if pairs or one.fault else ["format"]
        made += _rows(row, pairs, kind, model, seed)
    return gathered(made)


def read_instances(text: str, *, labels_first: bool) -> list[tuple[str, str]]:
    """(input, output) of each instance in a reply; an output without an input has "" before it.

    >>> read_instances("Input: 2\\nOutput: 4\\nOutput: 5", labels_first=False)
    [('2', '4'), ('', '5')]
    """
    marks = list(FIELD.finditer(text))
    ends = [*(m.start() for m in marks[1:]), len(text)]
    fields = [(m[1].lower(), text[m.end() : end].strip()) for m, end in zip(marks, ends)]
    found: list[tuple[str, str]] = []
    first, value = "label" if labels_first else "input", ""
    for name, said in fields:
        if name == first:
            value = said
        elif labels_first:
            found.append((said, value))
        else:
            found.append((said if name == "input" else value, said if name != "input" else ""))
            value = ""
    return found


def _rows(row: Row, pairs: Sequence[tuple[str, str]], kind: bool, model: Model, seed: int) -> list[Row | str]:
    outputs: dict[str, set[str]] = defaultdict(set)
    for given, answer in pairs:
        outputs[normalise(given)].add(normalise(answer))
    made: list[Row | str] = []
    source = Source("instances", "imitation", model=model.name, seed=seed, parents=(row.id,))
    for given, answer in pairs:
        empty = not given or normalise(given) in ("none", "n a", "empty", "noinput")
        if not answer or (kind and empty):
            made.append("incomplete")
        elif len(outputs[normalise(given)]) > 1:
            made.append("two outputs")
        else:
            prompt = like(row, last_turn(row) if empty else f"{last_turn(row)}\n\n{given}")
            data = {"prompt": prompt, "completion": as_answer(prompt, answer), "classification": kind}
            made.append(Row(data, source))
    return made
