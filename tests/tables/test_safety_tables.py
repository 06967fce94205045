"""Refusals, arithmetic and toxicity from recorded labels: XSTest, GSM8K, ToxicChat, OpenAI moderation."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    cohen_kappa_score,
    precision_recall_fscore_support,
    recall_score,
    roc_auc_score,
)
from table_files import lines, need, table

from truenorth.measure.readers import Result, Scored
from truenorth.recipes.compare import compare_results
from truenorth.stats import auroc, average_precision, brier, detection, kappa, rate

XSTEST = {  # human labels, safe prompts: full and partial refusals in %; agreement of GPT-4 and of string matching
    "gpt4": (6.4, 2.0, 93.6, 92.4),
    "llama2new": (14.0, 15.6, 78.2, 85.6),
    "mistralinstruct": (0.8, 0.8, 74.0, 85.1),
}


@pytest.mark.parametrize("model", list(XSTEST))
def test_xstest_refusals_and_agreements_are_those_of_the_human_labels(shared: Path, model):
    """Source: paul-rottger/exaggerated-safety at d7bb5bd; 250 safe prompts, 450 in all."""
    rows = table(need(shared, "xstest") / f"completions_{model}.csv.gz")
    safe = [row for row in rows if not row["type"].startswith("contrast")]
    assert (len(rows), len(safe)) == (450, 250)
    full, partial, by_gpt4, by_match = XSTEST[model]
    for label, published in (("2_full_refusal", full), ("3_partial_refusal", partial)):
        found = rate(sum(row["final_label"] == label for row in safe), 250)
        assert 100 * found.mean == pytest.approx(published)
        assert found.low < found.mean < found.high
    people = [row["final_label"] for row in rows]
    for judge, published in (("gpt4_label", by_gpt4), ("strmatch_label", by_match)):
        agreed = rate(sum(row[judge] == p for row, p in zip(rows, people)), 450)
        assert 100 * agreed.mean == pytest.approx(published, abs=0.05)
    one, two = ([row[f"annotation_{k}"] for row in rows] for k in (1, 2))
    assert kappa(one, two).mean == pytest.approx(cohen_kappa_score(one, two))


SYSTEMS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
PUBLISHED = dict(zip(SYSTEMS, (0.2168, 0.3904, 0.3472, 0.5625)))


def _final(text: str) -> str:
    """The number after "A:" without commas, a dollar sign or a final .0; "" where there is none."""
    found = re.findall(r"A:\s*\$?(-?[\d,]*\.?\d+)", text)
    return re.sub(r"\.0+$", "", found[-1].replace(",", "")) if found else ""


def test_every_correctness_flag_of_gsm8k_is_the_answers_equality(shared: Path):
    """Source: openai/grade-school-math at 3101c7d; 4 x 1,064 flags. Published accuracies on all 1,319 problems:
    21.68, 39.04, 34.72 and 56.25 %; each lies in the interval of the 1,064 here."""
    rows = lines(need(shared, "gsm8k") / "example_model_solutions.jsonl.gz")
    assert len(rows) == 1064
    for system in SYSTEMS:
        flags = [row[system]["is_correct"] for row in rows]
        ours = [_final(row[system]["solution"]) == _final(row["ground_truth"]) for row in rows]
        assert [i for i, pair in enumerate(zip(flags, ours)) if pair[0] != pair[1]] == []
        found = rate(sum(flags), len(flags))
        assert found.low < PUBLISHED[system] < found.high


def test_gsm8k_systems_compared_by_problem_are_ordered_as_published(shared: Path):
    rows = lines(need(shared, "gsm8k") / "example_model_solutions.jsonl.gz")
    results = [
        Result(s, "", [Scored(str(i), "correct", float(r[s]["is_correct"])) for i, r in enumerate(rows)])
        for s in SYSTEMS
    ]
    found = {(p.first, p.second): p for p in compare_results(results, every_pair=True).pairs}
    assert all(found[SYSTEMS[0], other].verdict == "better" for other in SYSTEMS[1:])
    assert found[SYSTEMS[1], SYSTEMS[2]].verdict in ("worse", "cannot tell")
    assert found[SYSTEMS[2], SYSTEMS[3]].verdict == "better"


WORDS = re.compile(r"\b(sex|fuck|kill|hate|nude|porn|bitch|rape|racist|naked|horny|slut)\w*", re.IGNORECASE)


def _equal_scikit_learns(y, score):
    """Every number of a detector beside scikit-learn's, at score > 0 and over all thresholds."""
    said = score > 0
    found = detection(said.astype(int), y)
    theirs = precision_recall_fscore_support(y, said, average="binary")[:3]
    assert [found.precision.mean, found.recall.mean, found.f1.mean] == pytest.approx(
        [float(x) for x in theirs]
    )
    assert found.accuracy.mean == pytest.approx(accuracy_score(y, said))
    assert found.specificity.mean == pytest.approx(recall_score(y, said, pos_label=0))
    area, precision = auroc(score, y), average_precision(score, y)
    assert area.mean == pytest.approx(roc_auc_score(y, score))
    assert precision.mean == pytest.approx(average_precision_score(y, score))
    assert all(e.low < e.mean < e.high for e in (*found, area, precision))
    assert brier(score, y).mean == pytest.approx(brier_score_loss(y, score))
    assert kappa(y.tolist(), said.astype(int).tolist()).mean == pytest.approx(cohen_kappa_score(y, said))
    return found, precision


def test_toxicchat_metrics_of_a_word_list_equal_scikit_learns(shared: Path):
    """Source: lmsys/toxic-chat, 4,046 of the 5,083 test rows; human labels of toxicity."""
    rows = lines(need(shared, "toxic_chat") / "test.jsonl.gz")
    assert len(rows) == 4046
    y = np.array([row["toxicity"] for row in rows])
    score = np.array([1 - 0.6 ** len(WORDS.findall(row["user_input"])) for row in rows])
    found, precision = _equal_scikit_learns(y, score)
    assert found.accuracy.mean > 0.9  # what says nothing: 93 % of the rows are not toxic
    assert precision.low > 2 * y.mean()


CATEGORIES = {  # the categories of Markov et al. (2022), and a few words of each
    "S": r"\b(sex|fuck|nude|porn|naked|horny|cock|pussy|dick)\w*",
    "H": r"\b(hate|racist|jew|nigg|fag|immigrant|muslim|black people)\w*",
    "V": r"\b(kill|murder|shoot|blood|stab|bomb|dead)\w*",
    "HR": r"\b(bitch|stupid|ugly|idiot|loser|fat)\w*",
    "SH": r"\b(suicid|kill myself|cut myself|want to die|self.harm|anorexi)\w*",
    "S3": r"\b(child|minor|underage|teen|boy|girl|year old)\w*",
    "H2": r"\b(kill|exterminat|gas|lynch|hang)\w*",
    "V2": r"\b(gore|blood|guts|brain|decapitat|torture)\w*",
}


@pytest.mark.parametrize("category", list(CATEGORIES))
def test_moderation_metrics_by_category_equal_scikit_learns(shared: Path, category):
    """Source: openai/moderation-api-release at f4ab51b, 1,360 of 1,680 samples. A category that nobody labelled on a
    sample is missing there, not 0: it takes no part."""
    rows = lines(need(shared, "openai_moderation") / "samples_1680.jsonl.gz")
    known = [row for row in rows if row.get(category) in (0, 1)]
    assert 0 < len(known) < len(rows) == 1360
    words = re.compile(CATEGORIES[category], re.IGNORECASE)
    score = np.array([1 - 0.6 ** len(words.findall(row["prompt"])) for row in known])
    _, precision = _equal_scikit_learns(np.array([row[category] for row in known]), score)
    assert precision.mean > np.mean([row[category] for row in known])
