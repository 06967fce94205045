"""Repairs and probes of alignment beside their papers in plain loops, their limits, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from edit_models import loaded, models, save, weights
from safetensors.numpy import save_file

from truenorth.base import UserError, names
from truenorth.edit.method import method
from truenorth.edit.safety import edit, edit_model, plan_edit
from truenorth.edit.safety._adapters import safe_lora_adapter
from truenorth.edit.safety._edit import PACKAGE, ROLES
from truenorth.edit.safety._top import top
from truenorth.edit.safety.low_bit import low_bit, row_bits
from truenorth.edit.safety.restore import cut_of
from truenorth.edit.safety.rounded import rounded

SEEDS = {"model": 1, "aligned": 2, "unaligned": 3, "base": 0, "enhanced": 4, "relaxed": 5}
QUERY = "model.layers.1.self_attn.q_proj.weight"
DOWN = "model.layers.0.mlp.down_proj.weight"


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    """A folder for every role."""
    return {role: str(save(tmp_path / role, weights(seed))) for role, seed in SEEDS.items()}


def random_like(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {n: rng.standard_normal(w.shape).astype(np.float32) for n, w in weights(0).items()}


def stored(folder: Path, name: str, tensors: dict[str, np.ndarray]) -> Path:
    save_file(tensors, folder / f"{name}.safetensors")
    return folder / f"{name}.safetensors"


def grams(seed: int, features: int = 20) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    found = {}
    for n, w in weights(0).items():
        if w.ndim == 2:
            x = rng.standard_normal((features, w.shape[1])).astype(np.float32)
            found[n] = x.T @ x
    return found


def made(name: str, given: dict[str, str], out: Path, *, roles: tuple[str, ...] = (), files=None, **settings):
    found = edit(name).roles.roles
    only = settings.pop("only", "")
    plan = plan_edit(
        name, {r: given[r] for r in (*found, *roles)}, settings=settings, statistics=files, only=only
    )
    return loaded(edit_model(plan, out, threads=2))


def same(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> None:
    assert set(one) == set(two)
    for name, tensor in one.items():
        np.testing.assert_array_equal(tensor.view(np.uint32), two[name].view(np.uint32), err_msg=name)


def test_every_edit_names_its_roles_source_and_settings():
    for name in names(PACKAGE):
        found = edit(name)
        assert set(found.roles.roles + found.roles.optional) <= set(ROLES), name
        assert found.roles.roles[0] == "model", name
        assert "Source:" in (found.method.call.__doc__ or ""), name
        assert found.about.endswith("."), name
        assert method(f"{PACKAGE}.{name}:{name}").base == "none", name


# What each edit returns the model with, bit for bit: (settings, statistics).
NOTHING = {
    "resta": {"gamma": 0},
    "resta_d": {"gamma": 0, "density": 1},
    "safe_lora": {"threshold": -1},
    "safe_patching": {"top": 0, "over_top": 0},
    "restore": {"rate": 0},
    "critical_weights": {"top": 0},
    "critical_neurons": {"share": 0},
    "actsvd": {"safety_share": 0},
}


@pytest.mark.parametrize("name", NOTHING)
def test_an_edit_of_nothing_returns_the_model_bit_for_bit(name: str, given, tmp_path: Path):
    changed = weights(1)
    changed[QUERY][0, :3] = [-0.0, 0.0, 1e-40]
    save(Path(given["model"]), changed)
    wanted = edit(name).method.statistics
    files = {key: stored(tmp_path, key, grams(9) if name == "actsvd" else random_like(9)) for key in wanted}
    if name == "critical_neurons":
        files = {"neurons": stored(tmp_path, "neurons", {DOWN: np.ones(7, np.float32)})}
    same(made(name, given, tmp_path / "out", files=files, **NOTHING[name]), changed)


def test_resta_adds_the_safety_vector_that_was_lost(given, tmp_path: Path):
    """3 + 0.5 * (5 - 1) = 5."""
    out = made("resta", given, tmp_path / "out", gamma=0.5)
    a, b, c = weights(1), weights(2), weights(3)
    for name, tensor in out.items():
        np.testing.assert_allclose(tensor, a[name] + 0.5 * (b[name] - c[name]), atol=1e-6)
    given["model"] = given["unaligned"]
    for name, tensor in made("resta", given, tmp_path / "whole", gamma=1).items():
        np.testing.assert_allclose(tensor, b[name], atol=1e-6)


def test_resta_with_dare_keeps_the_expected_change(given, tmp_path: Path):
    big = {n: np.ones((40, 50), np.float32) for n in weights(0)}
    zero = {n: np.zeros((40, 50), np.float32) for n in weights(0)}
    for role, tensors in (("model", big), ("aligned", zero), ("unaligned", zero)):
        save(Path(given[role]), tensors)
    out = made("resta_d", given, tmp_path / "out", density=0.25)
    values = np.concatenate([tensor.reshape(-1) for tensor in out.values()])
    assert set(values.tolist()) == {0.0, 4.0}
    assert abs(values.mean() - 1) < 0.05


def span(change: np.ndarray) -> np.ndarray:
    """The projection onto the columns of a matrix, as V (V^T V)^+ V^T."""
    v = change.astype(np.float64)
    return v @ np.linalg.pinv(v.T @ v) @ v.T


def test_safe_lora_projects_each_update_onto_what_alignment_changed(given, tmp_path: Path):
    aligned, model = weights(2), weights(1)
    base = {
        n: a - (np.outer(np.arange(1, len(a) + 1), np.ones(a.shape[1])) if a.ndim == 2 else 0)
        for n, a in aligned.items()
    }
    base = {n: b.astype(np.float32) for n, b in base.items()}
    base[DOWN] = aligned[DOWN]  # alignment changed nothing here, so nothing is projected
    save(Path(given["base"]), base)
    out = made("safe_lora", given, tmp_path / "out", threshold=1)
    for name, tensor in out.items():
        if tensor.ndim == 1 or "embed" in name or name == DOWN:
            np.testing.assert_array_equal(tensor, model[name])
            continue
        wanted = aligned[name] + span(aligned[name] - base[name]) @ (model[name] - aligned[name])
        np.testing.assert_allclose(tensor, wanted, atol=1e-4)


def test_projecting_onto_the_full_space_changes_nothing(given, tmp_path: Path):
    out = made("safe_lora", given, tmp_path / "out", threshold=2, energy=1.0, only="q_proj")
    for name, tensor in out.items():
        np.testing.assert_allclose(tensor, weights(1)[name], atol=1e-5)


def test_safe_lora_by_number_takes_the_updates_that_leave_the_subspace_most(given, tmp_path: Path):
    cosines = {}
    for name, aligned in weights(2).items():
        if aligned.ndim == 2 and "embed" not in name:
            v, update = aligned - weights(0)[name], weights(1)[name] - aligned
            inside = v @ v.T @ update / np.linalg.norm(v)
            cosines[name] = np.sum(inside * update) / np.linalg.norm(inside) / np.linalg.norm(update)
    out = made("safe_lora", given, tmp_path / "out", layers=4, projector="published")
    changed = {name for name, tensor in out.items() if not np.array_equal(tensor, weights(1)[name])}
    assert changed == set(sorted(cosines, key=cosines.get)[:4])
    for name in changed:
        v, aligned = weights(2)[name] - weights(0)[name], weights(2)[name]
        wanted = aligned + v @ v.T @ (weights(1)[name] - aligned) / np.linalg.norm(v)
        np.testing.assert_allclose(out[name], wanted, atol=1e-5)


def test_a_mask_of_ones_fuses_as_task_arithmetic_does_and_one_of_zeros_gives_the_aligned_model(
    given, tmp_path
):
    ones = stored(tmp_path, "ones", {n: np.ones_like(w) for n, w in weights(0).items()})
    zeros = stored(tmp_path, "zeros", {n: -np.ones_like(w) for n, w in weights(0).items()})
    both = {"model": [given["model"], given["enhanced"]], "aligned": given["aligned"]}
    plan = plan_edit("somf", both, settings={"weight": 0.3}, statistics={"mask": ones})
    for name, tensor in loaded(edit_model(plan, tmp_path / "out")).items():
        a, b, c = (weights(i)[name] for i in (1, 4, 2))
        np.testing.assert_allclose(tensor, c + 0.3 * ((a - c) + (b - c)), atol=1e-6)
    plan = plan_edit("somf", both, statistics={"mask": zeros})
    same(loaded(edit_model(plan, tmp_path / "none")), weights(2))


def test_a_mask_is_made_up_for_by_its_share(given, tmp_path: Path):
    """Half of 4 entries kept: each kept change counts twice; a cap of 1 does not rescale."""
    z = {
        n: np.where(np.arange(w.size).reshape(w.shape) % 2, 1, -1).astype(np.float32)
        for n, w in weights(0).items()
    }
    files = {"mask": stored(tmp_path, "z", z)}
    for cap, factor in ((10, 2), (1, 1)):
        out = made("somf", given, tmp_path / f"out{cap}", files=files, weight=1, rescale=cap, only="q_proj")
        keep = z[QUERY] > 0
        wanted = weights(2)[QUERY] + factor * keep * (weights(1)[QUERY] - weights(2)[QUERY])
        np.testing.assert_allclose(out[QUERY], wanted, atol=1e-5)


def best(scores: np.ndarray, share: float) -> set[int]:
    order = sorted(range(scores.size), key=lambda i: (-scores.reshape(-1)[i], i))
    return set(order[: int(share * scores.size)])


def test_patches_go_only_where_the_other_has_no_claim(given, tmp_path: Path):
    scores = {
        key: {n: abs(t) for n, t in random_like(s).items()} for key, s in (("safety", 8), ("over_safety", 9))
    }
    files = {key: stored(tmp_path, key, tensors) for key, tensors in scores.items()}
    how = {"density": 1.0, "top": 0.5, "over_top": 0.3, "weight": 1.0, "over_weight": 0.2}
    out = made("safe_patching", given, tmp_path / "out", files=files, **how)
    name = DOWN
    a, b = best(scores["safety"][name], 0.5), best(scores["over_safety"][name], 0.3)
    flat = [weights(i)[name].reshape(-1) for i in (1, 4, 5)]
    wanted = [
        m + (e - m if i in a - b else 0) + (0.2 * (r - m) if i in b - a else 0)
        for i, (m, e, r) in enumerate(zip(*flat))
    ]
    np.testing.assert_allclose(out[name].reshape(-1), wanted, atol=1e-6)
    whole = made("safe_patching", given, tmp_path / "whole", files=files, density=1.0, top=1, over_top=0)
    for name, tensor in whole.items():  # every safety entry, none against over-refusal: plain task arithmetic
        np.testing.assert_allclose(tensor, weights(4)[name], atol=1e-6)


@pytest.mark.parametrize("rate", [0.05, 0.3, 1.0])
def test_restoring_takes_the_steepest_entries_that_lead_back(rate: float, given, tmp_path: Path):
    g = random_like(3)
    out = made("restore", given, tmp_path / "out", files={"gradient": stored(tmp_path, "g", g)}, rate=rate)
    reach = [n for n, w in weights(0).items() if w.ndim == 2 and ".layers." in n]
    entries = []
    for name in reach:
        model, aligned = weights(1)[name].reshape(-1), weights(2)[name].reshape(-1)
        for i, slope in enumerate(g[name].reshape(-1)):
            if (model[i] - aligned[i]) * slope > 0:
                entries.append((abs(slope), name, i))
    count = int(np.ceil(rate * sum(weights(0)[n].size for n in reach)))
    chosen = {(n, i) for _, n, i in sorted(entries, reverse=True)[:count]}
    for name, tensor in out.items():
        model, aligned = weights(1)[name].reshape(-1), weights(2)[name].reshape(-1)
        wanted = [aligned[i] if (name, i) in chosen else model[i] for i in range(tensor.size)]
        np.testing.assert_array_equal(tensor.reshape(-1), wanted)


def test_restoring_everything_returns_the_aligned_model(given, tmp_path: Path):
    g = {n: w - weights(2)[n] for n, w in weights(1).items()}
    files = {"gradient": stored(tmp_path, "g", g)}
    same(made("restore", given, tmp_path / "out", files=files, rate=1, only="."), weights(2))


def test_the_cut_leaves_at_most_so_many_above_it_and_ties_stay_out():
    rng = np.random.default_rng(0)
    for values in (rng.random(1000), rng.integers(0, 9, 1000), np.array([0.0, 1e-45, 1e-30, 3e38, 5.0])):
        data = values.astype(np.float32)
        for count in (1, 3, len(data) // 2, len(data)):
            kept = int((data > cut_of(lambda data=data: iter(np.array_split(data, 3)), count)).sum())
            at_most = [k for v in (-1, *np.unique(data)) if (k := int((data > v).sum())) <= count]
            assert kept == max(at_most)


def test_critical_weights_are_the_set_difference(given, tmp_path: Path):
    """Scores 9 8 7 ... by place; safety's top half without utility's top quarter."""
    scores = {
        key: {n: abs(t) for n, t in random_like(s).items()} for key, s in (("safety", 8), ("utility", 9))
    }
    files = {key: stored(tmp_path, key, tensors) for key, tensors in scores.items()}
    how = {"top": 0.5, "utility_top": 0.25}
    zeroed = made("critical_weights", given, tmp_path / "zeroed", files=files, **how)
    patched = made("critical_weights", given, tmp_path / "patched", files=files, roles=("aligned",), **how)
    for name, tensor in zeroed.items():
        both = best(scores["safety"][name], 0.5) - best(scores["utility"][name], 0.25)
        both = both if tensor.ndim == 2 and ".layers." in name else set()
        places = np.array([i in both for i in range(tensor.size)]).reshape(tensor.shape)
        np.testing.assert_array_equal(tensor, np.where(places, 0, weights(1)[name]))
        np.testing.assert_array_equal(patched[name], np.where(places, weights(2)[name], weights(1)[name]))


def test_within_rows_each_output_gives_as_many():
    found = top(np.arange(12.0).reshape(3, 4), 0.5, within="rows")
    assert found.sum(1).tolist() == [2, 2, 2]
    assert top(np.arange(12.0).reshape(3, 4), 0.5).sum(1).tolist() == [0, 2, 4]
    assert top(np.ones(10), 0.29 * 100 / 10 / 10).tolist() == [True] * 2 + [False] * 8


def test_a_critical_neuron_writes_nothing_any_more(given, tmp_path: Path):
    score = np.array([0, 5, 1, 9, 2, 3, 4], np.float32)
    files = {"neurons": stored(tmp_path, "n", {DOWN: score})}
    out = made("critical_neurons", given, tmp_path / "out", files=files, share=2 / 7)
    wanted = weights(1)[DOWN].copy()
    wanted[:, [1, 3]] = 0
    np.testing.assert_array_equal(out[DOWN], wanted)
    other = "model.layers.1.mlp.down_proj.weight"  # no scores, so it stays
    np.testing.assert_array_equal(out[other], weights(1)[other])


def test_a_critical_neuron_is_given_back_whole_where_scores_name_what_it_reads_by(given, tmp_path: Path):
    """Neurons 1 and 3: their columns of the output matrix, and their rows of the matrices they read by."""
    score, gate = np.array([0, 5, 1, 9, 2, 3, 4], np.float32), DOWN.replace("down", "gate")
    files = {"neurons": stored(tmp_path, "n", {DOWN: score, gate: score})}
    out = made("critical_neurons", given, tmp_path / "out", roles=("aligned",), files=files, share=2 / 7)
    now, then = weights(1), weights(2)
    for name, at in ((DOWN, (slice(None), [1, 3])), (gate, ([1, 3],))):
        wanted = now[name].copy()
        wanted[at] = then[name][at]
        np.testing.assert_array_equal(out[name], wanted)


def test_actsvd_removes_what_safety_uses_and_utility_does_not(given, tmp_path: Path):
    one, two = grams(1), grams(2)
    files = {"safety": stored(tmp_path, "s", one), "utility": stored(tmp_path, "u", two)}
    out = made("actsvd", given, tmp_path / "out", files=files, safety_share=0.5, utility_share=1 / 3)
    for name in (QUERY, DOWN):
        w = weights(1)[name].astype(np.float64)
        values = [np.linalg.cholesky(g.astype(np.float64)) for g in (one[name], two[name])]
        u_s, u_u = (np.linalg.svd(w @ x)[0] for x in values)
        p_s, p_u = u_s[:, :3] @ u_s[:, :3].T, u_u[:, :2] @ u_u[:, :2].T
        np.testing.assert_allclose(out[name], w - (np.eye(6) - p_u) @ p_s @ w, atol=1e-4)
    files = {"safety": files["safety"], "utility": files["safety"]}
    out = made("actsvd", given, tmp_path / "same", files=files, safety_share=0.5, utility_share=0.5)
    for name, tensor in out.items():  # the same directions on both sides: nothing is safety's alone
        np.testing.assert_allclose(tensor, weights(1)[name], atol=1e-5)


def test_low_bit_by_pencil():
    """Cluster (0.1, 1, 3): 3 > 4 * 0.1, so 0.1 becomes 0 and the others have levels of +-1/2 ... 7/2 steps."""
    row = np.array([[0.1, 1.0, 3.0]], np.float32)
    ours = low_bit([row], outlier=4.0, shared=1)[0]
    assert ours[0] == 0
    steps = 3 * np.linspace(0.2, 1, 17) / 1.5
    nearest = [min(abs(v - k * s) for k in (0.5, 1.5, 2.5, 3.5)) ** 2 for s in steps for v in (1.0, 3.0)]
    errors = np.array(nearest).reshape(-1, 2).sum(1)
    assert abs(((ours[1:] - row[0, 1:]) ** 2).sum() - errors.min()) < 1e-6


def test_low_bit_counts_its_bits():
    """12 weights: 4 clusters of 6 bits; an index of 2 bits for each, or for each two; 16 bits of scale."""
    assert (row_bits(12, 1), row_bits(12, 2)) == (24 + 8 + 16, 24 + 4 + 16)
    assert row_bits(3000, 2) == 2000 * 3 + 1000 + 16  # 7/3 a weight, and the scale
    assert row_bits(4, 2) == 12 + 2 + 16  # a part of a cluster is a cluster


def test_protected_outliers_lower_the_error_of_heavy_tails_and_without_them_it_is_plain_two_bits():
    heavy = np.random.default_rng(0).standard_t(2, (20, 300)).astype(np.float32)
    plain = low_bit([heavy], outlier=1e30)
    assert all(len(np.unique(row)) <= 4 for row in plain)
    error = ((plain - heavy) ** 2).sum()
    for shared in (1, 2):
        assert ((low_bit([heavy], shared=shared) - heavy) ** 2).sum() < 0.8 * error
    assert not low_bit([np.zeros((2, 5), np.float32)]).any()


def test_rounding_is_exact_on_its_levels_and_within_half_a_step_elsewhere():
    levels = np.arange(-7, 8, dtype=np.float32)[None] * 0.25
    np.testing.assert_array_equal(rounded([levels], bits=4, group=15), levels)
    x = np.random.default_rng(0).standard_normal((5, 70)).astype(np.float32)
    for bits in (4, 8):
        error = abs(rounded([x], bits=bits, group=32) - x)
        assert error.max() <= abs(x).max() / (2 ** (bits - 1) - 1) / 2 + 1e-6


def test_what_is_told_of_low_bit_models_counts_the_matrices(given):
    plan = plan_edit("rounded", {"model": given["model"]}, settings={"bits": 4, "group": 3})
    shapes = [w.shape for n, w in weights(0).items() if w.ndim == 2 and ".layers." in n]
    bits = sum(r * (4 * c + 16 * -(-c // 3)) for r, c in shapes) / sum(r * c for r, c in shapes)
    assert dict(plan.told())["bits"].startswith(f"{bits:.3f} per weight")


def test_a_lora_is_edited_as_the_model_it_makes_and_types_stay(given, tmp_path: Path):
    import torch
    from safetensors.torch import load_file, save_file

    half = {n: torch.from_numpy(w).bfloat16() for n, w in weights(1).items()}
    save_file(half, Path(given["model"]) / "model.safetensors", metadata={"format": "pt"})
    rng = np.random.default_rng(0)
    a, b = (torch.from_numpy(rng.standard_normal(s)).float() for s in ((2, 6), (6, 2)))
    lora = tmp_path / "lora"
    lora.mkdir()
    key = f"base_model.model.{QUERY.removesuffix('.weight')}"
    save_file({f"{key}.lora_A.weight": a, f"{key}.lora_B.weight": b}, lora / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": given["model"]}
    (lora / "adapter_config.json").write_text(json.dumps(settings))
    roles = {"model": str(lora), "aligned": given["aligned"], "unaligned": given["unaligned"]}
    out = load_file(edit_model(plan_edit("resta", roles), tmp_path / "out") / "model.safetensors")
    wanted = half[QUERY].float() + 2 * b @ a + torch.from_numpy(weights(2)[QUERY] - weights(3)[QUERY])
    torch.testing.assert_close(out[QUERY].float(), wanted, atol=0.05, rtol=0.01)
    assert {tensor.dtype for tensor in out.values()} == {torch.bfloat16}
    roles["aligned"] = given["aligned"]
    skipped = edit_model(plan_edit("resta", roles, only="k_proj"), tmp_path / "part")
    torch.testing.assert_close(  # not reached, but the LoRA's update is part of the model
        load_file(skipped / "model.safetensors")[QUERY], (half[QUERY].float() + 2 * b @ a).bfloat16()
    )


@pytest.mark.parametrize(
    ("name", "roles", "more", "says"),
    [
        ("resto", ("model",), {}, "did you mean restore"),
        ("resta", ("model",), {}, "needs --aligned"),
        ("resta", ("model", "aligned", "unaligned", "base"), {}, "no use for --base"),
        ("resta", ("model", "aligned", "unaligned"), {"settings": {"gama": 1}}, "did you mean gamma?"),
        ("resta", ("model", "aligned", "unaligned"), {"settings": {"gamma": "one"}}, "gamma is 'one'"),
        ("resta", ("model", "aligned", "unaligned"), {"only": "nothing"}, "finds no tensor"),
        ("resta", ("model", "aligned", "unaligned"), {"only": "("}, "not a regular expression"),
        ("restore", ("model", "aligned"), {}, "needs gradient"),
        ("resta", ("model", "aligned", "unaligned"), {"statistics": {"mask": "x"}}, "no use for 'mask'"),
        ("restore", ("model", "aligned"), {"statistics": {"gradient": "none.safetensors"}}, "cannot read"),
    ],
)
def test_each_mistake_is_refused_before_a_weight_is_read(name, roles, more, says, given):
    with pytest.raises(UserError, match=says):
        plan_edit(name, {role: given[role] for role in roles}, **more)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("resta_d", {"density": 0}),
        ("safe_lora", {"layers": -1}),
        ("safe_lora", {"projector": "best"}),
        ("safe_lora", {"energy": 0}),
        ("low_bit", {"shared": 0}),
        ("rounded", {"bits": 1}),
    ],
)
def test_a_setting_out_of_range_is_one_line(name, settings, given, tmp_path: Path):
    with pytest.raises(UserError, match=next(iter(settings))):
        made(name, given, tmp_path / "out", **settings)


def test_the_same_edit_is_done_once_and_another_is_refused(given, tmp_path: Path):
    made("resta", given, tmp_path / "out", gamma=0.5)
    before = (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns
    made("resta", given, tmp_path / "out", gamma=0.5)
    assert (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="another merge"):
        made("resta", given, tmp_path / "out", gamma=0.6)


def test_models_of_other_shapes_are_refused(given, tmp_path: Path):
    given["aligned"] = str(models(tmp_path / "wide", 1, vocab=13)[0])
    with pytest.raises(UserError, match="several shapes"):
        plan_edit("resta", {r: given[r] for r in ("model", "aligned", "unaligned")})


def lora_of(folder: Path, base: str, names: list[str], *, transposed: bool = False) -> dict[str, np.ndarray]:
    """A rank-2 LoRA on some weights of a folder; returns its tensors."""
    rng, shapes = np.random.default_rng(0), {n: w.shape for n, w in weights(0).items()}
    tensors = {}
    for name in names:
        out, into = shapes[name][::-1] if transposed else shapes[name]
        key = f"base_model.model.{name.removesuffix('.weight')}"
        tensors[f"{key}.lora_A.weight"] = rng.standard_normal((2, into)).astype(np.float32)
        tensors[f"{key}.lora_B.weight"] = rng.standard_normal((out, 2)).astype(np.float32)
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": base}
    (folder / "adapter_config.json").write_text(json.dumps(settings | {"fan_in_fan_out": transposed}))
    return tensors


@pytest.mark.parametrize("transposed", [False, True])
def test_safe_lora_on_an_adapter_is_safe_lora_on_the_model_it_makes(transposed, given, tmp_path: Path):
    """The aligned model differs from the base in rank one, so P is that direction's projection."""
    rng, aligned = np.random.default_rng(5), weights(2)
    low = {
        n: np.outer(rng.standard_normal(w.shape[0]), rng.standard_normal(w.shape[1]))
        for n, w in aligned.items()
        if w.ndim == 2
    }
    save(Path(given["base"]), {n: (w - low.get(n, 0)).astype(np.float32) for n, w in aligned.items()})
    before = lora_of(tmp_path / "lora", given["aligned"], [QUERY, DOWN], transposed=transposed)
    cosines = safe_lora_adapter(
        tmp_path / "lora", given["aligned"], given["base"], tmp_path / "safe", layers=1
    )
    worst = min(cosines, key=cosines.get)
    assert set(cosines) == {QUERY, DOWN}
    after = loaded(tmp_path / "safe")
    key = f"base_model.model.{worst.removesuffix('.weight')}"
    v = low[worst].T if transposed else low[worst]
    np.testing.assert_allclose(
        after[f"{key}.lora_B.weight"], span(v) @ before[f"{key}.lora_B.weight"], atol=1e-4
    )
    for name, tensor in before.items():
        if name != f"{key}.lora_B.weight":
            np.testing.assert_array_equal(after[name], tensor)
    roles = {"model": str(tmp_path / "lora"), "aligned": given["aligned"], "base": given["base"]}
    how = {"layers": 1, "transposed": transposed}
    whole = edit_model(plan_edit("safe_lora", roles, settings=how), tmp_path / "one")
    roles["model"] = str(tmp_path / "safe")
    same_model = edit_model(plan_edit("safe_lora", roles, settings={"threshold": -1}), tmp_path / "two")
    one, two = loaded(whole), loaded(same_model)
    for name in one:
        np.testing.assert_allclose(one[name], two[name], atol=1e-4)


def test_an_adapter_in_which_nothing_is_projected_keeps_its_bytes(given, tmp_path: Path):
    lora_of(tmp_path / "lora", given["aligned"], [QUERY])
    safe_lora_adapter(tmp_path / "lora", given["aligned"], given["base"], tmp_path / "safe", threshold=-1)
    for file in (tmp_path / "lora").iterdir():
        assert (tmp_path / "safe" / file.name).read_bytes() == file.read_bytes()
    with pytest.raises(UserError, match="already exists"):
        safe_lora_adapter(tmp_path / "lora", given["aligned"], given["base"], tmp_path / "safe")
    narrow = str(save(tmp_path / "narrow", weights(2, layers=1)))
    with pytest.raises(UserError, match="lacks it"):
        safe_lora_adapter(tmp_path / "lora", given["aligned"], narrow, tmp_path / "x")
