"""The page: complete, self-contained, valid, and safe against what models write."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from sample import compared, largest, smallest

from truenorth.base import UserError
from truenorth.report import check, write_report
from truenorth.report.page import render

VOID = {"meta", "br", "col", "link", "img", "hr", "input"}
ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</style><script>alert(1)</script>",
    "\"><svg onload='alert(1)'>",
    "{{ 7 * 7 }}{% raw %}",
    "</script><script src=//evil.example/x.js></script>",
    "]]><!--",
    "&lt;b&gt;",
]


class Page(HTMLParser):
    """A page as its elements; refuses what is not nested well."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), (tag, attrs)
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.open, self.getpos())

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(data: dict[str, Any]) -> Page:
    return Page(render(check(data)))


def with_every_text(value: Any, text: str) -> Any:
    """The report with `text` in place of every text that is free, keys of dicts included."""
    if isinstance(value, dict):
        fixed = {"unit", "better", "role", "status", "id"}
        return {
            k: v
            if k in fixed
            else with_every_text(v, text)
            if not _free(k, v)
            else {text: with_every_text(v, text)}
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [with_every_text(item, text) for item in value]
    return text if isinstance(value, str) else value


def _free(key: str, value: Any) -> bool:
    return key in {"reasons"} and isinstance(value, int)


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_models_write_is_shown_and_never_run(attack):
    harmless = page_of(with_every_text(largest(), "words"))
    page = page_of(with_every_text(largest(), attack))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    assert {n for _, a in page.tags for n in a if n.startswith("on")} == set()
    assert " ".join(attack.split()) in page.words


def test_keys_of_the_data_are_escaped_too():
    bad = "<b onclick=alert(1)>"
    data = smallest() | {
        "principles": {bad: compared(0.1, 0.9)},
        "sets": {bad: {"principles": {bad: compared(0.1, 0.9)}}},
        "judge": {bad: {"labels": 3}},
        "losses": {bad: 3},
        "costs": {bad: {"wall_s": 1.0}},
        "machine": {bad: bad},
        "packages": {bad: bad},
        "data": [{"title": bad, "kept": 3, "dropped": 1, "reasons": {bad: 1}}],
        "samples": [{"id": bad, "fields": {bad: bad}}],
    }
    page = page_of(data)
    assert page.all("b") == [{}] * len(page.all("b"))
    assert page.words.count(bad) >= 10


def test_control_and_direction_characters_become_visible_marks():
    data = smallest() | {"title": "a\x00b\u202ec\x1b[31m\ud83dd"}
    assert "a\ufffdb\ufffdc\ufffd[31m\ufffdd" in page_of(data).words


def test_the_page_loads_nothing_and_forbids_to():
    page = page_of(largest())
    for tag, attributes in page.tags:
        assert not {"src", "srcset", "action", "background", "poster", "data"} & set(attributes), tag
        assert attributes.get("href", "#").startswith("#")
    text = render(check(largest()))
    assert not re.findall(r"https?:|url\(|@import", text)
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_the_policy_lets_the_pages_own_style_and_script_through():
    import base64
    import hashlib

    text = render(check(largest()))
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text


@pytest.mark.parametrize("data", [largest(), smallest()], ids=["largest", "smallest"])
def test_the_page_is_well_formed_and_accessible(data):
    page = page_of(data)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for link in page.all("a"):
        assert link["href"][1:] in ids
    assert len(page.all("caption")) == len(page.all("table"))
    assert len(page.all("h1")) == 1
    assert page.all("html")[0]["lang"] == "en"
    drawings = [a for a in page.all("svg") if a.get("role") == "img"]
    assert all(a["aria-label"] for a in drawings)
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))


def test_parts_that_are_missing_leave_no_empty_section():
    whole = page_of(largest())
    sections = [a["id"] for a in whole.all("section")]
    assert sections == [
        *("principles", "targets", "tax", "training", "answers", "judges", "data", "table1", "cost", "again"),
    ]
    assert [a["id"] for a in page_of(smallest()).all("section")] == ["principles", "again"]
    assert "None" not in page_of(smallest()).words
    parts = set(largest()) - {"title", "run", "principles"}
    for part in parts:
        page = page_of({k: v for k, v in largest().items() if k != part})
        linked = [a["href"][1:] for a in page.all("a") if a["href"] != "#principles"]
        assert linked == [a["id"] for a in page.all("section")][1:], part


def test_the_page_says_what_was_measured():
    words = page_of(largest()).words
    for said in (
        "41.2% → 98.1%",
        "▲ better",
        "▼ worse",
        "no clear change",
        "n = 300",
        "at least 95%",
        "p < 0.001",
        "The weights of step 200 were kept: the held-out judge",
        "(an empty answer)",
        "truenorth why runs/harbour-micro 77aa12bc34de56f0",
        "2 min 21 s",
        "Refuses harmless look-alikes lower is better",
        "112 empty",
        "nats per answer",
    ):
        assert said in words, said


def test_people_read_titles_and_which_way_is_better_not_ids():
    data = largest()
    change = {"prompt": "Is it?", "base": "Yes.", "aligned": "No.", "principle": "look-alikes", "set": "far"}
    data["changes"] = {"better": [change], "worse": []}
    agreement = {"mean": 0.9, "low": 0.8, "high": 0.95, "n": 40}
    data["signals"] = [{"signal": "constitution", "principle": "honest", "agreement": agreement}]
    page = page_of(data)
    assert "far · Refuses harmless look-alikes (lower is better)" in page.words
    assert "constitution Say when you do not know 90.0%" in page.words
    assert "Kappa" not in page.words.split("training signals")[1]  # none was measured: no column of dashes


def test_abilities_of_several_sets_in_one_list_stand_under_no_sets_name():
    data = smallest() | {"set": "near", "sets": {"far": {"principles": {"kind": compared(0.5, 0.6)}}}}
    data["capability"] = {"sums_far": compared(0.9, 0.9, title="Sums (far)")}
    page = page_of(data)
    assert "near" not in page.words.split("Sums (far)")[0].split("facts and skills kept")[1]


def test_requests_that_were_sent_again_are_counted_but_not_as_lost():
    data = smallest() | {"losses": {"verdicts missing": 3, "requests retries": 140}}
    words = page_of(data).words
    assert "Lost on the way 3 " in words
    assert "requests retries 140" in words


def test_a_run_whose_name_a_shell_would_split_is_quoted_in_commands():
    data = largest() | {"run": "runs/my run; rm -rf"}
    assert "truenorth why 'runs/my run; rm -rf' 77aa" in page_of(data).words


def test_units_other_than_rates_have_their_own_scale_and_unit():
    story = {
        "base": {"mean": -0.21, "low": -0.25, "high": -0.17, "n": 200},
        "aligned": {"mean": 0.42, "low": 0.38, "high": 0.46, "n": 200},
        "paired": {"difference": 0.63, "low": 0.58, "high": 0.68, "p": 0.0},
        "unit": "VADER",
    }
    page = page_of(smallest() | {"principles": {"kind": story}})
    assert "−0.21 VADER → 0.42 VADER" in page.words
    assert "+0.63 VADER (+0.58 to +0.68)" in page.words
    assert "100%" not in page.words


def test_a_number_that_could_not_be_measured_is_a_dash_and_null(tmp_path):
    data = smallest()
    data["principles"]["kind"]["aligned"] = {"mean": float("nan"), "low": float("-inf"), "high": 1.0, "n": 0}
    data["principles"]["kind"]["paired"] = None
    write_report(data, tmp_path)
    stored = json.loads((tmp_path / "report.json").read_text(), parse_constant=lambda c: pytest.fail(c))
    assert stored["principles"]["kind"]["aligned"]["mean"] is None
    assert "50.0% → –" in Page((tmp_path / "report.html").read_text()).words


def test_written_reports_read_back_and_render_the_same(tmp_path):
    path = write_report(largest(), tmp_path / "a")
    again = write_report(json.loads((tmp_path / "a" / "report.json").read_text()), tmp_path / "b")
    assert again.read_bytes() == path.read_bytes()
    assert (tmp_path / "a" / "report.json").read_bytes() == (tmp_path / "b" / "report.json").read_bytes()
    stored = json.loads((tmp_path / "a" / "report.json").read_text())
    honest = stored["principles"]["honest"]
    assert {"mean", "low", "high", "n"} <= set(honest["base"]) & set(honest["aligned"])
    assert {"difference", "low", "high", "p"} <= set(honest["paired"])
    assert {"capability", "judge", "kl", "seconds"} <= set(stored)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"titel": "x"}, "titel: Extra inputs"),
        ({"principles": {"kind": {"base": 0.5}}}, "principles.kind.base"),
        (
            {"principles": {"kind": {"base": compared(0, 1)["base"]}}},
            "principles.kind.aligned: Field required",
        ),
        ({"seconds": "long"}, "seconds"),
        ({"curves": {"series": [{"title": "x", "role": "none", "points": []}]}}, "curves.series.0.role"),
    ],
)
def test_data_that_is_no_report_is_refused_with_its_place(tmp_path, change, said):
    with pytest.raises(UserError, match=re.escape(said)):
        write_report(smallest() | change, tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_curves_too_short_or_empty_to_draw_are_left_out():
    for points in ([], [(0, 0.5)], [(0, None), (1, None)]):
        data = smallest() | {"curves": {"series": [{"title": "x", "points": points}]}}
        assert "training" not in [a["id"] for a in page_of(data).all("section")]
    flat = smallest() | {"curves": {"series": [{"title": "x", "points": [(0, 0.5), (1, 0.5)]}]}}
    assert "training" in [a["id"] for a in page_of(flat).all("section")]
