"""What changed and what is stale; what people read."""

from __future__ import annotations

import pytest

from truenorth.constitution import Constitution, diff, load, shipped, show, show_principle
from truenorth.constitution.diff import ALL, FEEDS
from truenorth.constitution.schema import Principle


def with_first(c: Constitution, **changes) -> Constitution:
    first = {**c.principles[0].model_dump(by_alias=True), **changes}
    rest = [p.model_dump(by_alias=True) for p in c.principles[1:]]
    return Constitution.model_validate({**c.model_dump(by_alias=True), "principles": [first, *rest]})


def test_equal_constitutions_do_not_differ(policy):
    assert diff(policy, policy) == []
    assert diff(policy, with_first(policy)) == []


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({"statement": "Other words."}, ("prompts", "labels", "weights", "evaluation")),
        ({"title": "Other title"}, ()),
        ({"severity": "low"}, ("labels", "weights")),
        ({"checks": []}, ("labels", "weights")),
        ({"examples": []}, ("prompts", "labels", "weights")),
        ({"measured_by": "judge:other"}, ("evaluation",)),
        ({"title": "T", "measured_by": "judge:other", "weight": 2.0}, ("labels", "weights", "evaluation")),
    ],
)
def test_a_change_makes_stale_what_was_made_from_it(policy, change, stale):
    (found,) = diff(policy, with_first(policy, **change))
    assert (found.principle, found.what, found.stale) == ("private", "changed", stale)
    assert {f.field for f in found.fields} == set(change)


def test_every_field_of_a_principle_feeds_something_known():
    assert set(FEEDS) == set(Principle.model_fields) - {"id"}
    assert all(set(stale) <= set(ALL) for stale in FEEDS.values())


def test_added_removed_and_moved(policy):
    a, b = policy.principles
    new = Principle(id="new", title="New", statement="Be new.")

    def of(*principles):
        return Constitution(name="policy", version="2", principles=principles)

    assert [(c.principle, c.what, c.stale) for c in diff(of(a), of(a, new))] == [("new", "added", ALL)]
    gone = ("labels", "weights", "evaluation")
    assert [(c.principle, c.what, c.stale) for c in diff(of(a, b), of(a))] == [("sums", "removed", gone)]
    (moved,) = diff(of(a, b, new), of(new, a, b))
    assert (moved.principle, moved.what, moved.stale) == ("new", "moved", ())
    assert str(moved) == "new: moved; stale: nothing\n  position: 3 -> 1"


def test_a_change_reads_well(policy):
    (found,) = diff(policy, with_first(policy, severity="low"))
    assert str(found) == "private: changed; stale: labels, weights\n  severity: critical -> low"


def test_of_two_long_values_the_part_that_differs_is_shown(policy):
    principle = policy.principles[0]
    long = "Say what is so. " * 20
    ends = [principle.model_copy(update={"statement": long + end}) for end in ("Then stop.", "Then go on.")]
    old, new = (policy.model_copy(update={"principles": (p, *policy.principles[1:])}) for p in ends)
    [change] = diff(old, new)
    said = str(change)
    assert "Then stop. -> ..." in said
    assert said.endswith("Then go on.")
    assert all(len(line) < 180 for line in said.splitlines())


@pytest.mark.parametrize("name", shipped())
def test_show_has_all_that_people_need_within_the_page(name):
    constitution = load(name)
    text = show(constitution)
    flat = " ".join(text.split())
    assert all(len(line) <= 110 for line in text.split("\n"))
    assert constitution.label in text
    for p in constitution.principles:
        assert " ".join(p.statement.split()) in flat
        assert f"[{p.id}: {p.kind}, {p.severity}" in flat
        assert all(" ".join((e.bad or e.good or "").split()) in flat for e in p.examples)


def test_one_principle_is_shown_with_its_check(policy):
    text = show_principle(policy.principle("private"))
    assert text.startswith("Keep records private  [private: rule, critical]\n   Never give a card number")
    assert r"check: forbid (answer \b\d{4}-\d{4}\b; when_prompt card)" in text
