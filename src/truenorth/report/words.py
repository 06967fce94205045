"""Numbers as people read them: rates in per cent, differences in points, text made safe to show."""

from __future__ import annotations

import re
from typing import Literal

from truenorth.report.schema import Comparison, PairedValue, Value

NONE = "–"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

Change = Literal["better", "worse", "changed", "unclear"]


def number(value: float | None, unit: str = "") -> str:
    """A number in its unit: rates as "97.0%", others with about three digits and the unit after them."""
    if value is None:
        return NONE
    if unit == "rate":
        return f"{100 * value:.1f}%".replace("-", "−")
    return f"{plain(value)} {unit}".strip()


def bound(value: float, unit: str = "") -> str:
    """A number that people chose: "95%", without the decimal of what was measured."""
    return number(value, unit).replace(".0%", "%")


def plain(value: float) -> str:
    """About three digits: 0.0123, 1.23, 12.3, 1,234."""
    size = abs(value)
    if (value == round(value) and size < 1e6) or size >= 1000:
        text = f"{value:,.0f}"
    elif size >= 100:
        text = f"{value:.0f}"
    elif size >= 0.1:
        text = f"{value:.{1 if size >= 10 else 2}f}"
    else:
        text = f"{value:.2g}"
    return text.replace("-", "−")


def interval(value: Value, unit: str = "") -> str:
    """ "95 to 98.2%" (nothing where there is no interval)."""
    if value.mean is None or value.low is None or value.high is None:
        return ""
    low = number(value.low, unit)
    return f"{low.removesuffix('%') if unit == 'rate' else plain(value.low)} to {number(value.high, unit)}"


def difference(value: PairedValue, unit: str = "") -> str:
    """ "+56 points" for rates, "+0.3 tokens" for others."""
    if value.difference is None:
        return NONE
    return signed(value.difference, unit) + (" points" if unit == "rate" else f" {unit}" if unit else "")


def difference_interval(value: PairedValue, unit: str = "") -> str:
    """ "+50 to +62" (nothing where there is no interval)."""
    if value.low is None or value.high is None:
        return ""
    return f"{signed(value.low, unit)} to {signed(value.high, unit)}"


def signed(value: float, unit: str = "") -> str:
    text = number(abs(value), unit).removesuffix("%") if unit == "rate" else plain(abs(value))
    return text if float(text.replace(",", "")) == 0 else ("−" if value < 0 else "+") + text


def p_value(p: float | None) -> str:
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def change(comparison: Comparison) -> Change:
    """What the pairs let one say: `unclear` where the interval holds zero, the p (which may be corrected for
    many comparisons) is 0.05 or more, or there are none."""
    paired = comparison.paired
    if paired is None or paired.low is None or paired.high is None or paired.low <= 0 <= paired.high:
        return "unclear"
    if paired.p is not None and paired.p >= 0.05:
        return "unclear"
    if comparison.better == "neither":
        return "changed"
    return "better" if (paired.low > 0) == (comparison.better == "higher") else "worse"


def shown(text: str, limit: int = 1500) -> str:
    """Text of a model or a file, fit to be escaped and shown: control characters and those that turn the
    direction of writing become visible marks; very long text is cut, and says so."""
    safe = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
    return safe if len(safe) <= limit else f"{safe[:limit]} … ({len(safe):,} characters)"


def count(n: int, one: str, many: str = "") -> str:
    """1, "row" -> "1 row"; 1200, "row" -> "1,200 rows"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
