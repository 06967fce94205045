"""The ground floor: errors, atomic files, seeds, the catalogue."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats as scipy_stats

from truenorth.base import (
    UserError,
    content_hash,
    find,
    names,
    read_jsonl,
    seed_of,
    uniform,
    write_jsonl,
    write_text,
)


def test_a_user_error_says_what_where_expected_and_fix():
    error = UserError("unknown key 'sevrity'", where="c.yaml, line 3", expected="severity", fix="rename it")
    assert str(error) == "c.yaml, line 3: unknown key 'sevrity'; expected severity; rename it"


def test_seeds_are_the_same_in_every_process_and_differ_by_every_part():
    code = "from truenorth.base import seed_of; print(seed_of('sample', 7, ('a', 1.5)))"
    env = {**os.environ, "PYTHONHASHSEED": "17"}
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert int(other.stdout) == seed_of("sample", 7, ("a", 1.5))
    assert len({seed_of("a", i) for i in range(1000)}) == 1000
    assert seed_of("a", 1) != seed_of("b", 1)
    assert seed_of("1") != seed_of(1)


def test_uniform_numbers_are_uniform_along_a_stream_and_across_seeds():
    seeds = np.array([seed_of("row", i) for i in range(500)], dtype=np.int64)
    numbers = np.stack([uniform(seeds, step) for step in range(40)])
    assert scipy_stats.kstest(numbers.ravel(), "uniform").pvalue > 0.001
    lag = np.corrcoef(numbers[:-1].ravel(), numbers[1:].ravel())[0, 1]
    assert abs(lag) < 4 / np.sqrt(numbers.size)
    assert numbers.min() >= 0
    assert numbers.max() < 1


def test_a_row_draws_the_same_numbers_whatever_shares_its_batch():
    seeds = np.array([3, 1, 2], dtype=np.int64)
    alone = uniform(seeds[1:2], 5)
    assert uniform(seeds, 5)[1] == alone[0]


def test_splitmix64_matches_its_published_first_outputs():
    # splitmix64 seeded with 0 gives 0xE220A8397B1DCDAF, then 0x6E789E6AA1B965F4 (Vigna's reference code).
    zero = np.array([0], dtype=np.int64)
    assert uniform(zero, 0)[0] == (0xE220A8397B1DCDAF >> 11) * 2.0**-53
    assert uniform(zero, 1)[0] == (0x6E789E6AA1B965F4 >> 11) * 2.0**-53


def test_the_catalogue_names_its_files_and_suggests_the_nearest():
    assert "dpo" in names("truenorth.learn.objectives")
    assert find("truenorth.learn.objectives", "dpo").__name__ == "dpo"
    assert find("truenorth.learn.objectives", "math:sqrt")(9) == 3
    with pytest.raises(UserError, match=r"unknown name 'dpoo'.*did you mean dpo"):
        find("truenorth.learn.objectives", "dpoo")
    with pytest.raises(UserError, match="cannot import"):
        find("truenorth.learn.objectives", "no_such_module:thing")


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_text(blocker / "below" / "b.txt", "new")
    assert target.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "file"]


def test_jsonl_errors_name_the_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"a": 1}, {"a": "ü"}])
    assert list(read_jsonl(path)) == [{"a": 1}, {"a": "ü"}]
    path.write_text('{"a": 1}\n\n{"a": \n')
    with pytest.raises(UserError, match="line 3: not JSON"):
        list(read_jsonl(path))
    path.write_text("[1]\n")
    with pytest.raises(UserError, match="line 1: not an object"):
        list(read_jsonl(path))
    with pytest.raises(UserError, match="no such file"):
        list(read_jsonl(tmp_path / "none.jsonl"))


def test_hashes_depend_on_content_not_on_key_order():
    assert content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    assert content_hash("a") == content_hash(b"a") != content_hash(["a"])
