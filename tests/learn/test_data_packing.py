"""The packing check: passes for models whose rows do not see each other, and refuses one whose rows do."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from learn_plain import pairs, policy_of, tiny_llama

from truenorth.base import UserError
from truenorth.learn.data import packing
from truenorth.learn.data.packing import check_packing
from truenorth.learn.scoring import token_logps


def test_packed_rows_of_a_llama_are_read_as_if_each_stood_alone():
    assert check_packing(policy_of(tiny_llama()), pairs(6)) < 1e-5


def test_a_model_whose_rows_see_each_other_is_refused(monkeypatch: pytest.MonkeyPatch):
    def leaking(model, examples):
        """Rows that are read together shift each other's log-probabilities."""
        return [[c + 0.01 * len(examples) for c in row] for row in token_logps(model, examples)]

    monkeypatch.setattr(packing, "token_logps", leaking)
    policy = SimpleNamespace(module=tiny_llama(), name="leaky")
    with pytest.raises(UserError, match=r"leaky: packed rows differ from single ones by 0\.03 nats"):
        check_packing(policy, pairs(6))
