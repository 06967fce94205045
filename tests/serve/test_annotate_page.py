"""The labelling page in a real browser: keys in, labels out; blind, escaped, and asking nothing of the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser import Browser
from samples import ASK, EVIL, MODELS, SUM, a_desk, answers, serving, work

from truenorth.base import write_jsonl
from truenorth.records.label_store import LabelStore
from truenorth.serve.gathering import gather_gold
from truenorth.serve.labelling import Criterion, Desk

KIND = Criterion("kind", "Kind", "Be kind to <everybody>.", "shop@1#abc")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return a_desk(tmp_path / "labels.sqlite", criterion=KIND)


@pytest.fixture
def page(desk: Desk, browser: Browser) -> Iterator[Browser]:
    """The page, opened by nobody so far; nothing may have been asked of anybody else by the end."""
    with serving(desk) as port:
        browser.open(f"http://127.0.0.1:{port}/")
        yield browser
        hosts = {urlsplit(address).netloc for address in browser.requests}
    assert hosts == {f"127.0.0.1:{port}"}
    assert browser.complaints == []


def enter(page: Browser, name: str) -> None:
    page.write(name)
    page.press("Enter")
    page.until(lambda: page.text("#answers .answer") or page.text("#finished"), "a task")


def shown(page: Browser) -> list[str]:
    """The texts of the answers, in the order of the page."""
    return page.ask("[...document.querySelectorAll('#answers .answer > .text')].map(e => e.textContent)")


def prompt(page: Browser) -> str:
    return page.ask("document.querySelector('#prompt .text').textContent")


def kept(page: Browser, desk: Desk, n: int) -> None:
    page.until(lambda: len(desk.store.labels()) == n and page.text("#said").startswith("kept"), f"{n} labels")
    page.until(lambda: not page.ask("busy"), "the page to go on")
    page.until(lambda: page.ask("performance.now() - lost > BURST_MS"), "a pause")


def text_of(answer: str) -> str:
    return work().answers[answer].data["completion"]


def rank_all(page: Browser, desk: Desk, best: list[str]) -> None:
    """Rank the task on the page by keys: the answers in the order of `best`."""
    before = len(desk.store.labels())
    places = [shown(page).index(text) for text in best if text in shown(page)]
    page.press(*[str(place + 1) for place in places[: 1 if len(places) == 2 else None]])
    kept(page, desk, before + 1)


def test_answers_are_ranked_by_keys_and_the_ranking_is_that_of_the_texts(page: Browser, desk: Desk):
    order = ["5", "6", "A sloop, the Dunlin.", "The Dunlin.", EVIL]
    enter(page, "ann")
    assert page.text("#count") == "0 of 2"
    for _ in range(2):
        rank_all(page, desk, order)
    assert page.text("#finished").startswith("All done")
    ranked = {x.task: [[text_of(a) for a in tier] for tier in x.value] for x in desk.store.labels()}
    boat, total = (task.id for task in work().tasks)
    assert ranked == {boat: [[order[2]], [order[3]], [order[4]]], total: [["5"], ["6"]]}
    assert {x.principle for x in desk.store.labels()} == {"kind"}
    assert all(x.seconds is not None and x.seconds < 60 for x in desk.store.labels())


def test_ties_are_said_with_the_equals_key(page: Browser, desk: Desk):
    enter(page, "ann")
    for n in (1, 2):
        two = len(shown(page)) == 2
        first = shown(page)
        page.press(*("=" if two else "2=1"))
        if not two:
            page.press("Enter")  # the third one follows
        kept(page, desk, n)
        said = [[text_of(a) for a in tier] for tier in desk.store.labels()[-1].value]
        assert said == ([first] if two else [[first[1], first[0]], [first[2]]])


def test_ratings_approval_flags_edits_skips_and_undoing_go_by_keys(page: Browser, desk: Desk):
    enter(page, "ann")
    page.ask("document.querySelector('[data-ask=rate][role=tab]').click()")
    page.until(lambda: page.text("#question").startswith("How good"), "the other question")
    texts = shown(page)
    page.press("4")
    kept(page, desk, 1)
    page.press("ArrowLeft", "f")
    page.write("rude <b>")
    page.press("Enter")
    kept(page, desk, 2)
    page.press("e")
    page.press("Control+Enter")  # as it is
    kept(page, desk, 3)
    rate, flag, edit = desk.store.labels()
    assert (rate.kind, rate.value, text_of(rate.answer)) == ("rate", 4, texts[0])
    assert (flag.kind, flag.value, text_of(flag.answer)) == ("flag", "rude <b>", texts[0])
    assert (edit.kind, edit.value, text_of(edit.answer)) == ("edit", texts[0], texts[0])
    page.press("u")
    page.until(lambda: page.text("#said") == "took back: edit", "the undoing")
    page.press("s")
    kept(page, desk, 3)
    assert desk.store.labels()[-1].kind == "skip"
    assert page.text("#count") == "1 of 2"
    page.ask("document.querySelector('[data-ask=approve][role=tab]').click()")
    page.until(lambda: page.text("#question").startswith("Is the"), "the third question")
    n = len(shown(page))
    for i in range(n):
        page.press("y" if i == 0 else "n")
        kept(page, desk, 4 + i)
    votes = [x.value for x in desk.store.labels() if x.kind == "approve"]
    assert votes == [True] + [False] * (n - 1)


def test_an_escaped_edit_keeps_nothing(page: Browser, desk: Desk):
    enter(page, "ann")
    page.press("e")
    page.write("xyz 1 2 s u")
    page.press("Escape")
    page.until(lambda: not page.ask("document.querySelectorAll('textarea').length"), "the field to go")
    assert desk.store.labels() == []


def test_nothing_in_the_page_says_which_model_wrote_what(page: Browser, desk: Desk):
    enter(page, "ann")
    page.press("f")
    page.press("Enter")
    kept(page, desk, 1)
    source = page.ask("document.documentElement.outerHTML + JSON.stringify(task)")
    assert not [model for model in MODELS if model in source]
    assert not [row.id for rows in answers().values() for row in rows if row.id in source]


def test_what_a_model_wrote_is_text_and_no_markup(page: Browser, desk: Desk):
    enter(page, "ann")
    while prompt(page) != ASK:
        page.press("s")
        kept(page, desk, 1)
    assert EVIL in shown(page)
    assert page.ask("document.querySelectorAll('main script, main img').length") == 0
    assert page.ask("document.title") == "truenorth annotate"
    assert "Be kind to <everybody>." in page.text(".criterion")


def test_two_people_see_orders_of_their_own_and_their_agreement(page: Browser, desk: Desk):
    boat = work().tasks[0].id
    names = [f"person {i}" for i in range(20)]
    other = next(name for name in names if desk.order(name, boat) != desk.order("ann", boat))
    seen = {}
    for name in ("ann", other):
        enter(page, name)
        for _ in range(2):
            if prompt(page) == ASK:
                seen[name] = shown(page)
            rank_all(page, desk, ["5", "6", "A sloop, the Dunlin.", "The Dunlin.", EVIL])
        if name == "ann":
            assert "nobody else" in page.text("#agreement")
            page.ask("leave()")
            page.until(lambda: page.ask("document.readyState == 'complete' && !annotator"), "the first page")
    assert sorted(seen["ann"]) == sorted(seen[other])
    assert seen["ann"] != seen[other]
    assert "same 100% of 4 pairs, 2 people" in page.text("#agreement")


def test_whoever_reloads_the_page_goes_on_where_they_were(page: Browser, desk: Desk):
    enter(page, "ann")
    first = prompt(page)
    rank_all(page, desk, ["5", "6", "A sloop, the Dunlin.", "The Dunlin.", EVIL])
    page.ask("location.reload()")
    page.until(lambda: page.ask("document.readyState == 'complete' && !annotator"), "the first page")
    assert page.ask("document.getElementById('name').value") == "ann"
    page.press("Enter")
    page.until(lambda: page.text("#answers .answer"), "a task")
    assert {first, prompt(page)} == {ASK, SUM}
    assert page.text("#count") == "1 of 2"


def test_keys_that_come_too_early_do_nothing_at_all(page: Browser, desk: Desk):
    """Of "rude", typed for a flag whose key came too early, the "u" would undo and the "e" edit."""
    enter(page, "ann")
    page.ask("busy = true")
    page.press(*"frude")
    page.ask("busy = false")
    page.press("u")
    assert page.text("#said").startswith("too fast")
    assert page.ask("writing") is None
    assert desk.store.labels() == []


def test_a_server_that_is_gone_is_said_and_nothing_seems_kept(desk: Desk, browser: Browser):
    with serving(desk) as port:
        browser.open(f"http://127.0.0.1:{port}/")
        enter(browser, "ann")
    before = prompt(browser)
    browser.press("s")
    browser.until(lambda: "the server does not answer" in browser.text("#said"), "the message")
    assert prompt(browser) == before
    assert desk.store.labels() == []


def test_the_keys_at_the_foot_of_the_page_can_be_clicked_instead(page: Browser, desk: Desk):
    enter(page, "ann")
    page.ask("document.querySelectorAll('#answers .nth')[1].click()")
    if len(shown(page)) == 3:
        page.ask("document.querySelectorAll('#answers .nth')[0].click()")
        page.ask(
            "[...document.querySelectorAll('#keys button')].find(b => b.innerText.includes('follows')).click()"
        )
    kept(page, desk, 1)
    [label] = desk.store.labels()
    order = desk.order("ann", label.task)
    assert [tier[0] for tier in label.value][:2] == [order[1], order[0]]


def test_practice_is_told_and_stops_whoever_does_not_pass(tmp_path: Path, browser: Browser):
    rows = [{"prompt": f"{i}?", "chosen": f"Right {i}.", "rejected": f"Wrong {i}."} for i in range(2)]
    gold = gather_gold(write_jsonl(tmp_path / "gold.jsonl", rows))
    desk = Desk(LabelStore(tmp_path / "l.sqlite"), work().with_gold(gold), practice=2)
    with serving(desk) as port:
        browser.open(f"http://127.0.0.1:{port}/")
        for name, prefix in (("ann", "Right"), ("bob", "Wrong")):
            enter(browser, name)
            assert browser.text("#count") == "practice, 0 of 2"
            before = len(desk.store.labels())
            browser.press(str([text.startswith(prefix) for text in shown(browser)].index(True) + 1))
            kept(browser, desk, before + 1)
            assert browser.text("#lesson").startswith(
                "Right: " if name == "ann" else "Known to be otherwise: "
            )
            assert bool(browser.text("#answers .answer")) == (name == "ann")
            browser.ask("leave()")
            browser.until(
                lambda: browser.ask("document.readyState == 'complete' && !annotator"), "the first page"
            )
        enter(browser, "bob")
        assert browser.text("#finished").startswith("The practice was not passed.")
