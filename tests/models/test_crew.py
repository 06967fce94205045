"""Threads that share one model: the same answers, the same weights, and everything as it was afterwards."""

from __future__ import annotations

import pytest
import torch

from truenorth.models.crew import share, twin
from truenorth.models.local import LocalModel
from truenorth.worlds.harbour import organism


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return LocalModel.load(organism().model)


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_a_twin_has_the_same_weights_and_settings_of_its_own(model):
    other = twin(model.module)
    own = dict(model.module.named_parameters())
    assert {n: p.data_ptr() for n, p in other.named_parameters()} == {n: p.data_ptr() for n, p in own.items()}
    assert other.lm_head.weight is other.model.embed_tokens.weight  # tied as before
    assert other.config is not model.module.config
    assert all(m.config is other.config for m in other.modules() if hasattr(m, "config"))


def test_answers_do_not_depend_on_the_number_of_threads(model, three_threads):
    prompts = [[{"role": "user", "content": f"What is {n} plus 21?"}] for n in range(11, 51)]
    small = LocalModel.of(model.module, model.tokenizer, name="small batches", batch_rows=16)
    ticks: list[int] = []
    together = small.sample(prompts, 4, max_tokens=24, tick=ticks.append)
    torch.set_num_threads(1)
    alone = small.sample(prompts, 4, max_tokens=24)
    assert [[c.text for c in group] for group in together] == [[c.text for c in group] for group in alone]
    assert sum(ticks) == len(prompts)
    assert len(ticks) > 3


def test_results_come_in_order_and_threads_are_given_back(model, three_threads):
    seen: list[tuple[int, int]] = []
    threads: set[int] = set()

    def work(module, item: int) -> int:
        threads.add(torch.get_num_threads())
        return item * item

    found = share(model.module, work, range(7), lambda i, result: seen.append((i, result)))
    assert found == [0, 1, 4, 9, 16, 25, 36]
    assert seen == list(enumerate(found))
    assert threads == {1}
    assert torch.get_num_threads() == 3


def test_an_error_in_a_thread_is_the_callers_error(model, three_threads):
    def work(module, item: int) -> int:
        return 1 // item

    with pytest.raises(ZeroDivisionError):
        share(model.module, work, [3, 2, 0, 1])
    assert torch.get_num_threads() == 3


def test_many_answers_to_one_prompt_are_cut_into_batches_and_stay_in_order(model, three_threads):
    prompts = [[{"role": "user", "content": f"What is {n} plus 21?"}] for n in (12, 13, 12)]
    small = LocalModel.of(model.module, model.tokenizer, name="small batches", batch_rows=8)
    whole = LocalModel.of(model.module, model.tokenizer, name="one batch", batch_rows=512)
    ticks: list[int] = []
    cut = small.sample(prompts, 30, max_tokens=24, tick=ticks.append)
    assert sum(ticks) == len(prompts)
    assert [len(group) for group in cut] == [30, 30, 30]
    uncut = whole.sample(prompts, 30, max_tokens=24)
    assert [[c.text for c in group] for group in cut] == [[c.text for c in group] for group in uncut]
