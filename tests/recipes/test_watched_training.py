"""What the main job trains on, and how it is watched: rows to tokens, anchors, one look, and whose weights are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from truenorth.base import UserError
from truenorth.learn import Task
from truenorth.models.encoding import Pair
from truenorth.models.local import LocalModel
from truenorth.recipes.settings import Settings
from truenorth.recipes.training import Watch, anchors, encoded, look, objective, tasks_of, train
from truenorth.records import Completion, Judgement, Row, Scored, Source

END = 0


class Letters:
    """A model whose tokens are letters: 1 for a."""

    def encode_prompt(self, text: str) -> list[int]:
        return [ord(letter) - 96 for letter in text]

    def encode_pairs(self, pairs: Sequence[tuple[str, str]], *, end: bool = True) -> list[Pair]:
        ids = self.encode_prompt
        return [Pair(ids(p), ids(c) + [END] * end) for p, c in pairs]


MODEL: Any = Letters()


def row(use: str, prompt: str, chosen: str, rejected: str = "", **data: Any) -> Row:
    return Row(
        {"use": use, "prompt": prompt, "chosen": chosen, "rejected": rejected, **data}, Source("choose")
    )


ROWS = [row("pair", "a", "b", "c"), row("keep", "d", "e"), row("pair", "f", "gg", "h", cut_rejected=True)]


def test_a_pair_is_chosen_before_rejected_and_a_cut_side_has_no_end():
    pairs = [ROWS[0], ROWS[2]]
    both = [(e.prompt, e.completions) for e in encoded(MODEL, pairs, True)]
    assert both == [([1], ([2, END], [3, END])), ([6], ([7, 7, END], [8]))]
    alone = [(e.prompt, e.completions) for e in encoded(MODEL, pairs, False)]
    assert alone == [([1], ([2, END],)), ([6], ([7, 7, END],))]


def test_pairs_are_learned_and_what_is_kept_and_documents_anchor():
    settings = Settings(keep=3.0, documents=0.5, batch=7)
    tasks = tasks_of(MODEL, ROWS, ["abc", "ab", "a"], settings)
    assert [(t.name, t.weight, t.batch) for t in tasks] == [
        ("pairs", 1.0, 7),
        ("keep", 3.0, 7),
        ("documents", 0.5, 7),
    ]
    assert [len(t.examples) for t in tasks] == [2, 1, 1]
    assert tasks[0].objective.keywords == {"beta": 0.1, "sft": 1.0}  # type: ignore[union-attr]
    [kept], [document] = tasks[1].examples, tasks[2].examples
    assert (kept.prompt, kept.completions) == ([4], ([5, END],))
    # a document's first token is its prompt, and one of two tokens is too short to hold anything to
    assert (document.prompt, document.completions) == ([1], ([2, 3],))
    assert [t.objective for t in tasks[1:]] == ["kl_anchor", "kl_anchor"]


def test_imitation_learns_the_chosen_alone_and_weights_of_nought_anchor_nothing():
    [task] = tasks_of(MODEL, ROWS, ["abc"], Settings(objective="sft", keep=0.0, documents=0.0))
    assert task.objective == "sft"
    assert [len(e.completions) for e in task.examples] == [1, 1]
    assert anchors(MODEL, [], [], Settings()) == []


def test_an_objective_that_asks_for_more_than_pairs_is_refused():
    assert objective(Settings(objective="ipo")).__name__ == "ipo"
    for name in ("kto", "kl_anchor", "minillm"):
        with pytest.raises(UserError, match="does not learn from pairs alone"):
            objective(Settings(objective=name))


class Policy:
    """Answers the first prompt with four letters, the second with none."""

    def __init__(self, total: float):
        self.total, self.asked = total, []

    def sample(self, prompts: Sequence[str], n: int, *, max_tokens: int, seed: int) -> list[list[Completion]]:
        self.asked += [n, max_tokens, seed]
        return [[Completion("four" if p == "one" else "")] for p in prompts]

    def logprobs(self, pairs: Sequence[tuple[str, str]]) -> list[Scored]:
        assert list(pairs) == [("one", "four")]  # of an empty answer there is nothing to say
        return [Scored(self.total, (self.total,))]


class Fixed:
    """Gives every answer the same score; of an empty one it says what it is told to."""

    name = "fixed"

    def __init__(self, score: float, empty: float | None):
        self.score, self.empty = score, empty

    def judge(self, groups: Sequence[Any]) -> list[list[Judgement]]:
        return [
            [Judgement(self.score if text else self.empty, self.name)]
            for g in groups
            for text in g.completions
        ]


def test_a_look_is_proxy_second_judge_kl_and_length():
    policy: Any = Policy(-1.5)
    watch = Watch(["one", "two"], Fixed(1.0, 0.5), Fixed(0.25, None), Policy(-4.0))  # type: ignore[arg-type]
    point = look(policy, watch, 7, Settings(seed=3, max_tokens=9))
    assert policy.asked == [1, 9, 4]
    assert point.step == 7
    assert point.proxy[0] == 0.75
    assert point.proxy[1] < 0.75 < point.proxy[2]
    assert point.second[0] == 0.25  # of the one answer that it spoke of
    assert point.kl == 2.5  # -1.5 - -4.0, of one answer
    assert point.length == 2.0  # four letters and none


class Falling:
    """All good at its first two looks, all bad afterwards; a look is a call."""

    name = "falling"

    def __init__(self) -> None:
        self.looks = 0

    def judge(self, groups: Sequence[Any]) -> list[list[Judgement]]:
        self.looks += 1
        return [[Judgement(float(self.looks <= 2), self.name)] for _ in groups]


def test_the_weights_of_the_peak_are_kept(tiny_llama, tmp_path):
    from safetensors.torch import load_file

    policy = LocalModel.load(tiny_llama(template="none"))
    prompts = [f"The ferry {k}" for k in range(20)]  # 20 of 20 and 0 of 20 are far apart
    watch = Watch(prompts, Fixed(0.5, 0.5), Falling(), LocalModel.load(tiny_llama(template="none")))
    texts = [row("keep", text, " leaves at noon") for text in ("The ferry", "A boat")]
    task = Task("pairs", encoded(policy, texts, False), "sft", batch=2)
    seen: list[int] = []
    settings = Settings(steps=5, evaluations=2, lr=0.01, max_tokens=4)
    points = train(
        policy,
        [task],
        watch,
        settings,
        scratch=tmp_path,
        on_step=lambda numbers: seen.append(int(numbers["step"])),
    )
    # 5 steps in two looks: every second, and the last
    assert [p.step for p in points] == [0, 2, 4, 5]
    assert [p.second[0] for p in points] == [1.0, 1.0, 0.0, 0.0]
    assert seen == [1, 2, 3, 4, 5]
    now = {name: p.detach() for name, p in policy.module.named_parameters()}
    assert all(torch.equal(now[k], v) for k, v in load_file(tmp_path / "weights-2.safetensors").items())
    last = load_file(tmp_path / "weights-5.safetensors")
    assert any(not torch.equal(now[k], last[k]) for k in now)
