"""Recorded judges and annotators: LLMBar, PandaLM, the human votes of Tulu."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from table_files import lines, need, table

from truenorth.stats import bradley_terry, dawid_skene, kappa, krippendorff, mean, rate


def _percent(text: str) -> float:
    return float(text.rpartition("=")[2].strip().rstrip("%"))


@pytest.fixture(scope="module")
def llmbar(shared: Path):
    """(published row, labels, verdicts in the order given, verdicts with the answers swapped) of each judge."""
    folder = need(shared, "llmbar")
    published = {(r["dataset"], r["evaluator"]): r for r in lines(folder / "published_statistics.jsonl")}
    found = {}
    for path in sorted(folder.glob("judge_*.jsonl.gz")):
        *dataset, judge, method = path.name.removesuffix(".jsonl.gz").removeprefix("judge_").split("__")
        name = "/".join(dataset).replace("LLMEval2", "LLMEval^2"), f"{judge}/{method}"
        if name in published:
            rows = [(row["label"], row["results"][-1]) for row in lines(path)]
            told = [[str(last[f"swap = {side}"]["winner"]) for _, last in rows] for side in (False, True)]
            found[name] = published[name], [str(label) for label, _ in rows], *told
    return found


def test_llmbar_accuracies_and_positional_agreement_are_the_authors(llmbar):
    """Source: princeton-nlp/LLMBar at 900616b, their statistics files; both orders, then their average."""
    assert len(llmbar) >= 30
    for name, (told, label, plain, swapped) in llmbar.items():
        right = [np.mean([v == x for v, x in zip(side, label)]) for side in (plain, swapped)]
        for found, key in zip([*right, np.mean(right)], ("correct_False", "correct_True", "correct_average")):
            assert 100 * found == pytest.approx(_percent(told[key]), abs=1e-6), (name, key)
        equal = rate(sum(a == b for a, b in zip(plain, swapped)), len(label))
        assert 100 * equal.mean == pytest.approx(_percent(told["equal"]), abs=1e-6), name


def test_llmbar_gpt4_numbers_are_those_of_the_paper(llmbar):
    """GPT-4, Vanilla with no rules: Natural 93.5, GPTInst 76.6, Neighbor 64.2."""
    for part, value in (("Natural", 93.5), ("Adversarial/GPTInst", 76.63), ("Adversarial/Neighbor", 64.18)):
        _, label, plain, swapped = llmbar[f"LLMBar/{part}", "GPT-4/Vanilla_NoRules"]
        both = [v == x for side in (plain, swapped) for v, x in zip(side, label)]
        found = mean(np.array(both, dtype=float), clusters=list(range(len(label))) * 2)
        assert 100 * found.mean == pytest.approx(value, abs=0.01)
        assert found.low < found.mean < found.high


def test_llmbar_kappas_are_scikit_learns(llmbar):
    for told, label, plain, _ in llmbar.values():
        ours = kappa(label, plain)
        assert ours.mean == pytest.approx(cohen_kappa_score(label, plain), abs=1e-9)
        assert ours.low <= ours.mean <= ours.high
        assert "kappa_False" in told


@pytest.fixture(scope="module")
def pandalm(shared: Path):
    rows = lines(need(shared, "pandalm_testset") / "pandalm_testset_v1.jsonl.gz")
    people = [[str(row[f"annotator{k}"]) for k in (1, 2, 3)] for row in rows]
    return rows, people, [Counter(three).most_common(1)[0][0] for three in people]


def test_pandalm_accuracies_against_the_majority_of_three(pandalm):
    """777 of the 999 pairs. Published on all 999: GPT-3.5 69.27 %, PandaLM-7B 66.77 %; both lie in our intervals."""
    rows, _, majority = pandalm
    assert len(rows) == 777
    for judge, published, here in (("gpt35_result", 0.6927, 541), ("pandalm7b_result", 0.6677, 527)):
        right = [str(row[judge]).replace("Tie", "0") == m for row, m in zip(rows, majority)]
        found = rate(sum(right), len(right))
        assert found.low < published < found.high
        if judge.startswith("panda"):
            assert sum(right) == here


def test_pandalm_annotators_agree_and_dawid_and_skene_find_them_equally_good(pandalm):
    _, people, majority = pandalm
    alpha = krippendorff(people)
    package = pytest.importorskip("krippendorff")
    theirs = package.alpha(np.array(people, dtype=float).T, level_of_measurement="nominal")
    assert alpha.mean == pytest.approx(theirs)
    assert 0.8 < alpha.low < alpha.mean < alpha.high < 0.9
    assert sum(len(set(three)) == 1 for three in people) == 680
    crowd = dawid_skene([(i, k, label) for i, three in enumerate(people) for k, label in enumerate(three)])
    truth = crowd.truth()
    assert np.mean([truth[i] == m for i, m in enumerate(majority)]) > 0.98
    assert min(crowd.skill().values()) > 0.9


@pytest.fixture(scope="module")
def tulu(shared: Path):
    return table(need(shared, "tulu_human_eval") / "annotations.csv.gz")


def test_tulu_votes_rank_the_models_as_the_paper_does_with_ties_and_prompts_counted(tulu):
    """Wang et al. (2023), figure 5: people prefer ChatGPT to Tulu 65B, and Tulu 65B to the 7B model and to the
    one trained on human data only. 913 of their votes, 291 of them ties."""
    assert len(tulu) == 913
    outcome = [0.5 if r["preference"] == "tie" else float(r["preference"].startswith("a-")) for r in tulu]
    assert outcome.count(0.5) == 291
    votes = [r["model_a"] for r in tulu], [r["model_b"] for r in tulu], outcome
    prompts = [r["instance_id"] for r in tulu]
    for ties in ("half", "davidson", "rao-kupper"):
        ladder = bradley_terry(*votes, clusters=prompts, ties=ties, draws=200)
        order = [row.name for row in ladder.table()]
        assert order[:2] == ["chatgpt", "tulu_65B"]
        assert ladder.gap("tulu_7B", "tulu_65B").low > 0
        assert ladder.gap("tulu_human_only_65B", "tulu_65B").low > 0
