"""Constraints of CFBench's kinds: each kept and broken in several languages, and the three metrics over them."""

import json
import math

import pytest

from truenorth.base import UserError
from truenorth.judges import ConstraintsJudge
from truenorth.judges._constraints import ALL, CONSTRAINTS, keeps
from truenorth.judges._counting import count_sentences, count_words, items_of, paragraphs_of, times
from truenorth.judges._formats import ELEMENTS, within
from truenorth.judges._kinds import KINDS, PRIMARY, plain_count
from truenorth.judges.cfbench import Criterion, Item, cfbench_scores, item_of, read_items, satisfied
from truenorth.judges.spec import open_judge
from truenorth.models.scripted import ScriptedModel
from truenorth.records import Group, Judgement, prompt_text

TABLE = "| name | sum |\n|---|--:|\n| Ann | 3 |\n| Bo | 4 |"
CASES = [  # constraint, settings, an answer that keeps it, one that breaks it
    ("content:include", {"words": ["cat", "dog"]}, "A CAT, a dog.", "Cats and a dog."),
    ("content:include", {"words": "手机", "least": 2, "most": 2}, "手机和手机壳", "手机手机手机"),
    ("content:include", {"words": "की"}, "उस की नाव", "नाव कीमती है"),
    ("content:include", {"words": "C++"}, "Write C++ code", "Write C code"),
    ("content:include", {"words": "iPhone"}, "我用iPhone拍照", "我用iPhones拍照"),
    ("content:any_of", {"words": ["rot", "grün", "blau"], "least": 2}, "Rot und blau.", "Rot und rötlich."),
    ("content:exclude", {"words": ["首先", "但是"]}, "然后我走了。", "我走了，但是没到。"),
    ("content:exclude", {"words": ["never"]}, "Nevertheless.", "I NEVER do."),
    ("content:scripts", {"only": "han"}, "只有汉字，和标点。", "只有汉字 abc"),
    ("content:scripts", {"only": ["cyrillic", "latin"]}, "да, yes 3", "да, 是"),
    ("content:scripts", {"none": "latin"}, "Только так, 3.", "Только so."),
    ("content:element", {"element": "number", "least": 2, "most": 2}, "3 and 4.5", "3, 4 and 5"),
    ("content:element", {"element": "punctuation", "most": 0}, "没有 标点", "有，标点。"),
    ("numerical:words", {"least": 3, "most": 3}, "Don't look back", "Do look back now"),
    ("numerical:words", {"most": 5}, "我爱 New York", "我爱的 New York 市"),
    ("numerical:words", {"least": 5, "most": 5}, "हिंदी में पाँच शब्द हैं।", "हिंदी में चार शब्द।"),
    ("numerical:words", {"least": 4}, "Ça n'est pas l'idée mère", "Ça n'est pas"),
    ("numerical:characters", {"most": 5}, "ab c\nd", "abc def"),
    ("numerical:characters", {"least": 4}, "ไทยดี", "ไทย"),
    ("numerical:sentences", {"least": 2, "most": 2}, "Dr. Ann has 3.5 boats. So?", "One. Two. Three."),
    ("numerical:sentences", {"least": 3, "most": 3}, "你好。真的吗？是！", "你好，真的，是。"),
    ("numerical:sentences", {"least": 2}, "वह आया। वह गया।", "वह आया और गया।"),
    ("numerical:sentences", {"least": 2}, "هل هو هنا؟ نعم.", "هل هو هنا؟"),
    ("numerical:paragraphs", {"least": 2, "most": 2}, "# Head\n\nOne\nstill one.\n\nTwo.", "One.\n\nTwo.\n\nThree."),
    ("numerical:paragraphs", {"least": 2, "most": 2}, "第一段。\n第二段。", "只有一段。"),
    ("numerical:lines", {"least": 4, "most": 4}, "a\nb\n\nc\nd", "a\nb\nc"),
    ("numerical:items", {"least": 2, "most": 2}, "So:\n- one\n- two", "1. one\n2. two\n3) three"),
    ("numerical:items", {"least": 2, "most": 2}, "一、苹果\n二、梨", "（1）苹果\n（2）梨\n（3）桃"),
    ("numerical:documents", {"least": 2, "most": 2}, "One\n---\nTwo", "One\n---\nTwo\n***\nThree"),
    ("numerical:documents", {"least": 2, "mark": "[next]"}, "One\n[next]\nTwo", "One\n---\nTwo"),
    ("numerical:each", {"part": "line", "unit": "characters", "least": 5, "most": 5}, "床前明月光\n疑是地上霜", "床前"),
    ("numerical:each", {"part": "sentence", "most": 3}, "One two three. Four.", "One. Two three four five."),
    ("numerical:each", {"part": "paragraph", "unit": "sentences", "least": 2}, "Plan b. So.\n\nNo. Do I? Yes.", "So."),
    ("format:json", {}, '```json\n{"a": 1}\n```', "a: 1"),
    ("format:json", {"schema": {"required": ["名"]}}, '{"名": "李"}', '{"a": "李"}'),
    ("format:table", {}, "Here:\n" + TABLE, "name, sum\nAnn, 3"),
    ("format:table", {"columns": ["name", "sum"], "rows": 2}, TABLE, TABLE + "\n| Cy | 5 |"),
    ("format:table", {"columns": ["name"]}, "| name |\n|---|\n| Ann |", TABLE),
    ("format:headings", {"least": 1, "most": 1, "level": 2}, "# A\n## B\nText", "# A\n## B\n## C"),
    ("format:code_block", {}, "So:\n```\nx\n```", "So: `x`"),
    ("format:code_block", {"language": "Python"}, "```python\nx\n```", "```js\nx\n```"),
    ("format:tags", {"tags": ["b", "i"]}, '<b class="x">so</b> <i>it</i>', "<b>so</b> <i>it"),
    ("format:plain", {}, "Just 3 * 4 - 2 words, #1 of them.", "Some **bold** words."),
    ("format:plain", {}, "One line.", "- one\n- two"),
    ("format:plain", {}, "A | B", TABLE),
    ("format:plain", {}, "#tag", "# Head"),
    ("format:starts_with", {"phrase": "Liebe Anna"}, " liebe Anna, ...", "Hallo, liebe Anna"),
    ("format:ends_with", {"phrase": ["再见。", "Bye."]}, "走了，再见。 ", "再见。走了"),
    ("format:template", {"pattern": r"\d{4}-\d{2}"}, " 2024-05 ", "In 2024-05"),
    ("linguistic:language", {"language": "fr"}, "Le bateau est dans le port.", "The boat is in the harbour."),
    ("linguistic:sentence_kind", {"mark": "question", "least": 1, "most": 1}, "Why? So.", "Why? How?"),
    ("linguistic:sentence_kind", {"mark": "exclamation", "least": 1}, "“走！” 他说。", "走。"),
    ("linguistic:case", {"case": "lower"}, "all small, é 3", "Not all"),
    ("linguistic:case", {"case": "title"}, "The 3rd “Big Boat”", "The 3rd big Boat"),
    ("linguistic:acrostic", {"letters": "sea"}, "Salt\n*Every* day\nall", "Salt\nAll\nEvery"),
    ("linguistic:acrostic", {"letters": "春风"}, "春天\n风来", "风来\n春天"),
    ("linguistic:first_letter", {"letter": "s"}, "She sells seven shells.", "She sells many shells."),
    ("linguistic:line_endings", {"endings": ["ight", "ite"]}, "the night,\nso white!", "the night\nthe day"),
    ("inverse:not", {"constraint": "content:element", "settings": {"element": "emoji"}}, "Well.", "Well 🙂"),
    ("inverse:not", {"constraint": "punctuation:no_comma"}, "One, two.", "One and two."),
    ("rule:order", {"words": ["erst", "dann", "zuletzt"]}, "Erst dies, dann das, zuletzt nichts", "Dann erst zuletzt"),
    ("rule:replaced", {"old": "我", "new": "小明"}, "小明爱吃苹果", "我是小明"),
    ("rule:choice", {"options": ["yes", "non", "是"]}, "**Yes.**", "Yes, it is"),
]  # fmt: skip


@pytest.mark.parametrize(("constraint", "settings", "kept", "broken"), CASES)
def test_a_constraint_is_kept_by_one_answer_and_broken_by_another(constraint, settings, kept, broken):
    assert keeps(constraint, kept, settings) is True
    assert keeps(constraint, broken, settings) is False
    assert keeps(constraint, " \n", settings) is False


def test_every_constraint_is_tried_and_stands_in_one_kind_of_its_category():
    assert {name for name, *_ in CASES} == set(CONSTRAINTS)
    placed = [(name, kind) for kind, k in KINDS.items() for name in k.checks]
    assert sorted(name for name, _ in placed) == sorted(CONSTRAINTS)
    assert all(name.partition(":")[0] == kind.partition(":")[0] for name, kind in placed)
    assert not set(CONSTRAINTS) & (set(ALL) - set(CONSTRAINTS))


def test_the_ten_categories_of_the_paper_and_their_kinds_are_here():
    assert {kind.partition(":")[0] for kind in KINDS} == set(PRIMARY.values())
    assert len(PRIMARY) == 10
    assert len([kind for kind in KINDS if not kind.endswith(":other")]) == 25
    assert len({k.named for k in KINDS.values()}) == len(KINDS)
    assert all(k.look for k in KINDS.values())


@pytest.mark.parametrize(
    ("element", "text", "found"),
    [
        ("number", "3, 4.5 and 1,200", 3),
        ("link", "See https://a.org/b), www.c.de and d.com", 2),
        ("email", "a.b+c@d-e.org, not a@b", 1),
        ("date", "2024-05-01, 1.5.2024, 2024年5月1日, 2024年5月, 3rd May 2024, May 3, 2024; May 3", 6),
        ("time", "At 9:05 and 23：59, not 24:60 or 1:2", 2),
        ("emoji", "🙂👍🏽 and 👩‍🚀, 🇩🇪 ✈️ → ☐", 6),  # ☐ is a sign of the same block
        ("code block", "```py\nx\n```\nand\n```\ny\n```", 2),
        ("quotation", '"a", “b”, «c», 「d」, „e“ and "', 5),
        ("question", "Why? 吗？ لماذا؟", 3),
        ("exclamation", "So! 走！", 2),
        ("hashtag", "#one &#35; a#b #zwei", 2),
        ("mention", "@ann, a@b, @bo", 2),
        ("placeholder", "[name], [site](http://x) [city]", 2),
        ("bold", "**a** and **b c**, ** d ** *e*", 2),
        ("title mark", "《红楼梦》 <<Poem>> <x>", 2),
    ],
)
def test_elements_are_counted(element, text, found):
    exactly = {"element": element, "least": found, "most": found}
    assert keeps("content:element", text, exactly)
    assert set(ELEMENTS) >= {element}


def test_bounds_are_included_and_must_be_in_order():
    assert [within(n, 2, 3) for n in (1, 2, 3, 4, None)] == [False, True, True, False, None]
    assert (within(5, 2, None), within(0, None, 1)) == (True, True)
    for least, most in ((None, None), (3, 2)):
        with pytest.raises(UserError, match="least"):
            within(1, least, most)


def test_what_cannot_be_told_has_no_verdict():
    thai = "เรือ อยู่ที่ไหน"
    assert count_words(thai) is None
    assert keeps("numerical:words", thai, {"least": 1}) is None
    assert keeps("numerical:each", thai, {"part": "line", "least": 1}) is None
    assert keeps("inverse:not", thai, {"constraint": "numerical:words", "settings": {"least": 1}}) is None
    assert keeps("linguistic:language", "12", {"language": "de"}) is None


def test_counting_by_hand():
    assert count_words("我用 state-of-the-art 的词, don't I? U.S. naïve") == 9
    assert count_sentences("他说：“走吧！”然后走了。") == 2
    assert times("दिन", "दिन दिनों") == 1
    assert times("", "a") == 0
    assert paragraphs_of("A\n---\nB\n\nC") == ["A", "B", "C"]
    assert items_of("- a\n  * b\n• c\n--- \n3.5 boats\n**Bold** start\n10. ten") == [
        "- a",
        "* b",
        "• c",
        "10. ten",
    ]


@pytest.mark.parametrize(
    ("constraint", "settings", "match"),
    [
        ("no:such", {}, "unknown instruction"),
        ("numerical:words", {"count": 3}, "count"),
        ("content:element", {"element": "joke"}, "unknown element"),
        ("content:scripts", {"only": "runes"}, "unknown script"),
        ("numerical:each", {"part": "stanza", "most": 1}, "part 'stanza'"),
        ("linguistic:sentence_kind", {"mark": "irony", "most": 1}, "irony"),
        ("linguistic:case", {"case": "camel"}, "camel"),
    ],
)
def test_settings_that_mean_nothing_are_refused(constraint, settings, match):
    with pytest.raises(UserError, match=match):
        keeps(constraint, "Some words.", settings)


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("全文不少于800字", {"least": 800}),
        (" 字数在100-150 字之间。", {"least": 100, "most": 150}),
        ("回答内容300字以内", {"most": 300}),
        ("标题不超过20字", {}),  # of the title alone
        ("字数在1000字左右", {}),  # "about" is for a reader
        ("每句不超过15字", {}),
    ],
)
def test_only_a_plain_count_of_the_whole_answer_is_read_out_of_a_criterion(text, bounds):
    assert plain_count("numerical:word", text) == bounds
    assert plain_count("content:other", text) == {}


@pytest.mark.parametrize(
    ("verdicts", "primary", "psr"),
    [
        ([1, 1, 1, 1, 0], [1, 0, 0, 0, 0], True),  # 0.5 + 0.5 * 3/4 = 0.875
        ([1, 1, 1, 0, 0], [1, 0, 0, 0, 0], False),  # 0.5 + 0.5 * 2/4 = 0.75
        ([1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0], False),  # 0.5 + 0.5 * 3/5 = 0.8, not more
        ([0, 1, 1], [1, 0, 0], False),  # the primary one is broken
        ([1, 1], [1, 1], True),
        ([1, 0], [1, 1], False),
        ([1, 1, 1, 1, 0], [0, 0, 0, 0, 0], False),  # all secondary: 0.8, not more
        ([1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0], True),  # 0.83
        ([None, 1, 1], [1, 0, 0], None),
        ([0, None, 1], [1, 0, 0], False),  # decided, whatever is open
        ([1, 1, 1, 1, None], [1, 0, 0, 0, 0], True),  # 0.875 or 1
    ],
)
def test_priorities_decide_as_in_the_published_code(verdicts, primary, psr):
    assert satisfied([None if v is None else bool(v) for v in verdicts], [bool(p) for p in primary]) is psr


PUBLISHED = {  # the shape of the published data, with words of our own
    "idx": 0, "prompt": "写一篇短文。", "isanswer": "否", "gold": "", "doamin": "教育", "scenario": "其他",
    "source": "tob", "split": "hard",
    "criteria": [
        ["全文不超过6字", "主需", "数值约束", "单词数值约束"],
        ["语气活泼", "次需", "风格约束", "语气情感约束"],
        ["没有错别字", "次需", "", ""],
    ],
}  # fmt: skip
OWN = {
    "prompt": "Name a fruit, kindly.",
    "gold": "An apple.",
    "criteria": [
        {"text": "at most two words", "kind": "numerical:word", "check": {"max_words": {"limit": 2}}},
        {"text": "is kind", "priority": "secondary", "kind": "stylistic:tone"},
    ],
}


def test_the_published_shape_and_our_own_are_read(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([PUBLISHED]), encoding="utf-8")
    (tmp_path / "b.jsonl").write_text(json.dumps(OWN) + "\n", encoding="utf-8")
    [item] = read_items(tmp_path / "a.json")
    assert (item.prompt, item.split, item.reference) == ("写一篇短文。", "hard", "")
    assert [c.primary for c in item.criteria] == [True, False, False]
    assert [c.kind for c in item.criteria] == ["numerical:word", "stylistic:tone", ""]
    assert item.criteria[0].check == {"constraint": {"kind": "numerical:words", "settings": {"most": 6}}}
    [own] = read_items(tmp_path / "b.jsonl")
    assert own.criteria[1] == Criterion("is kind", False, "stylistic:tone")
    assert own.reference == "An apple."


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{}", "no array"),
        ("[]", "no array"),
        ("not JSON", "cannot read"),
        ('[{"prompt": "?"}]', "row 1"),
        ('[{"prompt": "?", "criteria": [["so", "third"]]}]', "criterion 1"),
        ('[{"prompt": "?", "criteria": [{"text": "so", "kind": "no:such"}]}]', "no:such"),
        ('[{"prompt": "?", "criteria": [{"text": "so", "weight": 2}]}]', "unknown setting weight"),
        ('[{"prompt": "?", "criteria": ["so"]}]', "criterion 1"),
    ],
)
def test_a_file_of_another_shape_is_refused_with_its_place(tmp_path, text, match):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=match):
        read_items(tmp_path / "a.json")


def test_mixed_constraints_are_judged_by_code_and_by_questions():
    asked = []

    def likes(request, option):
        text = prompt_text(request)
        asked.append(text)
        yes = 0.5 if "错别字" in text else (0.9 if "lovely" in text or "活泼" in text else 0.2)
        return math.log(yes if option == "Yes" else 1 - yes)

    items = [item_of(PUBLISHED), item_of(OWN)]
    judge = ConstraintsJudge(items, ScriptedModel(lambda prompt, i: "", likelihood=likes))
    groups = [
        Group("写一篇短文。", ["我爱苹果和梨。", "我爱苹果和梨，非常。", ""]),
        Group(OWN["prompt"], ["A lovely apple", "A lovely"]),
        Group("Other?", ["x"]),
    ]
    [[short, long, empty], [three, two]], [[other]] = judge.judge(groups[:2]), judge.judge(groups[2:])
    assert [p.score for p in short.parts] == [1.0, 1.0, 0.0]  # the draw of the last question is no yes
    assert [p.score for p in long.parts] == [0.0, 1.0, 0.0]
    assert short.parts[0].judge == "check:constraint"
    assert (short.score, long.score) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert long.reason == "全文不超过6字; 没有错别字"
    assert (empty.score, empty.reason) == (None, "empty completion")
    assert [p.score for p in three.parts] == [0.0, 1.0]
    assert two.score == 1.0
    assert (other.score, other.reason) == (None, "no constraints for this prompt")
    assert len(set(asked)) == 6  # two open ones of two answers, one of two; none by code, none of nothing
    assert all(("REFERENCE>>\nAn apple." in a) == ("kindly" in a) for a in asked)
    assert any("Look at the tone" in a for a in asked)


def test_without_a_model_what_no_check_decides_stays_open(tmp_path):
    (tmp_path / "own.jsonl").write_text(json.dumps(OWN) + "\n")
    judge = open_judge({"kind": "constraints", "items": "own.jsonl"}, folder=tmp_path)
    [[one]] = judge.judge([Group(OWN["prompt"], ["An apple"])])
    assert [p.score for p in one.parts] == [1.0, None]
    assert one.score == 1.0
    scores = cfbench_scores(judge.items, [one])
    assert (scores.csr.mean, scores.isr.abstained, scores.psr.abstained) == (1.0, 1, 1)
    with pytest.raises(UserError, match="items is missing"):
        open_judge({"kind": "constraints"}, folder=tmp_path)


def test_one_prompt_with_two_lists_of_constraints_is_refused():
    one, other = Item("?", (Criterion("a"),)), Item("?", (Criterion("b"),))
    assert ConstraintsJudge([one, one]).judge([Group("?", ["x"])])[0][0].score is None
    with pytest.raises(UserError, match="item 3"):
        ConstraintsJudge([one, one, other])


def test_the_three_metrics_by_pencil():
    """Four answers: all met; one of three secondary ones broken (0.5 + 0.5 * 2/3 = 0.83); the primary one broken; none
    given. CSR (1 + 3/4 + 1/2 + 0) / 4, ISR 1/4, PSR 2/4."""
    first, second = Criterion("p", True, "content:other"), Criterion("s", False, "numerical:word")
    items = [
        Item("1", (first, second)),
        Item("2", (first, second, second, second)),
        Item("3", (first, second)),
        Item("4", (first,)),
    ]
    told = [[1.0, 1.0], [1.0, 1.0, 1.0, 0.0], [0.0, 1.0]]
    judged = [Judgement(None, "j", parts=tuple(Judgement(v, "j") for v in row)) for row in told]
    found = cfbench_scores(items, [*judged, None])
    assert (found.csr.mean, found.isr.mean, found.psr.mean) == (0.5625, 0.25, 0.5)
    assert found.by_kind["content"].mean == 2 / 4
    assert found.by_kind["numerical"].mean == 4 / 5
    assert found.psr.low < 0.5 < found.psr.high
    assert (found.csr.low, found.csr.high) == (0.0, 1.0)  # four shares far apart say little
    with pytest.raises(UserError, match="3 judgements of 4 items"):
        cfbench_scores(items, judged)
    with pytest.raises(UserError, match="2 verdicts of 4"):
        cfbench_scores(items[:2], [judged[0], judged[0]])
