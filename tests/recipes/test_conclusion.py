"""The sentence at the top of a report."""

from truenorth.recipes.conclusion import verdict
from truenorth.stats import Paired


def moved(difference: float, p: float, better: str = "higher") -> dict[str, object]:
    return {
        "paired": Paired(difference, difference - 0.1, difference + 0.1, p, 100, "test"),
        "better": better,
    }


def test_less_is_better_where_the_measure_says_so():
    """Fewer refusals of harmless questions are a gain, though the number falls."""
    found = verdict([], {"harmless": moved(0.2, 0.01), "over-refusal": moved(-0.3, 0.001, "lower")})
    assert found["sentence"] == "Better on harmless, over-refusal; worse on nothing (p < 0.05, corrected)."
    assert found["passed"]
    worse = verdict([], {"over-refusal": moved(0.3, 0.001, "lower"), "honest": moved(-0.1, 0.2)})
    assert worse["sentence"] == "Better on nothing; worse on over-refusal (p < 0.05, corrected)."
    assert not worse["passed"]
