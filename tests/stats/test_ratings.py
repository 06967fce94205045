"""Ratings, orders and crowds: worked examples, other libraries, planted annotators, coverage by simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from truenorth.base import UserError
from truenorth.stats import Estimate, bradley_terry, dawid_skene, elo, group_bias, ranked_pairs
from truenorth.stats.ties import MODELS

RUNS = 80


def _votes(rng, strength, per_pair, prompts, tie=0.0):
    """Votes among all pairs; each prompt favours one model or another, so that its votes hang together."""
    many = len(strength)
    tilt = rng.normal(0, 0.8, size=(prompts, many))
    a, b, y, prompt = [], [], [], []
    for i, j in itertools.combinations(range(many), 2):
        g = rng.integers(0, prompts, per_pair)
        p = 1 / (1 + np.exp(-(strength[i] - strength[j] + tilt[g, i] - tilt[g, j])))
        won = (rng.random(per_pair) < p).astype(float)
        won[rng.random(per_pair) < tie] = 0.5
        a += [i] * per_pair
        b += [j] * per_pair
        y += won.tolist()
        prompt += g.tolist()
    return np.array(a), np.array(b), np.array(y), np.array(prompt)


def test_thirty_to_ten_is_191_points():
    """400 log10(30 / 10) = 190.85; the all but flat prior takes a tenth of a point."""
    ladder = bradley_terry(["a"] * 40, ["b"] * 40, [1] * 30 + [0] * 10, draws=20)
    assert ladder.gap("b", "a").mean == pytest.approx(190.85, abs=0.3)
    assert ladder.rating_M.mean() == pytest.approx(1000)


def test_ratings_are_those_of_an_unpenalised_logistic_regression():
    a, b, y, _ = _votes(np.random.default_rng(0), np.array([0.0, 0.5, 1.0, -0.3]), 200, 50)
    design = np.zeros((len(y), 4))
    design[np.arange(len(y)), a], design[np.arange(len(y)), b] = 1, -1
    theirs = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(design, y).coef_[0]
    theirs = 1000 + 400 / np.log(10) * (theirs - theirs.mean())
    assert bradley_terry(a, b, y, draws=2).rating_M == pytest.approx(theirs, abs=0.5)


def test_only_ties_make_equal_ratings_and_halves_equal_split_votes():
    ladder = bradley_terry(["a", "b", "c"], ["b", "c", "a"], [0.5, 0.5, 0.5], draws=5)
    assert ladder.rating_M == pytest.approx([1000] * 3)
    tied = bradley_terry(["a"] * 8, ["b"] * 8, [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5], draws=2)
    soft = bradley_terry(["a"] * 8, ["b"] * 8, [5.5 / 8] * 8, draws=2)
    assert tied.rating_M == pytest.approx(soft.rating_M)


@pytest.mark.parametrize("ties", ["davidson", "rao-kupper"])
def test_a_model_of_ties_finds_what_made_them(ties):
    rng, strength, c = np.random.default_rng(3), np.array([0.0, 0.6, 1.2]), 0.7
    a, b, y = [], [], []
    for i, j in itertools.combinations(range(3), 2):
        d = strength[i] - strength[j]
        if ties == "davidson":
            odds = np.exp([d / 2, c, -d / 2])
            p = odds / odds.sum()
        else:
            p = np.array([1 / (1 + np.exp(c - d)), 0, 1 / (1 + np.exp(c + d))])
            p[1] = 1 - p.sum()
        a += [i] * 6000
        b += [j] * 6000
        y += rng.choice([1, 0.5, 0], size=6000, p=p).tolist()
    ladder = bradley_terry(np.array(a), np.array(b), y, ties=ties, draws=2)
    assert ladder.tie == pytest.approx(np.exp(c), rel=0.05)
    assert (ladder.rating_M - ladder.rating_M[0]) * np.log(10) / 400 == pytest.approx(strength, abs=0.08)


@pytest.mark.parametrize("ties", ["half", "davidson", "rao-kupper"])
def test_slopes_are_those_of_the_likelihood(ties):
    """Against differences: every derivative that Newton's method uses."""
    count = np.array([[5.0, 2.0, 1.0], [0.0, 3.0, 4.0]])
    d, c, step = np.array([0.3, -0.8]), 0.4, 1e-5
    model = MODELS[ties]
    at = model(d, c, count)
    for p in range(2):
        up, down = d.copy(), d.copy()
        up[p] += step
        down[p] -= step
        more, less = model(up, c, count), model(down, c, count)
        assert (more.value - less.value) / (2 * step) == pytest.approx(at.d[p], abs=1e-5)
        assert -(more.d[p] - less.d[p]) / (2 * step) == pytest.approx(at.dd[p], abs=1e-5)
        assert -(more.c - less.c) / (2 * step) == pytest.approx(at.dc[p], abs=1e-5)
    more, less = model(d, c + step, count), model(d, c - step, count)
    assert (more.value - less.value) / (2 * step) == pytest.approx(at.c, abs=1e-5)
    assert -(more.c - less.c) / (2 * step) == pytest.approx(at.cc, abs=1e-5)


def test_intervals_by_prompt_cover_and_intervals_by_vote_do_not():
    """Four models, 60 prompts of 15 votes; the truth is what very many prompts would give."""
    strength = np.array([0.0, 0.4, 0.8, 1.0])
    rng = np.random.default_rng(5)
    truth = bradley_terry(*_votes(rng, strength, 100_000, 50_000)[:3], draws=2).rating_M
    pairs = list(itertools.combinations(range(4), 2))
    by_prompt = by_vote = 0
    for seed in range(RUNS):
        a, b, y, prompt = _votes(rng, strength, 150, 60)
        ours = bradley_terry(a, b, y, clusters=prompt, draws=120, seed=seed)
        naive = bradley_terry(a, b, y, draws=40, seed=seed)
        for i, j in pairs:
            for ladder, kind in ((ours, 0), (naive, 1)):
                gap = ladder.gap(ladder.names[i], ladder.names[j])
                held = gap.low <= truth[j] - truth[i] <= gap.high
                by_prompt += held and kind == 0
                by_vote += held and kind == 1
    assert 0.92 <= by_prompt / (RUNS * 6) <= 0.97  # 95 % of 120 draws sits at 94 %
    assert by_vote / (RUNS * 6) < 0.9


def test_models_that_never_met_and_votes_with_oneself_are_refused():
    with pytest.raises(UserError, match="never met"):
        bradley_terry(["a", "c"], ["b", "d"], [1, 0])
    with pytest.raises(ValueError, match="with itself"):
        bradley_terry(["a", "b"], ["b", "b"], [1, 0])
    with pytest.raises(UserError, match="no ties"):
        bradley_terry(["a", "a"], ["b", "b"], [1, 0], ties="davidson")


def test_a_model_that_never_lost_is_far_ahead_and_finite():
    ladder = bradley_terry(["a"] * 20, ["b"] * 20, [1] * 20, draws=20)
    assert 300 < ladder.gap("b", "a").mean < 5000


def test_an_anchor_stands_where_it_is_put_and_gaps_stay():
    a, b, y, _ = _votes(np.random.default_rng(1), np.array([0.0, 0.5, 1.0]), 100, 20)
    free, held = bradley_terry(a, b, y, draws=30), bradley_terry(a, b, y, draws=30, anchors={1: 1200.0})
    assert held.rating_M[1] == 1200
    assert held.draws_BM[:, 1] == pytest.approx(1200)
    assert held.gap(0, 2) == pytest.approx(free.gap(0, 2))
    ranks = {row.name: (row.best, row.worst) for row in free.table()}
    assert all(best <= worst for best, worst in ranks.values())


def test_one_elo_game_between_equals_moves_half_of_k():
    ladder = elo(["a", "a"], ["b", "b"], [1.0, 0.5], k=32, draws=3)
    first = 1016 + 32 * (0.5 - 1 / (1 + 10 ** (-32 / 400)))
    assert ladder.rating_M[0] == pytest.approx(first)
    assert ladder.rating_M.sum() == pytest.approx(2000)


def test_elo_approaches_bradley_terry():
    rng = np.random.default_rng(2)
    a, b, y, prompt = _votes(rng, np.array([0.0, 0.7, 1.2]), 3000, 1000)
    order = rng.permutation(len(y))
    ours = elo(a[order], b[order], y[order], k=4, clusters=prompt[order], draws=30)
    theirs = bradley_terry(a, b, y, draws=2)
    assert ours.rating_M - ours.rating_M.mean() == pytest.approx(theirs.rating_M - 1000, abs=25)
    gap = ours.gap(0, 2)
    assert gap.low < theirs.gap(0, 2).mean < gap.high


BALLOTS = 3 * ["wxzy"] + 2 * ["wyxz"] + 4 * ["xyzw"] + 5 * ["xzwy"] + 1 * ["ywxz"]


def test_ranked_pairs_are_tidemans_worked_example():
    """Net margins: x over z 15, x over y 9, w over y 5, x over w 3, z over w 3, z over y 1; all lock."""
    found = ranked_pairs(BALLOTS)
    assert "".join(found.ranking) == "xzwy"
    assert [(lock.winner, lock.loser, lock.margin) for lock in found.locks[:2]] == [
        ("x", "z", 15),
        ("x", "y", 9),
    ]
    assert all(lock.kept for lock in found.locks)


def test_ranked_pairs_reverse_with_the_ballots_and_ignore_their_order():
    assert ranked_pairs([ballot[::-1] for ballot in BALLOTS]).ranking == list("ywzx")
    assert ranked_pairs(BALLOTS[::-1]).ranking == list("xzwy")


def test_the_weakest_majority_of_a_cycle_gives_way():
    """7 abc, 5 bca, 4 cab: b over c by 8, a over b by 6, and c over a by 2, which closes the cycle."""
    found = ranked_pairs(7 * ["abc"] + 5 * ["bca"] + 4 * ["cab"])
    assert found.ranking == ["a", "b", "c"]
    assert [(lock.winner, lock.loser) for lock in found.locks if not lock.kept] == [("c", "a")]


def _crowd(rng, workers, items=300):
    """Workers label items 0/1 with their own chances (of saying 1 when 0, of saying 1 when 1)."""
    truth = rng.random(items) < 0.4
    rows = [
        (i, w, int(rng.random() < (hit if truth[i] else false)))
        for i in range(items)
        for w, (false, hit) in workers.items()
    ]
    return truth, rows


def test_planted_careless_and_contrary_annotators_are_found():
    good = {f"good{i}": (0.1, 0.9) for i in range(5)}
    workers = good | {"careless": (0.5, 0.5), "always": (0.98, 0.98), "contrary": (0.85, 0.15)}
    truth, rows = _crowd(np.random.default_rng(0), workers)
    crowd = dawid_skene(rows)
    skill = crowd.skill()
    assert min(skill[w] for w in good) > 0.84
    assert 0.4 < skill["careless"] < 0.6
    assert skill["contrary"] < 0.25
    said = crowd.truth()
    assert np.mean([said[i] == truth[i] for i in range(len(truth))]) > 0.97
    one, zero = crowd.labels.index(1), crowd.labels.index(0)
    assert crowd.confusion[crowd.annotators.index("always"), zero, one] > 0.9


def test_the_likelihood_never_falls_and_names_and_order_do_not_matter():
    rng = np.random.default_rng(1)
    _, rows = _crowd(rng, dict.fromkeys("abcd", (0.3, 0.7)), items=80)
    crowd = dawid_skene(rows)
    assert (np.diff(crowd.trace) > -1e-6 * len(rows)).all()
    shuffled = [rows[i] for i in rng.permutation(len(rows))]
    other = dawid_skene([(i, f"w{w}", x) for i, w, x in shuffled])
    assert other.skill()["wa"] == pytest.approx(crowd.skill()["a"], abs=1e-3)


def test_gold_items_keep_a_contrary_majority_from_turning_the_labels_around():
    workers = {"a": (0.9, 0.1), "b": (0.9, 0.1), "c": (0.1, 0.9)}
    truth, rows = _crowd(np.random.default_rng(2), workers)
    fooled = dawid_skene(rows)
    told = dawid_skene(rows, gold={i: int(truth[i]) for i in range(30)})
    assert fooled.skill()["c"] < 0.5 < told.skill()["c"]


def test_a_planted_bias_against_one_groups_items_is_found_and_others_are_not_accused():
    rng, rows, groups = np.random.default_rng(3), [], {}
    for i in range(400):
        groups[i] = "dialect" if i % 2 else "standard"
        for w in range(6):
            false = 0.45 if w == 0 and groups[i] == "dialect" else 0.08
            rows.append((i, w, int(rng.random() < (0.9 if i % 5 == 0 else false))))
    found = {(b.annotator, b.group): b for b in group_bias(rows, dawid_skene(rows), groups, label=1)}
    assert found[0, "dialect"].difference.low > 0.2
    accused = [w for w in range(1, 6) if found[w, "dialect"].difference.low > 0.02]
    assert accused == []
    assert found[0, "dialect"].others.low < 0 < found[0, "dialect"].others.high


def test_words_of_five_people_who_say_the_same_are_worth_those_of_one():
    """Whoever copies adds no evidence: the others' interval is as wide with five copies as with one."""
    rng = np.random.default_rng(5)
    groups = {i: "dialect" if i % 2 else "standard" for i in range(200)}
    truth = {i: int(i % 3 == 0) for i in groups}
    copied = {i: int(truth[i] or rng.random() < 0.2) for i in groups}
    rows = [(i, who, truth[i]) for i in groups for who in ("me", "you", "they", "we", "she", "he", "it")]

    def others(copies: int) -> Estimate:
        words = [*rows, *((i, f"copy {k}", copied[i]) for i in groups for k in range(copies))]
        crowd = dawid_skene(words, gold=truth)
        some = [(i, w, x) for i, w, x in words if w == "me" or str(w).startswith("copy")]
        return next(b for b in group_bias(some, crowd, groups, label=1) if b.annotator == "me").others

    one, five = others(1), others(5)
    assert five.mean == pytest.approx(one.mean)
    assert five.high - five.low == pytest.approx(one.high - one.low, rel=0.02)
