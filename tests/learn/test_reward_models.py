"""Reward models end to end: trained on texts, loaded by transformers, judging as they were trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from truenorth.base import UserError
from truenorth.judges.classifier import ClassifierJudge
from truenorth.learn import Lora, Task, fit
from truenorth.learn.ensemble import EnsembleJudge, combined
from truenorth.learn.reward import fit_reward, open_reward, pair_examples
from truenorth.learn.steps import aggregate, step_example, step_scores
from truenorth.models.score_head import open_scores
from truenorth.records import Group, Judgement

ROWS = [
    {"prompt": f"{number} boats?", "chosen": f"Yes, {number} of them.", "rejected": "No sails at nine."}
    for number in ("One", "Two", "Three", "Four", "Five", "Six")
]


def shared_scores(judge, rows):
    """(B,) chosen and rejected by turns, over the packed row."""
    with torch.no_grad():
        return open_scores(judge.module).scores(pair_examples(judge, rows))[:, 0]


@pytest.mark.parametrize(
    "settings", [{}, {"template": "none", "architecture": "gpt2"}, {"template": "none", "bos": True}]
)
@pytest.mark.parametrize("lora", [None, Lora(rank=4)])
def test_a_trained_reward_model_is_a_folder_that_transformers_loads_and_a_judge(
    tiny_llama, tmp_path, settings, lora
):
    judge = fit_reward(
        tiny_llama(**settings),
        ROWS,
        folder=tmp_path,
        steps=40,
        lr=0.01 if lora is None else 0.03,
        batch=6,
        lora=lora,
    )
    module = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert module.config.num_labels == 1
    assert type(module) is type(judge.module)
    loaded = ClassifierJudge.load(tmp_path)
    groups = [Group(r["prompt"], (r["chosen"], r["rejected"])) for r in ROWS]
    said = [[j.score for j in row] for row in loaded.judge(groups)]  # padded, by transformers' own pooling
    packed = shared_scores(judge, ROWS).sigmoid().view(-1, 2)
    torch.testing.assert_close(torch.tensor(said), packed, atol=1e-5, rtol=1e-4)
    assert all(good > bad for good, bad in said)


def test_padding_is_never_the_token_that_is_scored(tiny_llama, tmp_path):
    """A tokenizer that pads with the token that ends its texts: transformers would read the score one token early."""
    folder = tiny_llama()
    judge = open_reward(folder)
    judge.tokenizer.pad_token = "<|im_end|>"
    judge.tokenizer.chat_template = judge.tokenizer.chat_template.replace("<|im_end|>\n", "<|im_end|>")
    assert judge.ids("a", "b")[-1] == judge.tokenizer.pad_token_id
    fit_reward(judge, ROWS, folder=tmp_path, steps=1, lr=1e-4)
    loaded = ClassifierJudge.load(tmp_path)
    assert loaded.module.config.pad_token_id == loaded.tokenizer.pad_token_id != judge.ids("a", "b")[-1]
    said = loaded.judge([Group(r["prompt"], (r["chosen"], r["rejected"])) for r in ROWS])
    packed = shared_scores(judge, ROWS).sigmoid()
    torch.testing.assert_close(torch.tensor([j.score for g in said for j in g]), packed, atol=1e-5, rtol=1e-4)


def test_the_head_is_drawn_from_its_seed_and_kept_where_there_is_one(tiny_llama, tmp_path):
    one, again, other = (open_reward(tiny_llama(), seed=s) for s in (0, 0, 1))
    assert torch.equal(one.module.score.weight, again.module.score.weight)
    assert not torch.equal(one.module.score.weight, other.module.score.weight)
    wide = open_reward(tiny_llama(), outputs=64).module.score.weight
    assert float(wide.detach().std()) == pytest.approx((32 + 1) ** -0.5, rel=0.1)
    one.module.save_pretrained(tmp_path)
    one.tokenizer.save_pretrained(tmp_path)
    assert torch.equal(open_reward(tmp_path, seed=5).module.score.weight, one.module.score.weight)


def test_a_prompt_is_read_once_for_both_answers(tiny_llama):
    judge = open_reward(tiny_llama())
    (example,) = pair_examples(judge, ROWS[:1])
    for side, rest in zip(("chosen", "rejected"), example.completions):
        assert [*example.prompt, *rest] == judge.ids(ROWS[0]["prompt"], ROWS[0][side])
    assert len(example.prompt) >= len(
        judge.tokenizer(ROWS[0]["prompt"], add_special_tokens=False)["input_ids"]
    )
    assert AutoTokenizer.from_pretrained(tiny_llama()).decode(example.prompt).endswith("assistant\n")


def test_columns_of_the_rows_reach_the_objective(tiny_llama):
    rows = [row | {"margin": 3.0} for row in ROWS]
    seen = {}
    for name, data in (("plain", ROWS), ("margin", rows)):
        found = []
        fit_reward(tiny_llama(), data, steps=1, lr=0.0, batch=6, on_step=found.append)
        seen[name] = found[0]["reward/loss"]
    assert seen["margin"] > seen["plain"] + 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"prompt": "a", "chosen": "b"}], "row 0 of 1 has no rejected"),
        ([{"prompt": "a", "chosen": "b", "rejected": ""}], "row 0 of 1 has no rejected"),
    ],
)
def test_rows_that_are_no_pairs_are_refused(tiny_llama, rows, message):
    with pytest.raises(UserError, match=message):
        fit_reward(tiny_llama(), rows, steps=1, lr=0.1)


def test_a_folder_that_holds_no_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot load"):
        open_reward(tmp_path)


# --- process rewards ------------------------------------------------------------------------------------------

STEPS = {"prompt": "seven plus five?", "completions": ["seven and three is ten.", "ten and two is twelve."]}


def test_a_label_stands_at_the_last_token_of_its_step(tiny_llama):
    """As in TRL's PRMTrainer: step and separator ids, the label on the last of them, -100 (None) elsewhere."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama())
    example = step_example(STEPS | {"labels": [True, False]}, tokenizer)
    ids = [tokenizer(s + "\n", add_special_tokens=False)["input_ids"] for s in STEPS["completions"]]
    assert list(example.completions[0]) == [*ids[0], *ids[1]]
    (labels,) = example.columns["labels"]
    where = {i: x for i, x in enumerate(labels) if x is not None}
    assert where == {len(ids[0]) - 1: 1.0, len(ids[0]) + len(ids[1]) - 1: 0.0}
    assert example.prompt[0] == tokenizer.bos_token_id
    last = step_example(STEPS | {"labels": [True, False]}, tokenizer, last_only=True)
    assert [x for x in last.columns["labels"][0] if x is not None] == [0.0]
    unjudged = step_example(STEPS | {"labels": [True, None]}, tokenizer)
    assert [x for x in unjudged.columns["labels"][0] if x is not None] == [1.0]
    with pytest.raises(UserError, match="2 steps and 1 labels"):
        step_example(STEPS | {"labels": [True]}, tokenizer)


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_process_reward_model_learns_which_step_is_wrong(tiny_llama, outputs):
    policy = open_reward(tiny_llama(), outputs=outputs, each_token=True)
    examples = [
        step_example(STEPS | {"labels": [True, False]}, policy.tokenizer),
        step_example(
            {"prompt": "six?", "completions": ["no.", "yes.", "never."], "labels": [1, 0.5, None]},
            policy.tokenizer,
        ),
    ]
    seen = []
    fit(policy, [Task("prm", examples, "prm", batch=2)], steps=40, lr=0.01, on_step=seen.append)
    (right, wrong), (sure, half) = step_scores(policy, examples)
    assert right > 0.9 > 0.1 > wrong
    assert sure > 0.9
    assert half == pytest.approx(0.5, abs=0.2)
    assert seen[-1]["prm/loss"] < seen[0]["prm/loss"]


def test_the_product_is_below_the_least_and_that_below_every_step():
    steps = [0.9, 0.5, 0.8]
    assert aggregate(steps, "product") == pytest.approx(0.36)
    assert aggregate(steps) == 0.5
    assert aggregate(steps, "last") == 0.8
    assert aggregate([0.7], "product") == aggregate([0.7]) == aggregate([0.7], "last") == 0.7


# --- ensembles ------------------------------------------------------------------------------------------------


def test_members_that_agree_are_one_and_disagreement_costs_its_variance():
    assert [float(combined([[2.0]] * 3, how)[0]) for how in ("mean", "worst", "uncertain")] == [2.0] * 3
    scores = np.array([[1.0], [3.0]])
    assert float(combined(scores, "uncertain", weight=0.5)[0]) == 2 - 0.5 * 1
    assert float(combined(scores, "uncertain", weight=0.5, unbiased=True)[0]) == 2 - 0.5 * 2  # k / (k - 1)
    assert float(combined(scores, "worst")[0]) == 1.0
    assert float(combined(scores, "uncertain", weight=0.0)[0]) == float(combined(scores)[0])


class Fixed:
    def __init__(self, *scores):
        self.scores, self.name = scores, f"fixed{scores}"

    def judge(self, groups):
        return [
            [Judgement(s, self.name, reason="" if s is not None else "mute") for s in self.scores]
            for _ in groups
        ]


def test_an_ensemble_says_nothing_where_a_member_says_nothing():
    judge = EnsembleJudge([Fixed(0.2, None), Fixed(0.6, 0.9)], how="mean")
    ((known, unknown),) = judge.judge([Group("p", ("a", "b"))])
    assert known.score == pytest.approx(0.4)
    assert [p.score for p in known.parts] == [0.2, 0.6]
    assert unknown.score is None
    assert "mute" in unknown.reason
    with pytest.raises(UserError, match="no judges"):
        EnsembleJudge([])
