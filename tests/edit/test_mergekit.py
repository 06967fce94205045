"""Equal to mergekit 0.1.5 on odd-shaped models: recorded by mergekit_outputs.py, read here from one file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from edit_models import models
from mergekit_cases import DETERMINISTIC, RANDOM
from safetensors.torch import load_file

from truenorth.base import names
from truenorth.edit import apply, make_plan, merge, parse

FILES = Path(__file__).parent / "files"


@cache
def recorded() -> dict[str, np.ndarray]:
    return {name: t.float().numpy() for name, t in load_file(FILES / "mergekit_0_1_5.safetensors").items()}


def named(text: str, paths: list[Path]) -> str:
    for i, path in enumerate(paths):
        text = text.replace(f"M{i}", str(path))
    return text


@pytest.mark.parametrize("case", [*DETERMINISTIC, *RANDOM])
def test_a_merge_equals_mergekit(case: str, tmp_path: Path):
    text = named({**DETERMINISTIC, **RANDOM}[case], models(tmp_path))
    out = merge(make_plan(parse(text)), tmp_path / "out")
    theirs = {n.partition("/")[2]: t for n, t in recorded().items() if n.partition("/")[0] == case}
    ours = load_file(out / "model.safetensors")
    assert set(ours) == set(theirs)
    for name, tensor in theirs.items():
        np.testing.assert_allclose(ours[name].float().numpy(), tensor, rtol=0, atol=1e-6, err_msg=name)


def test_every_method_of_mergekit_is_here():
    theirs = """arcee_fusion breadcrumbs breadcrumbs_ties dare_linear dare_ties della della_linear karcher linear
    model_stock multislerp nearswap nuslerp passthrough ram ramplus_tl sce slerp task_arithmetic ties""".split()
    assert set(theirs) <= set(names("truenorth.edit.methods"))


def test_a_matrix_of_one_column_has_no_ranks_where_mergekit_divides_by_zero():
    """mergekit's DELLA: (rank - least) / (most - least) is 0 / 0 there, and torch.bernoulli refuses a NaN."""
    base, model = np.zeros((9, 1), np.float32), np.ones((9, 1), np.float32)
    made = apply("della_linear", [model], base, weight=1.0, density=0.5, rescale="density")
    assert set(np.unique(made)) == {0.0, 2.0}


def test_the_donor_is_the_first_model_where_mergekit_takes_any(tmp_path: Path):
    """Without a base mergekit takes configuration and tokenizer from a set of models, in hash order."""
    paths = models(tmp_path, 3)
    text = "merge_method: karcher\nmodels:\n" + "".join(f"  - model: {path}\n" for path in reversed(paths))
    assert make_plan(parse(text)).donor.folder == paths[2]


def test_equal_changes_at_the_cut_stay_by_place():
    """mergekit leaves the choice among equal magnitudes to an unstable sort; here the first of them stay."""
    base = np.zeros(5, np.float32)
    model = np.array([1, -1, 1, 2, 1], np.float32)
    made = apply("ties", [model], base, weight=1.0, density=0.6)
    np.testing.assert_array_equal(made, [1, -1, 0, 2, 0])
