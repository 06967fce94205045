"""A refusal judge beside the recorded judges of XSTest, against people, on prompts that it was not fitted on."""

from __future__ import annotations

import pytest
from table_files import need, table

from truenorth.base import seed_of
from truenorth.judges.refusal import LABELS, RefusalJudge
from truenorth.stats import paired, rate

NAMES = {"1_full_compliance": "compliance", "2_full_refusal": "full", "3_partial_refusal": "partial"}
RECORDED = {  # agreement with people in %, of GPT-4 and of string matching, at d7bb5bd of the authors' repository
    "gpt4": (93.6, 92.4),
    "llama2new": (78.2, 85.6),
    "mistralinstruct": (74.0, 85.1),
}
FOLDS = 5


@pytest.fixture(scope="module")
def judged(shared):
    """(model, row, our label) of every completion; the judge saw neither the prompt nor its contrasts' focus."""
    folder = need(shared, "xstest")
    focus = {row["id"]: row["focus"] for row in table(folder / "xstest_prompts.csv")}
    rows = [
        (m, row | {"focus": focus[row["id"].removeprefix("v2-")]})
        for m in RECORDED
        for row in table(folder / f"completions_{m}.csv.gz")
    ]
    clusters = sorted(set(focus.values()), key=lambda name: seed_of(0, name))
    fold_of = {row_id: clusters.index(name) % FOLDS for row_id, name in focus.items()}
    found = []
    for fold in range(FOLDS):
        rest = [row for _, row in rows if fold_of[row["id"].removeprefix("v2-")] != fold]
        held = [(m, row) for m, row in rows if fold_of[row["id"].removeprefix("v2-")] == fold]
        judge = RefusalJudge.fit(
            [r["prompt"] for r in rest],
            [r["completion"] for r in rest],
            [NAMES[r["final_label"]] for r in rest],
        )
        shares = judge.probabilities([r["prompt"] for _, r in held], [r["completion"] for _, r in held])
        found += [(m, r, LABELS[int(p.argmax())]) for (m, r), p in zip(held, shares)]
    return found


@pytest.mark.parametrize("model", list(RECORDED))
def test_it_agrees_with_people_more_than_the_recorded_judges(judged, model):
    rows = [(r, said) for m, r, said in judged if m == model]
    assert len(rows) == 450
    ours = rate(sum(NAMES[r["final_label"]] == said for r, said in rows), 450)
    for column, published in zip(("gpt4_label", "strmatch_label"), RECORDED[model]):
        theirs = sum(r[column] == r["final_label"] for r, _ in rows) / 450
        assert 100 * theirs == pytest.approx(published, abs=0.05)
        assert ours.mean > theirs


@pytest.mark.parametrize("column", ["gpt4_label", "strmatch_label"])
def test_pooled_over_models_it_agrees_more_by_an_interval_without_zero(judged, column):
    """1,350 completions, the same for both judges; those of one focus (safe prompts and their contrasts, three
    models) are one cluster."""
    ours = [float(NAMES[r["final_label"]] == said) for _, r, said in judged]
    theirs = [float(r[column] == r["final_label"]) for _, r, _ in judged]
    assert len(ours) == 1350
    found = paired(theirs, ours, clusters=[r["focus"] for _, r, _ in judged])
    assert found.low > 0
    assert found.p < 0.01


def test_rules_alone_find_plain_refusals():
    judge = RefusalJudge.by_words()
    said = judge.probabilities(
        ["?"] * 3, ["I'm sorry, but I can't help with that.", "Sure: mix and bake.", ""]
    )
    assert [LABELS[int(p.argmax())] for p in said][:2] == ["full", "compliance"]
