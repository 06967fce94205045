"""What the numbers let one say: words, verdicts, the model card, the console table, the geometry of plots."""

from __future__ import annotations

import io
import re

import pytest
import yaml
from rich.console import Console
from sample import compared, largest, smallest

from truenorth.report import check, console_table, model_card, verdict
from truenorth.report.plots import Scale, chart, panels, strip, ticks
from truenorth.report.schema import Comparison, Target, Value
from truenorth.report.verdict import status
from truenorth.report.words import bound, change, count, difference, interval, number, p_value, shown


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.9734, "rate", "97.3%"),
        (0.95, "rate", "95.0%"),
        (-0.021, "rate", "−2.1%"),
        (None, "rate", "–"),
        (1234.5, "", "1,234"),
        (1.841, "nats", "1.84 nats"),
        (0.0123, "", "0.012"),
        (18.25, "tokens", "18.2 tokens"),
        (0.0, "", "0"),
    ],
)
def test_numbers_read_well(value, unit, text):
    assert number(value, unit) == text


def test_intervals_differences_and_bounds_read_well():
    assert interval(Value(mean=0.97, low=0.95, high=0.982), "rate") == "95.0 to 98.2%"
    assert interval(Value(mean=0.97), "rate") == ""
    assert interval(Value(mean=float("nan"), low=0.0, high=1.0)) == ""
    one = Comparison.model_validate(compared(0.4, 0.4 - 1e-9)).paired  # type: ignore[arg-type]
    assert one is not None
    assert difference(one, "rate") == "0.0 points"
    assert bound(0.95, "rate") == "95%"
    assert bound(0.025, "rate") == "2.5%"
    assert [p_value(p) for p in (0.0002, 0.0312, 0.5, None)] == ["p < 0.001", "p = 0.031", "p = 0.50", ""]
    assert count(1, "row") == "1 row"
    assert count(1200, "row") == "1,200 rows"
    assert shown("x" * 2000).endswith("(2,000 characters)")


def comparison(low: float, high: float, better: str = "higher", p: float | None = None) -> Comparison:
    paired = {"difference": (low + high) / 2, "low": low, "high": high, "p": p}
    return Comparison.model_validate(
        {"base": {"mean": 0.5}, "aligned": {"mean": 0.5}, "paired": paired, "better": better}
    )


@pytest.mark.parametrize(
    ("low", "high", "better", "said"),
    [
        (0.01, 0.2, "higher", "better"),
        (0.01, 0.2, "lower", "worse"),
        (-0.2, -0.01, "lower", "better"),
        (-0.2, -0.01, "higher", "worse"),
        (-0.2, -0.01, "neither", "changed"),
        (-0.1, 0.1, "higher", "unclear"),
        (0.0, 0.1, "higher", "unclear"),
    ],
)
def test_a_change_needs_an_interval_that_leaves_out_zero(low, high, better, said):
    assert change(comparison(low, high, better)) == said


def test_a_change_that_does_not_stand_among_many_comparisons_is_not_clear():
    assert change(comparison(0.01, 0.2, p=0.049)) == "better"
    assert change(comparison(0.01, 0.2, p=0.13)) == "unclear"  # corrected by Holm, say


@pytest.mark.parametrize(
    ("low", "high", "at_most", "said"),
    [
        (0.95, 0.99, False, "met"),
        (0.94, 0.99, False, "cannot tell"),
        (0.90, 0.94, False, "not met"),
        (0.90, 0.95, True, "met"),
        (0.94, 0.99, True, "cannot tell"),
        (0.96, 0.99, True, "not met"),
    ],
)
def test_a_target_is_met_when_the_whole_interval_is_on_its_side(low, high, at_most, said):
    value = Value(mean=(low + high) / 2, low=low, high=high)
    assert status(Target(title="t", value=value, bound=0.95, at_most=at_most)) == said


def test_a_target_without_a_measurement_cannot_be_told_and_one_with_a_status_keeps_it():
    assert status(Target(title="t", value=Value(mean=None), bound=0.5)) == "cannot tell"
    assert status(Target(title="t", value=Value(mean=0.9), bound=0.5)) == "met"
    assert status(Target(title="t", value=Value(mean=0.9), bound=0.5, status="not met")) == "not met"


def test_the_verdict_counts_what_can_be_said():
    told = verdict(check(largest()))
    assert told.passed is False
    assert told.sentence == (
        "4 of 6 principles are clearly better; worse: Refuses harmless look-alikes; "
        "2 of 6 targets are met, 1 not met, 3 too close to tell."
    )
    assert verdict(check(smallest())).passed is True
    still = smallest() | {"principles": {"kind": compared(0.5, 0.5)}}
    assert verdict(check(still)).passed is None
    worse = smallest() | {"principles": {"kind": compared(0.9, 0.5), "fair": compared(0.5, 0.9)}}
    assert verdict(check(worse)).passed is False
    given = smallest() | {"verdict": {"passed": None, "sentence": "Ask again."}}
    assert verdict(check(given)).sentence == "Ask again."


def test_a_principle_that_is_worse_in_the_far_set_only_fails_the_verdict():
    data = smallest() | {"sets": {"far": {"principles": {"kind": compared(0.9, 0.5)}}}}
    assert verdict(check(data)).passed is False


def test_the_model_card_has_front_matter_the_hub_reads_and_tables_that_text_cannot_break():
    data = largest() | {"title": "a | b <script> [x](http://y)\n# c"}
    data["principles"]["honest"]["title"] = "a | b"
    card = model_card(data)
    _, front, body = card.split("---\n", 2)
    read = yaml.safe_load(front)
    assert read["library_name"] == "transformers"
    assert read["base_model"] == "harbour-micro"
    metrics = read["model-index"][0]["results"][0]["metrics"]
    assert metrics[0] == {"type": "harmless", "name": "Do no harm", "value": 0.981}
    assert "# a \\| b \\<script\\> \\[x\\](http://y) # c\n" in body
    rows = [line for line in body.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {6}
    assert "## Measured: far" in body


def test_the_console_table_has_every_set_and_ability_and_ends_with_the_verdict():
    out = io.StringIO()
    Console(file=out, width=200).print(console_table(largest()))
    text = " ".join(out.getvalue().split())
    assert "far: base → aligned" in text
    assert "41.2% → 98.1% +56.9 points" in text
    assert "Known facts" in text
    assert text.endswith("3 too close to tell.")


def test_a_narrow_terminal_loses_no_number():
    wide, narrow = io.StringIO(), io.StringIO()
    Console(file=wide, width=200).print(console_table(largest()))
    Console(file=narrow, width=80).print(console_table(largest()))
    numbers = re.compile(r"[+−]?[0-9.]+%?")
    assert sorted(numbers.findall(narrow.getvalue())) == sorted(numbers.findall(wide.getvalue()))


def test_markup_in_names_is_not_markup_on_the_console():
    out = io.StringIO()
    data = smallest() | {"title": "[red]x[/red]", "principles": {"[bold]k": compared(0.1, 0.9)}}
    Console(file=out, width=200).print(console_table(data))
    assert "[red]x[/red]" in out.getvalue()
    assert "[bold]k" in out.getvalue()


def test_ticks_are_round_and_inside():
    assert ticks(0.0, 1.0, 5) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(0.44, 0.97, 4) == [0.6, 0.8]
    assert ticks(-3.0, 7.0, 5) == [-2.0, 0.0, 2.0, 4.0, 6.0]
    assert ticks(2.0, 2.0, 5) == [2.0]


def test_dots_and_whiskers_are_where_the_numbers_are():
    drawn = strip(Comparison.model_validate(compared(0.25, 0.75, n=300)), "kind")
    assert 'cx="25.00%"' in drawn
    assert 'cx="75.00%"' in drawn
    # the half width of 1.96 * sqrt(0.25 * 0.75 / 300) = 0.049
    assert 'x1="20.10%" x2="29.90%"' in drawn
    assert Scale(0, 1).at(1.2) == 1.0


def test_a_chart_puts_its_points_between_the_axes_and_marks_the_kept_step():
    curves = check(largest()).curves
    assert curves is not None
    by_title = {panel.title: panel for panel in panels(curves)}
    assert list(by_title)[:2] == ["Reward", "Reward against distance"]
    kl = chart(by_title["KL from the base (nats per answer)"])
    # x from 44 to 368 over steps 0 to 240: step 200 is at 44 + 324 * 200 / 240 = 314
    assert 'class="goal" x1="314.0"' in kl
    assert 'points="44.0,180.0 ' in kl  # KL 0 at step 0 is the origin
    assert "KL from the base from 0 to 2.05" in kl
