"""The logic of preference losses: readings that count out to the losses, their order, losses from formulas."""

from __future__ import annotations

import itertools
import math
import random

import learn_plain as plain
import pytest
import torch
import torch.nn.functional as F

from truenorth.base import UserError, names
from truenorth.learn import Task, fit
from truenorth.learn.coupling import label, load_objective, needs
from truenorth.learn.logic import Structure, derive, explain, parse, readings
from truenorth.learn.logic.compile import log_odds
from truenorth.learn.logic.formula import shortest
from truenorth.learn.logic.reading import CATALOGUE, compared
from truenorth.learn.types import Logps, Pair

WORLDS = list(itertools.product((False, True), repeat=2))
W, L = {(True, False), (True, True)}, {(False, True), (True, True)}


def pair_of(*nats):
    """Pairs of answers of two tokens, in float64, from (chosen, rejected) totals."""
    sides = [torch.tensor([[x / 2] * 2 for x in side], dtype=torch.float64) for side in zip(*nats)]
    return Pair(*(Logps(side, torch.ones_like(side, dtype=torch.bool)) for side in sides))


NEW = pair_of((-1.0, -4.0), (-0.5, -0.3), (-2.5, -0.2), (-3.0, -3.0))
OLD = pair_of((-2.0, -3.0), (-0.4, -0.6), (-1.5, -0.9), (-3.0, -3.0))


# --- formulas -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "worlds"),
    [
        ("w", W),
        ("~l", {(True, False), (False, False)}),
        ("l -> w", {(True, True), (True, False), (False, False)}),
        ("w & ~l", {(True, False)}),
        ("w ^ l", {(True, False), (False, True)}),
        ("w xor l", {(True, False), (False, True)}),
        ("not w implies l", {(True, False), (True, True), (False, True)}),
        ("w & l | ~w & ~l", {(True, True), (False, False)}),
        ("w -> l -> w", set(WORLDS)),  # to the right: w -> (l -> w)
        ("(w -> l) -> w", W),
        ("w | w ^ w", W),  # ^ binds tighter than |
        ("true", set(WORLDS)),
        ("false", set()),
    ],
)
def test_formulas_mean_what_logic_says(text, worlds):
    assert parse(text).worlds(("w", "l")) == worlds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("w &", "ends too early"),
        ("(w | l", "not closed"),
        ("w l", "'l' is left over"),
        ("w @ l", "cannot read '@ l'"),
        ("-> w", "stands where a name should"),
        ("", "ends too early"),
    ],
)
def test_what_is_not_a_formula_is_refused_with_the_place(text, message):
    with pytest.raises(UserError, match=message):
        parse(text)


def test_the_shortest_formula_is_the_same_formula_for_all_sixteen_of_two_variables():
    for size in range(5):
        for rows in itertools.combinations(WORLDS, size):
            text = shortest(("w", "l"), frozenset(rows))
            assert parse(text).worlds(("w", "l")) == set(rows), text
    three = parse("w & l & rw").worlds(("w", "l", "rw"))
    assert shortest(("w", "l", "rw"), three) is None


# --- preference structures (Richardson et al. 2025) -------------------------------------------------------------


def test_a_structure_marks_worlds_that_win_lose_both_or_neither():
    """(P or P_A) and P_C wins; (not P or P_A) and P_C loses."""
    cpo = Structure.of("l -> w", given="w | l", also="w & l")
    assert (cpo.wins, cpo.loses) == (W, L)
    odds = Structure.of("l -> w", given="w ^ l")
    assert (odds.wins, odds.loses) == ({(True, False)}, {(False, True)})
    plain_core = Structure.of("l -> w")
    assert (len(plain_core.wins), plain_core.loses) == (3, {(False, True)})


def test_a_ratio_and_its_three_formulas_are_the_same_structure():
    for wins in itertools.product((0, 1), repeat=4):
        for loses in itertools.product((0, 1), repeat=4):
            marked = [frozenset(w for w, on in zip(WORLDS, flags) if on) for flags in (wins, loses)]
            structure = Structure(("w", "l"), *marked)
            parts = structure.formulas()
            again = Structure.of(parts["core"], given=parts["given"], also=parts["also"])
            assert structure.lifted(("w", "l")).same(again)


@pytest.mark.parametrize(("variables", "count"), [(("w",), 4**2), (("w", "l"), 4**4)])
def test_n_predictions_allow_four_to_the_two_to_the_n_structures(variables, count):
    """The paper's count: 4^(2^n)."""
    rows = list(itertools.product((False, True), repeat=len(variables)))
    sets = [frozenset(s) for n in range(len(rows) + 1) for s in itertools.combinations(rows, n)]
    assert len({Structure(variables, a, b) for a in sets for b in sets}) == count


def all_structures():
    sets = [frozenset(s) for n in range(5) for s in itertools.combinations(WORLDS, n)]
    return [Structure(("w", "l"), a, b) for a in sets for b in sets if a and b]


def test_what_entails_has_the_higher_loss_whatever_the_probabilities():
    """The paper's law of monotonicity, over random pairs of all structures that can be a loss."""
    draw = random.Random(0)
    structures = all_structures()
    log_p = {v: torch.tensor([math.log(draw.uniform(0.02, 0.98)) for _ in range(50)]).double() for v in "wl"}
    seen = 0
    for a, b in [draw.sample(structures, 2) for _ in range(3000)]:
        if a.entails(b):
            seen += 1
            assert (log_odds(a, log_p) <= log_odds(b, log_p) + 1e-9).all()
    assert seen > 20


def test_entailment_holds_only_where_the_order_holds_everywhere():
    """Its converse, for structures that are neither: some probabilities order them one way, some the other."""
    cpo, odds = Structure.of_ratio("w", "l"), Structure.of_ratio("w & ~l", "l & ~w")
    assert not cpo.entails(odds)
    assert not odds.entails(cpo)
    log_p = {"w": torch.tensor([0.9, 0.1]).log(), "l": torch.tensor([0.1, 0.9]).log()}
    gap = log_odds(odds, log_p) - log_odds(cpo, log_p)
    assert gap[0] > 0 > gap[1]


def test_each_step_is_one_mark_away_and_in_the_order_it_says():
    start = Structure.of("l -> w", given="w ^ l")
    for weaker in (False, True):
        near = list(start.steps(weaker=weaker))
        assert len(near) == 4  # each of four worlds can move one way, by its + or its -
        for other in near:
            assert start.entails(other) if weaker else other.entails(start)
            assert len(start.wins ^ other.wins) + len(start.loses ^ other.loses) == 1


def test_a_structure_over_more_variables_says_nothing_about_the_new_ones():
    assert Structure.of("w").same(Structure.of("w").lifted(("w", "l")))
    assert not Structure.of("w").same(Structure.of("w & l"))


# --- readings: counting the worlds of the declared formula gives the loss itself -----------------------------------


def declared(name):
    found = readings(name)
    return () if isinstance(found, str) else found


READ = [name for name in names(CATALOGUE) if declared(name)]
COLUMN = {"margin": [0.2, 0.0, 0.5, 1.0], "helpful_margin": [0.2, 0.0, 0.5, 1.0]}


def counted(name, settings):
    """The sum over an objective's parts of its `loss` of rho, rho by weighted counting of worlds."""
    columns = {k: torch.tensor(v, dtype=torch.float64) for k, v in COLUMN.items()}
    lengths = {"length_w": NEW.chosen.length, "length_l": NEW.rejected.length}
    means = {"mean_w": NEW.chosen.mean, "mean_l": NEW.rejected.mean}
    functions = {"logsigmoid": F.logsigmoid, "sigmoid": torch.sigmoid, "relu": torch.relu, "exp": torch.exp,
                 "log": math.log}  # fmt: skip
    names_there = {**functions, **columns, **lengths, **means, **settings}
    total = torch.zeros(4, dtype=torch.float64)
    for part in declared(name):
        per_token = part.probabilities == "per token"
        log_p = {"w": NEW.chosen, "l": NEW.rejected, "rw": OLD.chosen, "rl": OLD.rejected}
        log_p = {v: x.mean if per_token else x.total for v, x in log_p.items()}
        if part.margin:  # P(ml) / P(mw) is exp(margin); their common factor does not matter
            handicap = eval(part.margin, dict(names_there))
            log_p["mw"] = torch.full((4,), -30.0, dtype=torch.float64)
            log_p["ml"] = log_p["mw"] + handicap
        total = total + eval(part.loss, names_there | {"rho": log_odds(part.structure, log_p)})
    return total


@pytest.mark.parametrize("name", READ)
def test_a_reading_counts_out_to_the_loss_itself(name):
    objective = load_objective(name)
    need = needs(objective)
    policy = NEW if need.coupling == "pair" else NEW.chosen
    columns = [torch.tensor(COLUMN[c], dtype=torch.float64) for c in need.columns]
    got = objective(policy, *[OLD] * need.reference, *columns)
    torch.testing.assert_close(got, counted(name, need.settings), atol=1e-9, rtol=1e-6)


def test_every_preference_objective_is_read_or_says_why_not():
    for name in names(CATALOGUE):
        objective = load_objective(name)
        said = explain(name)
        assert bool(said.parts) != bool(said.why_not)
        if needs(objective).coupling == "pair" and said.why_not:
            assert "is declared" not in said.why_not, f"{name} has no LOGIC"


@pytest.mark.parametrize(
    ("name", "core", "given", "also"),
    [  # by pencil, from the log-ratio alone; P = implies(bottom, top), P_C = either, P_A = both
        ("sft", "w", "true", "false"),
        ("cpo", "l -> w", "w | l", "w & l"),
        ("orpo", "l -> w", "w ^ l", "false"),
        ("dpo", "(l & rw) -> (w & rl)", "(w & rl) | (l & rw)", "(w & rl) & (l & rw)"),
        ("simpo", "(l & mw) -> (w & ml)", "(w & ml) | (l & mw)", "(w & ml) & (l & mw)"),
    ],
)
def test_known_losses_have_their_known_formulas(name, core, given, also):
    part, _ = explain(name).parts[0]
    assert part.structure.formulas(part.top, part.bottom) == {"core": core, "given": given, "also": also}
    if len(part.structure.variables) > 2:  # the text is a formula of the same structure
        assert Structure.of(core, given=given, also=also).same(part.structure)


def test_neighbours_are_found_among_the_catalogues_losses():
    _, dpo = explain("dpo").parts[0]
    assert {"ipo", "hinge", "cdpo", "robust_dpo", "exo_pair", "ln_dpo"} <= set(dpo.same)
    assert "dpo" not in dpo.same
    _, imitation = explain("sft").parts[0]
    assert {"cpo (part 2)", "orpo (part 2)"} <= set(imitation.same)
    lines = "\n".join(compared(Structure.of("w & ~l")))
    assert "asks for less: cpo (part 2), orpo (part 1), orpo (part 2), sft" in lines.replace(
        "cpo (part 1), ", ""
    )


def test_an_explanation_is_readable_and_an_unknown_name_is_refused():
    said = str(explain("orpo"))
    assert "core   l -> w" in said
    assert "given  w ^ l" in said
    assert "the theory is about pairs" in str(explain("lipo"))
    with pytest.raises(UserError, match="no objective 'orbo'"):
        explain("orbo")


# --- losses from formulas --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "options", "name", "settings"),
    [
        ("l -> w", {"given": "w | l", "also": "w & l", "beta": 0.1}, "cpo", {"sft": 0.0}),
        ("l -> w", {"given": "w ^ l", "per_token": True}, "orpo", {"beta": 1.0, "sft": 0.0}),
        ("l & rw -> w & rl", {"given": "w & rl | l & rw", "also": "w & rl & l & rw", "beta": 0.1}, "dpo", {}),
    ],
)
def test_a_formula_compiles_to_the_loss_that_has_it(formula, options, name, settings):
    derived, known = derive(formula, **options), load_objective(name)
    arguments = [NEW, OLD][: 1 + needs(known).reference]
    assert needs(derived)[:2] == needs(known)[:2]
    torch.testing.assert_close(derived(*arguments), known(*arguments, **settings), atol=1e-9, rtol=1e-6)


def test_the_formula_of_one_answer_is_imitation():
    torch.testing.assert_close(derive("w")(NEW), -NEW.chosen.total)


def test_valid_and_not_valid_is_likelihood_plus_unlikelihood():
    """-log [p_w (1 - p_l)]: winning and losing worlds are all worlds, so the loss is minus a log-probability."""
    p_w, p_l = NEW.chosen.mean.exp(), NEW.rejected.mean.exp()
    torch.testing.assert_close(derive("w & ~l", per_token=True)(NEW), -(p_w.log() + (1 - p_l).log()))


def test_derived_losses_have_gradients_that_are_finite_differences():
    def loss(x):
        mask = torch.ones(2, 2, dtype=torch.bool)
        new = Pair(Logps(x[:2], mask), Logps(x[2:], mask))
        old = Pair(Logps(x[:2].detach() - 0.1, mask), Logps(x[2:].detach() - 0.2, mask))
        return derive("(l & rw) -> (w & rl)", given="w | l")(new, old)

    x = -torch.rand(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.1
    x.requires_grad_()
    mask = torch.ones(2, 2, dtype=torch.bool)
    fixed = Pair(Logps(x[:2].detach() - 0.1, mask), Logps(x[2:].detach() - 0.2, mask))
    objective = derive("(l & rw) -> (w & rl)", given="w | l")
    assert torch.autograd.gradcheck(
        lambda y: objective(Pair(Logps(y[:2], mask), Logps(y[2:], mask)), fixed), (x,), eps=1e-6, atol=1e-7
    )
    assert loss(x).shape == (2,)


@pytest.mark.parametrize("formula", ["w & ~l", "l -> w", "(l & rw) -> (w & rl)"])
def test_a_loss_from_a_formula_trains(formula):
    losses: list[float] = []
    examples = plain.pairs(4)
    task = [Task("t", examples, derive(formula, per_token=True), batch=4)]
    settings = {"steps": 8, "lr": 3e-4, "schedule": "constant", "warmup": 0}
    policy = plain.policy_of(plain.tiny_llama())
    fit(policy, task, **settings, on_step=lambda seen: losses.append(seen["t/loss"]))
    assert losses[-1] < losses[0]


def test_a_checkpoint_tells_two_formulas_apart():
    assert label(derive("w & ~l")) != label(derive("l -> w"))
    assert "core='w & ~l'" in label(derive("w & ~l"))


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("w | ~w", {}, "nothing loses"),
        ("w & ~w", {}, "nothing wins"),
        ("w", {"given": "false"}, "nothing wins"),
        ("w & x", {}, "unknown variables x"),
        ("a & b & c & d & e & f & g", {}, "7 variables"),
    ],
)
def test_formulas_that_cannot_be_losses_are_refused(formula, options, message):
    with pytest.raises(UserError, match=message):
        derive(formula, **options)
