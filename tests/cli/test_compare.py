"""`truenorth compare`: every format, pairing, slices, gates, the page; with answers known beforehand."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest
from rich.console import Console
from scipy import stats as scipy_stats

from truenorth.base import UserError, names
from truenorth.cli.main import main
from truenorth.measure.readers import Result, Scored, read_results
from truenorth.recipes.compare import compare_results
from truenorth.recipes.compare_gate import Claim, claim_of, decide
from truenorth.recipes.compare_page import compare_page
from truenorth.recipes.compare_table import pairs_table


def rows(scores, metric="helpful", **slices):
    return [
        Scored(f"q{i}", metric, s, f"q{i}", {k: v[i] for k, v in slices.items()})
        for i, s in enumerate(scores)
    ]


def results(a, b, *, lower=(), **slices):
    return [
        Result("A", "a.csv", rows(a, **slices), lower=frozenset(lower)),
        Result("B", "b.csv", rows(b, **slices), lower=frozenset(lower)),
    ]


def write_csv(path: Path, system: str, scores) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "system", "score", "topic"])
        writer.writerows((i, system, s, "even" if i % 2 == 0 else "odd") for i, s in enumerate(scores))
    return path


GOOD, BAD = [1] * 90 + [0] * 10, [1] * 60 + [0] * 40


def test_the_difference_is_paired_by_item_and_its_p_is_mcnemars():
    """30 items gained, none lost of 100: difference 0.3, p = 2 / 2^30."""
    pair = compare_results(results(BAD, GOOD)).pairs[0]
    assert pair.test.difference == pytest.approx(0.3)
    assert pair.test.p == pytest.approx(2 * 0.5**30)
    assert (pair.verdict, pair.more, pair.paired) == ("better", 0, True)


def test_items_may_come_in_any_order_and_those_of_one_system_only_are_counted():
    first, second = results(BAD, GOOD)
    turned = second._replace(rows=[*second.rows[::-1], Scored("extra", "helpful", 1.0)])
    pair = compare_results([first, turned]).pairs[0]
    assert pair.test == compare_results([first, second]).pairs[0].test
    assert (pair.only_first, pair.only_second) == (0, 1)


def test_swapping_the_systems_negates_the_difference_and_keeps_p():
    one = compare_results(results(BAD, GOOD)).pairs[0].test
    two = compare_results(results(GOOD, BAD)).pairs[0].test
    assert (two.difference, two.low, two.high, two.p) == pytest.approx(
        (-one.difference, -one.high, -one.low, one.p)
    )


def test_unpaired_two_proportion_test_misses_what_pairing_finds():
    """The case of lm-eval issue 3831: 12 of 400 items lost, 1 gained."""
    a = [1] * 240 + [0] * 160
    b = [0] * 12 + [1] * 228 + [1] + [0] * 159
    pair = compare_results(results(a, b)).pairs[0]
    unpaired = scipy_stats.ttest_ind(a, b).pvalue
    assert unpaired > 0.3
    assert pair.p_holm < 0.01
    assert pair.verdict == "worse"


def test_where_chance_could_explain_it_the_items_that_would_settle_it_do():
    """30 items gained, 22 lost of 200: (1.96 + 0.8416)^2 (0.26 - 0.0016) / 0.04^2 = 1268 items in all, less 200."""
    a, b = [0] * 30 + [1] * 22 + [1] * 148, [1] * 30 + [0] * 22 + [1] * 148
    pair = compare_results(results(a, b)).pairs[0]
    assert pair.verdict == "cannot tell"
    assert pair.more == pytest.approx(1068, rel=0.1)  # the interval is a little wider than the plain one


def test_samples_of_an_item_are_averaged_and_do_not_count_as_items():
    first, second = results([0, 1, 1, 0] * 5, [1, 1, 1, 0] * 5)
    many = [r._replace(rows=r.rows * 7) for r in (first, second)]
    assert compare_results(many).pairs[0].test == compare_results([first, second]).pairs[0].test


def test_slices_are_tested_apart_and_corrected_together():
    topic = ["x"] * 50 + ["y"] * 50
    a, b = [0] * 100, [1] * 20 + [0] * 30 + [0] * 50
    pair = compare_results(results(a, b, topic=topic)).pairs[0]
    by_value = {part.value: part for part in pair.slices}
    assert by_value["x"].test.difference == pytest.approx(0.4)
    assert by_value["x"].p_holm == pytest.approx(2 * by_value["x"].test.p)
    assert by_value["y"].test.difference == 0


def test_unscored_items_are_left_out_counted_and_bounded():
    """10 of 100 without a score in B; at worst those of A's right ones are lost, at best all are won."""
    pair = compare_results(results(BAD, [None] * 10 + GOOD[10:])).pairs[0]
    assert (pair.unscored, pair.test.n) == (10, 90)
    assert pair.worst == pytest.approx(0.2)
    assert pair.best == pytest.approx(0.3)


def test_no_item_in_common_is_compared_unpaired_and_says_so():
    first, second = results(BAD, GOOD)
    other = second._replace(
        rows=[row._replace(item="x" + row.item, cluster="x" + row.cluster) for row in second.rows]
    )
    pair = compare_results([first, other]).pairs[0]
    assert not pair.paired
    assert pair.test.difference == pytest.approx(0.3)
    assert pair.test.low > 0


def test_every_pair_of_three_is_corrected_together():
    three = [*results(BAD, GOOD), Result("C", "c", rows([1, 0] * 50))]
    found = compare_results(three, every_pair=True)
    assert [(p.first, p.second) for p in found.pairs] == [("A", "B"), ("A", "C"), ("B", "C")]
    assert found.pairs[0].p_holm == pytest.approx(3 * found.pairs[0].test.p)
    assert len(compare_results(three).pairs) == 2


def test_one_system_and_no_metric_in_common_are_refused():
    with pytest.raises(UserError, match="only one system"):
        compare_results(results(BAD, GOOD)[:1])
    other = Result("B", "b", rows(GOOD, metric="other"))
    with pytest.raises(UserError, match="no metric in common"):
        compare_results([results(BAD, GOOD)[0], other])


def test_a_metric_that_nobody_has_is_refused_wherever_it_is_named():
    """A misspelt --lower would turn no verdict around, and nobody would know."""
    with pytest.raises(UserError, match="--lower: no metric 'helpfull'; expected one of helpful"):
        compare_results(results(BAD, GOOD), lower=["helpfull"])
    with pytest.raises(UserError, match="--metric: no metric 'helpfull'; expected one of helpful"):
        compare_results(results(BAD, GOOD), metrics=["helpfull"])


def test_a_margin_as_wide_as_the_scale_is_no_claim():
    """non-inferior:helpful:2 for 2pp: 200 points, which every system keeps."""
    compared = compare_results(results(GOOD, BAD))
    with pytest.raises(UserError, match="a margin of 200 points of a share; write 2pp for points"):
        decide([claim_of("non-inferior:helpful:2")], compared)
    assert decide([claim_of("non-inferior:helpful:2pp")], compared)[0].met is False
    tokens = compare_results(results([60 + x for x in GOOD], [61 + x for x in GOOD]))
    assert decide([claim_of("non-inferior:helpful:2")], tokens)[0].met is True


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_cuts_no_word_off(width):
    out = io.StringIO()
    table = pairs_table(compare_results(results([1, 0, 1, 1] * 3, [0, 1, 1, 0] * 3)))
    Console(file=out, width=width).print(table)
    assert "…" not in out.getvalue()
    assert "cannot" in out.getvalue()


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("non-inferior:helpful:2pp", Claim("non-inferior", "helpful", 0.02)),
        ("non-inferior:acc,none:0.05", Claim("non-inferior", "acc,none", 0.05)),
        ("equivalent:probe:dan:5%", Claim("equivalent", "probe:dan", 0.05)),
        ("superior:win rate", Claim("superior", "win rate")),
    ],
)
def test_claims_are_read(text, claim):
    assert claim_of(text) == claim


@pytest.mark.parametrize(
    "text", ["non-inferior", "better:x", "non-inferior:x", "non-inferior:x:0pp", "superior"]
)
def test_claims_that_cannot_be_read_are_refused(text):
    with pytest.raises(UserError, match="not a claim"):
        claim_of(text)


@pytest.mark.parametrize(
    ("a", "b", "claim", "met"),
    [
        (BAD, GOOD, "superior:helpful", True),
        (GOOD, BAD, "superior:helpful", False),
        (GOOD, GOOD, "superior:helpful", None),
        (GOOD * 10, GOOD * 10, "non-inferior:helpful:2pp", True),
        (GOOD, BAD, "non-inferior:helpful:2pp", False),
        (GOOD * 20, ([0] * 2 + GOOD[2:]) * 20, "non-inferior:helpful:2pp", None),  # lost 2 points of 2
        (GOOD * 20, ([0] * 2 + GOOD[2:]) * 20, "non-inferior:helpful:4pp", True),
        (GOOD * 20, ([0] * 3 + GOOD[3:]) * 20, "non-inferior:helpful:2pp", False),
        (GOOD[85:], GOOD[85:], "non-inferior:helpful:2pp", None),
        (GOOD * 10, GOOD * 10, "equivalent:helpful:2pp", True),
        (GOOD, BAD, "equivalent:helpful:2pp", False),
    ],
)
def test_claims_are_decided_by_the_interval(a, b, claim, met):
    assert [d.met for d in decide([claim_of(claim)], compare_results(results(a, b)))] == [met]


def test_where_less_is_better_claims_and_verdicts_turn_around():
    compared = compare_results(results(GOOD, BAD, lower=["helpful"]))
    assert compared.pairs[0].verdict == "better"
    assert decide([claim_of("superior:helpful")], compared)[0].met
    other = compare_results(results(BAD, GOOD, lower=["helpful"]))
    assert decide([claim_of("non-inferior:helpful:2pp")], other)[0].met is False


def test_the_command_prints_a_table_json_and_a_page_and_its_status_is_the_gate(tmp_path, capsys):
    a, b = write_csv(tmp_path / "a.csv", "old", BAD), write_csv(tmp_path / "b.csv", "new", GOOD)
    page = tmp_path / "page.html"
    assert main(["compare", str(a), str(b), "--html", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "better" in printed
    assert "settled" in printed
    assert "<script" not in page.read_text()
    assert main(["compare", str(a), str(b), "--json", "--require", "non-inferior:score:2pp"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pairs"][0]["test"]["difference"] == pytest.approx(0.3)
    assert told["claims"][0]["met"] is True
    assert main(["compare", str(b), str(a), "--require", "non-inferior:score:2pp"]) == 1
    assert main(["compare", str(a), "--require", "nonsense"]) == 2
    assert main(["compare", str(a), str(tmp_path / "missing.csv")]) == 2


def test_names_from_files_are_escaped_on_the_page():
    evil = "<img src=x onerror=alert(1)>"
    found = compare_results(
        [Result(evil, evil, rows(BAD, metric=evil)), Result("B", "b", rows(GOOD, metric=evil))]
    )
    page = compare_page(found)
    assert evil not in page
    assert "&lt;img" in page
    assert "http" not in page.replace("http-equiv", "")


def inspect_log(scores) -> dict:
    samples = [
        {"id": i, "epoch": e, "scores": {"match": {"value": v}}, "metadata": {"topic": "t"}}
        for i, v in enumerate(scores)
        for e in (1, 2)
    ]
    return {
        "version": 2,
        "status": "success",
        "eval": {"task": "t", "model": "m", "eval_id": "e"},
        "samples": samples,
    }


def test_inspect_logs_are_read_plain_and_packed(tmp_path):
    log = inspect_log(["C", "I", "P", "N"])
    plain = tmp_path / "log.json"
    plain.write_text(json.dumps(log))
    packed = tmp_path / "log.eval"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({k: v for k, v in log.items() if k != "samples"}))
        for s in log["samples"]:
            archive.writestr(f"samples/{s['id']}_epoch_{s['epoch']}.json", json.dumps(s))
    for path in (plain, packed):
        (found,) = read_results(path)
        assert found.system == "m"
        assert [row.score for row in found.rows[::2]] == [1.0, 0.0, 0.5, None]
        assert len({row.item for row in found.rows}) == 4


def test_zstandard_members_of_inspect_logs_are_read(tmp_path):
    """A zip as inspect writes since 0.3.206, its method number 93 put in by hand."""
    import pyarrow

    log = inspect_log(["C"])
    header = json.dumps({k: v for k, v in log.items() if k != "samples"}).encode()
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        packed = pyarrow.compress(header, "zstd", asbytes=True)
        archive.writestr("header.json", packed)
        archive.writestr("samples/0.json", json.dumps(log["samples"][0]))
    raw = bytearray(path.read_bytes())
    raw[8:10] = (93).to_bytes(2, "little")  # local header: method, then the unpacked size
    raw[22:26] = len(header).to_bytes(4, "little")
    central = raw.index(b"PK\x01\x02")
    raw[central + 10 : central + 12] = (93).to_bytes(2, "little")
    raw[central + 24 : central + 28] = len(header).to_bytes(4, "little")
    path.write_bytes(raw)
    assert read_results(path)[0].rows[0].score == 1.0


def test_lm_eval_samples_are_read_from_files_and_folders(tmp_path):
    folder = tmp_path / "model_a"
    folder.mkdir()
    lines = [
        {"doc_id": i, "doc": {}, "target": 0, "arguments": [], "resps": [], "filtered_resps": [], "acc": i % 2,
         "filter": "none", "metrics": ["acc"], "doc_hash": f"h{i}"}
        for i in range(4)
    ]  # fmt: skip
    file = folder / "samples_bbq_2026-01-01T00-00-00.000000.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    for path in (folder, file):
        (found,) = read_results(path)
        assert found.system == "model_a"
        assert [(r.item, r.metric, r.score) for r in found.rows[:2]] == [
            ("bbq/h0", "acc", 0.0),
            ("bbq/h1", "acc", 1.0),
        ]
    whole = tmp_path / "results.json"
    whole.write_text(json.dumps({"results": {}, "n-shot": {}, "model_name": "m", "samples": {"bbq": lines}}))
    assert len(read_results(whole)[0].rows) == 4
    whole.write_text(json.dumps({"results": {}, "n-shot": {}}))
    with pytest.raises(UserError, match="log_samples"):
        read_results(whole)


def test_alpaca_eval_annotations_and_leaderboards_are_read(tmp_path):
    path = tmp_path / "annotations.json"
    told = [1.0, 2.0, 1.5, 0, 1.75, None]
    path.write_text(
        json.dumps(
            [
                {"instruction": f"i{k}", "generator_1": "base", "generator_2": "mine", "preference": p}
                for k, p in enumerate(told)
            ]
        )
    )
    (found,) = read_results(path)
    assert found.system == "mine"
    assert [row.score for row in found.rows] == [0.0, 1.0, 0.5, 0.5, 0.75, None]
    board = tmp_path / "leaderboard.csv"
    board.write_text(",win_rate,standard_error,n_total\na,50.0,1.0,805\nb,60.0,1.0,805\n")
    pair = compare_results(read_results(board)).pairs[0]
    assert pair.test.difference == pytest.approx(0.1)
    assert pair.test.high - pair.test.difference == pytest.approx(1.96 * 0.01 * 2**0.5, rel=1e-3)


def test_arena_hard_games_are_two_samples_of_a_question_with_sides_swapped(tmp_path):
    """Game 1 shows the baseline as A: B>A is a win. Game 2 shows the model as A: A>>B is a win."""
    path = tmp_path / "judgements.jsonl"
    games = [
        [{"score": "B>A"}, {"score": "A>>B"}],
        [{"score": "A=B"}, {"score": "B>A"}],
        [{"score": None}, None],
    ]
    path.write_text(
        "\n".join(
            json.dumps({"uid": f"u{k}", "model": "m", "judge": "j", "games": g}) for k, g in enumerate(games)
        )
    )
    (found,) = read_results(path)
    assert [row.score for row in found.rows] == [1.0, 1.0, 0.5, 0.0, None, None]


def test_harmbench_labels_are_read_and_unreadable_ones_have_no_score(tmp_path):
    path = tmp_path / "llama.json"
    labels = {"b1": [1, 0], "b2": [-1]}
    path.write_text(
        json.dumps(
            {b: [{"test_case": "t", "generation": "g", "label": x} for x in xs] for b, xs in labels.items()}
        )
    )
    (found,) = read_results(path)
    assert [row.score for row in found.rows] == [1.0, 0.0, None]
    assert found.lower == {"attack success"}


def test_garak_reports_are_read_prompt_by_prompt(tmp_path):
    path = tmp_path / "garak.report.jsonl"
    entries = [
        {"entry_type": "start_run setup", "plugins.target_name": "gpt2", "run.eval_threshold": 0.5},
        {"entry_type": "attempt", "status": 1, "probe_classname": "dan.Dan", "prompt": "p", "detector_results": {}},
        {"entry_type": "attempt", "status": 2, "probe_classname": "dan.Dan", "prompt": "p",
         "detector_results": {"mitigation.Bypass": [1.0, 0.2, None]}},
        {"entry_type": "eval", "probe": "dan.Dan", "passed": 1},
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, entries)))
    (found,) = read_results(path)
    assert found.system == "gpt2"
    assert [row.score for row in found.rows] == [1.0, 0.0, None]
    assert len({row.item for row in found.rows}) == 1


def test_plain_tables_are_read_from_csv_json_and_gzipped_lines(tmp_path):
    table = [
        {"id": i, "model": m, "correct": i % 2 == 0, "topic": "t", "text": f"long {i}"}
        for i in range(4)
        for m in "ab"
    ]
    packed = tmp_path / "t.jsonl.gz"
    with gzip.open(packed, "wt") as file:
        file.write("\n".join(map(json.dumps, table)))
    plain = tmp_path / "t.json"
    plain.write_text(json.dumps(table))
    for path in (packed, plain):
        found = read_results(path)
        assert [r.system for r in found] == ["a", "b"]
        assert [row.score for row in found[0].rows] == [1.0, 0.0, 1.0, 0.0]


def test_our_own_runs_are_read_by_set_and_model(tmp_path):
    from truenorth.engine import Run
    from truenorth.measure import Answer, Item
    from truenorth.measure import Scores as Both
    from truenorth.records import Completion

    def answered(name, score):
        answers = tuple(
            Answer(Item(f"i{k}", "p", "kind", f"c{k // 2}"), 0, 1, Completion("x"), score(k), "judge")
            for k in range(6)
        )
        return Both(name, answers).rows()

    with Run.open(tmp_path / "run", config={}) as run:
        run.step("conduct-near-base", ["b"], lambda: answered("m", lambda k: 0.0))
        run.step("conduct-near-aligned", ["a"], lambda: answered("m2", lambda k: None if k == 5 else 1.0))
    base, aligned = sorted(read_results(tmp_path / "run"), key=lambda r: r.system != "run/base")
    pair = compare_results([base, aligned]).pairs[0]
    assert (pair.metric, pair.unscored, pair.test.difference) == ("kind", 1, 1.0)
    assert aligned.rows[0].cluster == "c0"


def test_files_that_nobody_knows_are_refused_with_the_readers_there_are(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"\x00\x01")
    with pytest.raises(UserError, match="garak, harmbench"):
        read_results(path)


def test_every_reader_is_on_the_page_about_comparing():
    text = (Path(__file__).parents[2] / "docs" / "comparing.md").read_text()
    assert [name for name in names("truenorth.measure.readers") if f"`{name}`" not in text] == []
