"""Checks that compute: mathematics, JSON, IFEval's rules, and code locked up in a process of its own."""

import os
import sysconfig
import time

import pytest

from truenorth.base import UserError
from truenorth.judges._code import code_of, read_tests
from truenorth.judges._ifeval import count_sentences, follows, variants
from truenorth.judges.checks.matches import matches
from truenorth.judges.checks.math_answer import math_answer
from truenorth.judges.checks.program import program
from truenorth.judges.checks.unit_tests import unit_tests
from truenorth.judges.confine import Limits, readable, run_confined
from truenorth.judges.verifiable import VerifiableJudge, ifeval_scores
from truenorth.records import Group

SHORT = Limits(wall_s=20, cpu_s=1, memory_mb=256)


@pytest.mark.parametrize(
    "text", ["\n" * 200_000, "\\boxed{" * 30_000, "A:" * 50_000, "(" * 50_000, "1," * 50_000]
)
def test_hostile_lengths_cost_little_time(text):
    start = time.perf_counter()
    math_answer("", text, answer="1")
    assert time.perf_counter() - start < 20


def test_the_whole_answer_must_match():
    assert matches("", " (b) ", answer=r"\([A-D]\)") == 1.0
    assert matches("", "(B), I think", answer=r"\([A-D]\)") == 0.0


def test_sentences_are_not_cut_at_abbreviations_and_numbers():
    assert count_sentences("Dr. Ann has 3.5 boats. Mr. J. Dee has none! 1. One. 2. Two") == 4
    assert count_sentences("It was 7. Then it was 8.") == 2
    assert count_sentences("") == 0


def test_the_loose_score_forgives_a_first_line_and_asterisks():
    text = 'Sure, here:\n"All of it."'
    assert not follows("startend:quotation", text, {})
    assert follows("startend:quotation", text, {}, loose=True)
    assert len(variants(text)) == 8
    with pytest.raises(UserError, match="unknown instruction"):
        follows("no:such", "x", {})
    with pytest.raises(UserError, match="num_words"):
        follows("length_constraints:number_words", "x", {"relation": "at least"})


ESCAPES = {
    "the network": "import socket; socket.create_connection(('127.0.0.1', {port}))",
    "a socket of another kind": "import socket; socket.socketpair()",
    "another process": "import os; os.fork()",
    "another program": "import os; os.execv('/bin/sh', ['sh', '-c', 'echo out'])",
    "writing a file": "open('x', 'w')",
    "removing a file": "import os; os.remove({victim!r})",
    "changing a file": "import os; os.truncate({victim!r}, 0)",
    "reading a file": "print(open({victim!r}).read())",
    "listing a folder": "import os; print(os.listdir({folder!r}))",
    "its own environment": "print(open('/proc/self/environ').read())",
    "a signal to the parent": "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
    "raising its limits": "import resource as r; r.setrlimit(r.RLIMIT_AS, (2**40, 2**40))",
    "system calls by number": "import ctypes; l = ctypes.CDLL(None); assert l.syscall(41, 2, 1, 0) >= 0",
    "a new user namespace": "import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0",
}


@pytest.mark.parametrize("what", list(ESCAPES))
def test_confined_code_cannot_have(what, tmp_path):
    import socket

    victim = tmp_path / "victim.txt"
    victim.write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        known = {"port": server.getsockname()[1], "victim": str(victim), "folder": str(tmp_path)}
        ran = run_confined(ESCAPES[what].format(**known) + "\nprint('escaped')", limits=SHORT)
    assert ran.end == "failed", ran
    assert "escaped" not in ran.stdout
    assert "secret" not in ran.stdout
    assert victim.read_text() == "secret"
    assert any(word in ran.stderr for word in ("not permitted", "denied", "not allowed", "AssertionError"))


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        ("while True: pass", {"timeout", "killed"}),
        ("x = bytearray(10**9)", {"failed"}),
        ("while True: print('x' * 10000)", {"failed", "killed"}),
        ("import os; os._exit(0)", {"failed"}),
        ("raise SystemExit(0)", {"failed"}),
        ("import os; os.write(3, b'{\"done\": true}' * 10); os._exit(0)", {"failed"}),
    ],
)
def test_code_that_takes_too_much_or_leaves_early_has_not_ended_well(code, ends):
    ran = run_confined(code, limits=SHORT)
    assert ran.end in ends
    assert len(ran.stdout) <= SHORT.output_bytes


def test_confined_code_can_compute(monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    code = (
        "import math, os, threading, collections\nt = threading.Thread(target=print, args=('in a thread',))\n"
    )
    code += "t.start(); t.join(); print(os.environ.get('SECRET')); f = lambda x: math.sqrt(x)"
    ran = run_confined(code, calls=["f(9)", "f('a')"], asserts=["assert f(4) == 2", "assert f(4) == 3"])
    assert ran.end == "done"
    assert ran.stdout == "in a thread\nNone\n"
    assert ran.replies[0] == {"value": "3.0"}
    assert "TypeError" in ran.replies[1]["error"]
    assert ran.replies[2] == {"held": True}
    assert "AssertionError" in ran.replies[3]["error"]


def test_installed_packages_can_be_imported_only_where_they_are_allowed():
    code = "import numpy\nprint(numpy.arange(3).sum())"
    assert run_confined(code, limits=SHORT).end == "failed"
    allowed = run_confined(code, limits=Limits(wall_s=60.0, cpu_s=30, memory_mb=4096, packages=True))
    assert (allowed.end, allowed.stdout.strip()) == ("done", "3"), allowed.stderr
    folder = os.path.realpath(sysconfig.get_paths()["purelib"])
    assert folder in readable(packages=True)
    assert folder not in readable(packages=False)


def test_unit_tests_are_read_from_asserts_and_from_humaneval():
    found = read_tests("import math\nassert f(1) == 2\nassert abs(f(0.5) - 1) < 1e-6")
    assert (found.setup, found.cases, len(found.asserts)) == ("import math", [("f(1)", 2)], 1)
    checked = "def check(candidate):\n    assert candidate([1]) == (1, 2)\n\ncheck(f)"
    assert read_tests(checked, entry="f").cases == [("f([1])", (1, 2))]
    assert read_tests("assert f(1) is True\nassert f(2) is not None").cases == [("f(1) is True", True)]
    with pytest.raises(UserError, match="no assert"):
        read_tests("x = 1")
    with pytest.raises(UserError, match="no assert"):
        read_tests("def test_f():\n    assert f(1) == 2")
    with pytest.raises(UserError, match="not Python"):
        read_tests("assert (")


def test_what_happens_between_asserts_happens_in_their_order():
    """As in HumanEval's checks with loops and variables: only what asserts is a test, and each sees its own state."""
    told = "x = f(1)\nassert x == 2\nimport math\nassert x < math.pi\nx = f(2)\nassert x == 3\nprint(x)"
    found = read_tests(told)
    assert found.setup == "x = f(1)\nimport math"
    assert found.cases == [("x", 2)]
    assert found.asserts == ["assert x < math.pi", "x = f(2)\nassert x == 3"]
    loop = "def check(candidate):\n    'Of f.'\n    import random\n    for i in range(3):\n"
    loop += "        assert candidate(i) == i + 1\n"
    found = read_tests(loop + "check(f)", entry="f")
    assert (found.setup, found.cases) == ("import random", [])
    assert found.asserts == ["for i in range(3):\n    assert f(i) == i + 1"]
    code = "def f(x): return x + 1"
    assert unit_tests("", code, tests=told) == unit_tests("", code, tests=loop, entry="f") == 1.0
    wrong = "def f(x): return 0"
    assert unit_tests("", wrong, tests=told, share=True) == pytest.approx(1 / 3)  # 0 is less than pi
    assert unit_tests("", wrong, tests=loop, entry="f", share=True) == 0.0


def test_blocks_of_code_may_be_indented_or_cut_off():
    assert code_of("1. So:\n   ```py\n   x = 1\n   ```\n```js\ny\n```\n```\nz = 2") == "x = 1\n\nz = 2"
    assert code_of("```js\ny\n```") == ""
    assert code_of("```Python3\nx\n```") == "x\n"
    assert code_of("x = 1") == "x = 1"


def test_code_is_scored_by_the_tests_it_passes():
    good = "Here you are:\n```python\ndef double(x):\n    return 2 * x\n```\nThat is all."
    tests = ["assert double(2) == 4", "assert double('a') == 'aa'", "assert double(1) == 3"]
    assert code_of(good) == "def double(x):\n    return 2 * x\n"
    assert unit_tests("", good, tests=tests[:2]) == 1.0
    assert unit_tests("", good, tests=tests) == 0.0
    assert unit_tests("", good, tests=tests, share=True) == pytest.approx(2 / 3)
    assert unit_tests("", "I cannot write that.", tests=tests, share=True) == 0.0


@pytest.mark.parametrize(
    "cheat",
    [
        "class Yes:\n    def __eq__(self, other): return True\ndef f(x): return Yes()",
        "import os\nos._exit(0)",
        'import os\nos.write(3, b\'{"value": "3"}\\n{"value": "4"}\\n{"done": true}\\n\')\nos._exit(0)',
        "import json\njson.dumps = lambda *a, **k: '{\"held\": true}'\ndef f(x): return 0",
        "print('2 passed')\nraise SystemExit(0)",
    ],
)
def test_code_cannot_talk_its_way_past_tests(cheat):
    tests = ["assert f(1) == 2", "assert f(2) == 3"]
    assert unit_tests("", cheat, tests=tests, share=True) == 0.0


def test_a_program_is_judged_by_what_it_prints():
    cases = [{"input": "4\n", "output": "8"}, {"input": "5", "output": "10\n"}]
    assert program("", "print(int(input()) * 2)", cases=cases) == 1.0
    assert program("", "print(8)", cases=cases) == 0.0
    assert program("", "print(8)", cases=cases, share=True) == 0.5


def test_a_judge_scores_each_prompt_by_its_own_checks():
    judge = VerifiableJudge.of_rows(
        [
            {"prompt": "1+1?", "answer": "2"},
            {"prompt": "f?", "tests": "assert f(1) == 2"},
            {"prompt": "both?", "checks": [{"matches": {"answer": "[a-z]+"}}, {"max_words": {"limit": 1}}]},
        ]
    )
    groups = [Group("1+1?", ["It is 2.", "3", ""]), Group("f?", ["def f(x): return x + 1"])]
    [[two, three, none], [code]], [[both]] = judge.judge(groups), judge.judge([Group("both?", ["a b"])])
    assert [j.score for j in (two, three, none, code, both)] == [1.0, 0.0, None, 1.0, 0.0]
    assert judge.judge([Group("other?", ["x"])])[0][0].reason == "no checks for this prompt"
    assert both.reason == "fails check:matches, check:max_words"
    with pytest.raises(UserError, match="row 1"):
        VerifiableJudge.of_rows([{"prompt": "?"}])
    VerifiableJudge.of_rows([{"prompt": "?", "answer": "2"}] * 2)
    with pytest.raises(UserError, match="row 2"):
        VerifiableJudge.of_rows([{"prompt": "?", "answer": "2"}, {"prompt": "?", "answer": "3"}])


def test_the_four_numbers_of_ifeval_count_prompts_and_instructions():
    """Kept: both of the first prompt, none of the second (a comma), none of the third (no answer). The title of the
    fourth is broken by strict reading and kept without its first line."""
    comma, words, lower = (
        "punctuation:no_comma",
        "length_constraints:number_words",
        "change_case:english_lowercase",
    )
    at_least = {"relation": "at least", "num_words": 3}
    rows = [
        {"prompt": "p1", "instruction_id_list": [comma, words], "kwargs": [None, at_least]},
        {"prompt": "p2", "instruction_id_list": [comma, words], "kwargs": [{}, at_least]},
        {"prompt": "p3", "instruction_id_list": [comma], "kwargs": [{}]},
        {"prompt": "p4", "instruction_id_list": [lower], "kwargs": [{}]},
    ]
    found = ifeval_scores(
        rows, {"p1": "one two three", "p2": "one, two", "p4": "Here it is:\nthe boats lie here."}
    )
    assert (found.prompt_strict.mean, found.prompt_loose.mean) == (1 / 4, 2 / 4)
    assert (found.instruction_strict.mean, found.instruction_loose.mean) == (2 / 6, 3 / 6)
    assert found.prompt_strict.n == 4


def test_what_a_check_calls_between_its_asserts_is_called():
    """Only what the function says of itself is left out, not what it does."""
    told = "def check(candidate):\n    'Of f.'\n    x = [2, 1]\n    assert candidate(x) == 2\n    x.sort()\n"
    told += "    assert candidate(x) == 1\n"
    found = read_tests(told, entry="f")
    assert (found.setup, found.cases) == ("x = [2, 1]", [("f(x)", 2)])
    assert found.asserts == ["x.sort()\nassert f(x) == 1"]


@pytest.mark.parametrize(
    ("source", "entry", "setup", "cases", "asserts"),
    [
        ("assert f(1)", "", "", [], ["assert f(1)"]),
        ("assert f(1) == 2 == 2", "", "", [], ["assert f(1) == 2 == 2"]),
        (["x = 1", "assert f(x) == 2"], "", "x = 1", [("f(x)", 2)], []),
        ("assert 3 == f(1)", "", "", [], ["assert 3 == f(1)"]),
        ("for i in range(2):\n    assert f(i)", "", "", [], ["for i in range(2):\n    assert f(i)"]),
        ("a = 1\nb = 2\nassert f(a) == b", "", "a = 1\nb = 2", [], ["assert f(a) == b"]),
        (
            "assert f(1) == 2\nx = [1]\nimport math\nassert f(x) == 3",
            "",
            "import math",
            [("f(1)", 2)],
            ["x = [1]\nassert f(x) == 3"],
        ),
        ("def check(c):\n    assert c(1) == 2\n\ncheck(f)", "f", "", [("f(1)", 2)], []),
        (
            "def check(c):\n    assert c(1) == 2\n\ncheck(f)\nassert f(2) == 3",
            "f",
            "",
            [("f(1)", 2), ("f(2)", 3)],
            [],
        ),
        ("print(0)\nassert f(1) == 2", "f", "print(0)", [("f(1)", 2)], []),
    ],
)
def test_each_assert_is_read_as_a_case_where_its_value_stands_on_the_right(
    source, entry, setup, cases, asserts
):
    assert tuple(read_tests(source, entry=entry)) == (setup, cases, asserts)


@pytest.mark.parametrize(
    ("source", "entry"),
    [
        ("def check(c):\n    assert c(1) == 2\n", ""),
        ("def verify(c):\n    assert c(1) == 2\n", "f"),
        ("def check(a, b):\n    assert a(1) == b\n", "f"),
    ],
)
def test_a_function_that_is_not_check_of_one_candidate_asserts_nothing_by_itself(source, entry):
    with pytest.raises(UserError, match="no assert"):
        read_tests(source, entry=entry)
