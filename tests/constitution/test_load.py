"""Loading: what a file says, and every mistake with its line."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from truenorth.base import UserError
from truenorth.constitution import load, shipped

FILES = Path(__file__).parent / "files"


def complaint(path, **settings) -> list[str]:
    """The lines of the one error, without the file's name."""
    with pytest.raises(UserError) as caught:
        load(path, **settings)
    return [line.replace(f"{path}, ", "") for line in str(caught.value).split("\n")]


def write(tmp_path, text, name="bad.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_file_means_what_it_says(policy):
    assert policy.ids == ("private", "sums")
    private, sums = policy.principles
    assert (private.kind, private.severity, private.weight) == ("rule", "critical", 1.0)
    assert private.checks[0].name == "forbid"
    assert private.checks[0].settings["when_prompt"] == ["card"]
    assert (sums.title, sums.checks[0].name, sums.checks[0].settings) == ("Sums", "arithmetic", {})
    assert private.examples[0].bad == "It is 1234-5678."
    assert policy.path == FILES / "policy.yaml"
    assert policy.principle("sums") is sums


def test_lines_are_remembered(policy):
    assert policy.line("principles[0].severity") == 7
    assert policy.line("principles[0].examples[0].bad") == 14
    assert policy.line("principles[1].weight") == 18
    assert policy.line("principles[1].guidance") == 15  # not written: where the principle begins
    assert policy.line("description") == 1  # where the file begins


def test_every_mistake_is_reported_at_once_with_its_line(tmp_path):
    path = write(
        tmp_path,
        """\
name: bad
version: "1"
principles:
  - id: one
    statement: Do this.
    severty: high
    kind: rul
  - id: one
    statement: " "
    weight: 0
    checks:
      - forbid: {answer: ["(open"]}
      - max_words: 40
    measured_by: oracle
  - statement: No id.
    kind: norm
    examples: [{prompt: hi}]
  - just text
  - id: Bad Id
    statement: x
    scope: {from: 2025-02-01, until: 2025-01-01}
    id: twice
""",
    )
    lines = complaint(path)
    assert lines[0] == "14 problems:"
    for expected in (
        "line 6, principles[0].severty: unknown key; did you mean severity?",
        "line 7, principles[0].kind: 'rul' is not allowed; expected 'rule', 'value' or 'norm'",
        "line 8, principles[1].id: the id 'one' is used twice (first on line 4)",
        "line 9, principles[1].statement: empty text",
        "line 10, principles[1].weight: input should be greater than 0, not 0",
        "line 12, principles[1].checks[0]: not a regular expression",
        "line 13, principles[1].checks[1].settings: expected settings (key: value), not 40",
        "line 14, principles[1].measured_by: 'oracle' names no measure; expected oracle:NAME",
        "line 15, principles[2].id: missing",
        "line 17, principles[2].examples[0]: an example without an answer",
        "line 18, principles[3]: expected fields (key: value), not 'just text'",
        "line 19, principles[4].id: 'Bad Id' is not allowed; expected lower-case letters",
        "line 21, principles[4].scope: a scope that ends before it starts",
        "line 22, principles[4].id: written twice (first on line 19)",
    ):
        assert any(line.startswith(expected) for line in lines), expected


def test_a_pattern_that_could_take_for_ever_is_refused_where_it_stands(tmp_path):
    path = write(
        tmp_path,
        """\
name: slow
version: "1"
principles:
  - id: one
    statement: Do this.
    applies_when:
      prompt: ['(\\w+\\s?)+!']
    checks:
      - require: {answer: ["fine", "(a+)+$"]}
""",
    )
    lines = complaint(path)
    assert len(lines) == 3, lines  # two problems and their number: not "empty" for what was left
    assert lines[1].startswith(
        "line 7, principles[0].applies_when.prompt[0]: a pattern that can take for ever"
    )
    assert lines[2].startswith("line 9, principles[0].checks[0]: a pattern that can take for ever")
    assert lines[2].endswith(": '(a+)+$'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1: empty; expected name, version and principles"),
        ("# only a comment\n", "line 1: empty; expected name, version and principles"),
        ("- a\n- b\n", "line 1: not a mapping; expected name, version and principles"),
        ("name: x\nversion: '1'\nprinciples: [\n", "line 4: not YAML (expected the node content"),
        ("name: x\n\tversion: 1\n", "line 2: not YAML (found character '\\t'"),
        ("name: x\nversion: '1'\n", "line 1, principles: missing"),
        ("name: x\nversion: '1'\nprinciples: []\n", "line 3, principles: empty; expected at least one"),
        ("name: &a [*a]\nversion: '1'\n", "line 1, name[0]: an alias of what it stands in"),
        ("name: x\nversion: '1'\ndescription: 2026-13-45\n", "line 3, description: not YAML (month must"),
        (f"name: {'[' * 3000}{']' * 3000}\n", "line 1: not YAML (lists and mappings nested too deep)"),
        ("name: !!python/object:os.system x\n", "line 1: not YAML (could not determine a constructor"),
    ],
)
def test_files_that_are_no_constitution_say_so(tmp_path, text, expected):
    assert any(line.startswith(expected) for line in complaint(write(tmp_path, text)))


def test_aliases_that_explode_are_stopped(tmp_path):
    layers = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 8)]
    path = write(tmp_path, "a0: &a0 x\n" + "\n".join(layers) + "\n")
    assert "more than 100,000 values" in complaint(path)[0]


def test_binary_and_missing_files_are_one_clear_message(tmp_path):
    path = tmp_path / "bytes.yaml"
    path.write_bytes(b"\xff\xfe\x00x")
    assert "not UTF-8 text (byte 0xff at 0)" in complaint(path)[0]
    with pytest.raises(UserError, match=r"no constitution 'harbor'.*did you mean harbour"):
        load("harbor")


def test_a_version_stays_as_written(tmp_path):
    text = "name: x\nversion: 1.10\nprinciples: [{id: a, statement: b, measured_by: 'judge:x'}]\n"
    assert load(write(tmp_path, text)).version == "1.10"


def test_naming_code_needs_permission_and_imports_nothing(tmp_path):
    text = """\
name: x
version: "1"
principles:
  - id: a
    statement: b
    checks: [no_such_package.checks:polite, {no_such_package.checks:kind: {x: 1}}]
    measured_by: no_such_package.measures:all
"""
    path = write(tmp_path, text)
    assert [line.split(":")[0] for line in complaint(path)] == [
        "3 problems",
        "line 6, principles[0].checks[0]",
        "line 6, principles[0].checks[1]",
        "line 7, principles[0].measured_by",
    ]
    allowed = load(path, allow_code=True).principles[0]
    assert allowed.code == (
        "no_such_package.checks:polite",
        "no_such_package.checks:kind",
        "no_such_package.measures:all",
    )


def test_markdown_headings_are_principles():
    stories = load(FILES / "stories.md")
    assert (stories.name, stories.version) == ("stories", "1.10")
    assert stories.description == "How a teller of bedtime stories behaves."
    kind, hurt, winter = stories.principles
    assert (kind.id, kind.title, kind.kind, kind.weight) == ("kind", "Kind", "value", 2.0)
    assert kind.statement == "Everybody in the story is kind to each other in the end."
    assert (hurt.id, hurt.statement) == ("nobody-is-hurt", "No blood, no weapons.")
    assert hurt.checks[0].patterns("answer") == (r"\b(blood|gun)\b",)
    assert winter.scope is not None
    assert (winter.scope.start, winter.scope.place) == (date(2024, 12, 1), "north")


def test_markdown_mistakes_have_lines_of_the_markdown_file(tmp_path):
    text = (FILES / "stories.md").read_text().replace("severity: high", "severity: hi")
    text = text.replace("measured_by: check:forbid", "measured: by").replace("Tell of snow.", "")
    lines = complaint(write(tmp_path, text, "bad.md"))
    where = {line.split(":")[0] for line in lines[1:]}
    wrong = 1 + text.split("\n").index("severity: hi")
    assert f"line {wrong}, principles[0].severity" in where
    assert f"line {1 + text.split(chr(10)).index('measured: by')}, principles[1].measured" in where
    assert f"line {1 + text.split(chr(10)).index('## Winter tales')}, principles[2].statement" in where


def test_markdown_without_front_matter_says_so(tmp_path):
    assert "no front matter" in complaint(write(tmp_path, "# Title\n\n## One\n\nText.\n", "bad.md"))[0]
    assert "without an end" in complaint(write(tmp_path, "---\nname: x\n\n## One\n", "bad.md"))[0]


def test_headings_inside_code_are_not_principles(tmp_path):
    text = "---\nname: x\nversion: '1'\n---\n## One\n\nText.\n\n```text\n## Not one\n```\n"
    assert load(write(tmp_path, text, "ok.md")).ids == ("one",)


def test_front_matter_may_hold_everything(tmp_path):
    text = "---\n" + (FILES / "policy.yaml").read_text() + "---\n\nNotes for readers.\n"
    found, plain = load(write(tmp_path, text, "whole.md")), load(FILES / "policy.yaml")
    assert found.principles == plain.principles
    assert found.description == "Notes for readers."


def test_the_hash_is_of_what_is_written_not_of_how(tmp_path, policy):
    text = (FILES / "policy.yaml").read_text()
    same = "# a comment\n" + text.replace("    weight: 0.5", "    weight: 0.50\n    severity: medium")
    assert load(write(tmp_path, same)).hash == policy.hash
    other = load(write(tmp_path, text.replace("Solve sums", "Do sums")))
    assert other.hash != policy.hash
    assert other.principles[0].hash == policy.principles[0].hash
    assert policy.label == f"policy@1.0#{policy.hash[:8]}"


def test_the_hash_is_the_same_in_every_process(policy):
    code = f"from truenorth.constitution import load; print(load({str(FILES / 'policy.yaml')!r}).hash)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == policy.hash


def test_norms_hold_on_their_days_in_their_place():
    kind, _, winter = load(FILES / "stories.md").principles
    assert kind.in_force(on=date(1990, 1, 1))
    assert winter.in_force(on=date(2024, 12, 1), place="north")
    assert winter.in_force(on=date(2025, 2, 28), place="north")
    assert not winter.in_force(on=date(2025, 3, 1), place="north")
    assert not winter.in_force(on=date(2024, 12, 24), place="south")
    assert not winter.in_force(on=date(2024, 12, 24))


@pytest.mark.parametrize("name", shipped())
def test_shipped_constitutions_load(name):
    found = load(name)
    assert found.name == name
    assert all(p.measured_by for p in found.principles)


def test_a_constitution_cannot_be_changed(policy):
    with pytest.raises(ValueError, match="frozen"):
        policy.name = "other"
