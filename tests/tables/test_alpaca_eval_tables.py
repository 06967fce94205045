"""AlpacaEval 2: the published leaderboard from the recorded preferences of 47 models.

Source: github.com/tatsu-lab/alpaca_eval at cd543a1, results/*/weighted_alpaca_eval_gpt4_turbo/annotations.json
and leaderboards/data_AlpacaEval_2/weighted_alpaca_eval_gpt4_turbo_leaderboard.csv.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import spearmanr
from table_files import need, table

from truenorth.measure.readers import Result, Scored
from truenorth.measure.readers.alpaca_eval import preference
from truenorth.recipes.compare import compare_results
from truenorth.stats import controlled, difficulties, difficulties_given, length_effect, length_feature
from truenorth.stats.estimate import spread

BASELINE = "gpt4_1106_preview"


@pytest.fixture(scope="module")
def alpaca(shared: Path):
    folder = need(shared, "alpaca_eval")
    board = {row[""]: row for row in table(folder / "published_leaderboard.csv")}
    weights = {
        row.pop(""): tuple(float(x) for x in row.values())
        for row in table(folder / "published_length_controlled_weights.csv")
    }
    models = defaultdict(dict)
    for row in table(folder / "gpt4_turbo_preferences.csv.gz"):
        models[row["model"]][int(row["instruction_id"])] = row
    return board, weights, models


def _column(rows, name):
    return [float(rows[i][name]) for i in sorted(rows)]


def _scores(rows):
    return np.array([preference(rows[i]["preference"]) for i in sorted(rows)], dtype=float)


def test_win_rates_and_standard_errors_are_the_published_ones(alpaca):
    board, _, models = alpaca
    assert len(models) == 47
    for name, rows in models.items():
        known = _scores(rows)
        known = known[np.isfinite(known)]
        found = spread(known)
        assert 100 * found.mean == pytest.approx(float(board[name]["win_rate"]), abs=1e-4), name
        assert 100 * found.se == pytest.approx(float(board[name]["standard_error"]), abs=1e-4), name
        assert len(known) == int(board[name]["n_total"])


@pytest.fixture(scope="module")
def whole(alpaca):
    """Models with all 805 instructions: preferences, length features, published length-controlled rates."""
    board, weights, models = alpaca
    names = [m for m, rows in models.items() if len(rows) == 805 and m != BASELINE and m in weights]
    y = {m: _scores(models[m]) for m in names}
    f = {
        m: length_feature(_column(models[m], "len_output_2"), _column(models[m], "len_output_1"))
        for m in names
    }
    return y, f, {m: float(board[m]["length_controlled_winrate"]) for m in names}


def test_length_controlled_win_rates_are_the_published_ones_under_the_published_weights(alpaca, whole):
    """Their instruction difficulties are not in the folder; they follow from the weights and preferences."""
    _, weights, _ = alpaca
    y, f, published = whole
    hard = difficulties_given(y, f, {m: weights[m] for m in y})
    ours = [100 * expit(weights[m][2] + weights[m][1] * hard).mean() for m in y]
    gap = np.abs(np.array(ours) - list(published.values()))
    assert spearmanr(ours, list(published.values())).statistic >= 0.999
    assert np.median(gap) <= 0.2
    assert gap.max() <= 1.0


VERSIONS = {  # in the folder; told to be brief or wordy in the prompt, the model the same
    "gpt-3.5-turbo-1106_concise": "gpt-3.5-turbo-1106",
    "gpt-3.5-turbo-1106_verbose": "gpt-3.5-turbo-1106",
    "alpaca-7b": "alpaca-7b",
    "alpaca-7b_verbose": "alpaca-7b",
}


def _effect_of_length(models, hard_N):
    ids = {m: sorted(models[m]) for m in VERSIONS}
    return length_effect(
        [_scores(models[m]) for m in VERSIONS],
        [
            length_feature(_column(models[m], "len_output_2"), _column(models[m], "len_output_1"))
            for m in VERSIONS
        ],
        [hard_N[ids[m]] for m in VERSIONS],
        list(VERSIONS.values()),
        clusters=[ids[m] for m in VERSIONS],
    )


def test_length_controlled_win_rates_fitted_from_nothing_are_the_published_ones_to_half_a_point(
    alpaca, whole
):
    """Their two gamed baselines are not in the folder: two models told to be brief and wordy take their place.
    Without them, and with difficulties that a model helped to make, the median difference is a whole point."""
    _, _, models = alpaca
    y, f, published = whole
    found = difficulties(y, f)
    effect = _effect_of_length(models, found.hard_N)
    assert -2.7 < effect.low < effect.mean < effect.high < -1.4
    towards = found.shared | {"length": effect.mean}
    ours = [
        100 * controlled(y[m], {"length": f[m]}, difficulty=found.without[m], towards=towards).win_rate.mean
        for m in y
    ]
    gap = np.abs(np.array(ours) - list(published.values()))
    assert spearmanr(ours, list(published.values())).statistic >= 0.99
    assert np.median(gap) <= 0.5
    assert gap.max() <= 3


def test_the_published_controlled_errors_are_the_spread_of_predictions_and_a_fraction_of_ours(alpaca, whole):
    board, _, _ = alpaca
    y, f, _ = whole
    found = difficulties(y, f)
    printed, ours = [], []
    for m in y:
        if board[m]["lc_standard_error"]:
            one = controlled(y[m], {"length": f[m]}, difficulty=found.without[m], towards=found.shared)
            printed.append(100 * one.prediction_se / float(board[m]["lc_standard_error"]))
            ours.append(100 * one.se / float(board[m]["lc_standard_error"]))
    assert len(printed) >= 3
    assert 0.5 < np.median(printed) < 2
    assert np.median(ours) > 1.5


def test_models_compared_by_instruction_differ_as_their_win_rates_do(alpaca):
    board, _, models = alpaca
    names = ["NullModel", "FuseChat-Gemma-2-9B-Instruct"]
    results = [
        Result(m, "", [Scored(str(i), "win rate", preference(r["preference"])) for i, r in models[m].items()])
        for m in names
    ]
    pair = compare_results(results).pairs[0]
    published = [float(board[m]["win_rate"]) for m in names]
    assert 100 * pair.test.difference == pytest.approx(published[1] - published[0], abs=1e-3)
    assert pair.verdict == "worse"
