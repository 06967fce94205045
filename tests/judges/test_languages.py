"""Languages told by script, letters and small words: short texts, mixed ones, and those that cannot be told."""

import time

import pytest
from test_constraints import CASES

from truenorth.base import UserError
from truenorth.judges._constraints import keeps
from truenorth.judges._ifeval import CHECKERS, checked, follows, variants
from truenorth.judges._languages import LETTERS, ONLY, SCRIPTS, WORDS, language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The boat is in the harbour.", "en"),
        ("El barco está en el puerto y es grande.", "es"),
        ("O barco não está no porto.", "pt"),
        ("Le bateau est dans le port.", "fr"),
        ("Das Boot ist im Hafen.", "de"),
        ("La barca è nel porto e non parte.", "it"),
        ("Statek jest w porcie i nie płynie.", "pl"),
        ("Con thuyền ở trong cảng và không đi.", "vi"),
        ("Mashua iko katika bandari na watu wote.", "sw"),
        ("Vene on satamassa ja se ei lähde.", "fi"),
        ("Лодка в порту, и это хорошо.", "ru"),
        ("Човен у порту, і це добре.", "uk"),
        ("Лодката е в пристанището и това се знае.", "bg"),
        ("القارب في الميناء على البحر.", "ar"),
        ("قایق در بندر است و این را می داند.", "fa"),
        ("کشتی بندرگاہ میں ہے اور یہ اچھی ہے۔", "ur"),
        ("नाव बंदरगाह में है।", "hi"),
        ("बोट बंदरात आहे आणि ती मोठी आहे।", "mr"),
        ("डुङ्गा बन्दरगाहमा छ र यो ठूलो छ।", "ne"),
        ("船在港口里。", "zh"),
        ("船は港にある。", "ja"),
        ("ホテル", "ja"),
        ("배가 항구에 있다.", "ko"),
        ("הסירה בנמל.", "he"),
        ("নৌকা বন্দরে আছে।", "bn"),
        ("ਕਿਸ਼ਤੀ ਬੰਦਰਗਾਹ ਵਿੱਚ ਹੈ।", "pa"),
        ("હોડી બંદરમાં છે.", "gu"),
        ("படகு துறைமுகத்தில் உள்ளது.", "ta"),
        ("పడవ ఓడరేవులో ఉంది.", "te"),
        ("ದೋಣಿ ಬಂದರಿನಲ್ಲಿದೆ.", "kn"),
        ("ബോട്ട് തുറമുഖത്താണ്.", "ml"),
        ("เรืออยู่ในท่าเรือ", "th"),
    ],
)
def test_a_short_sentence_is_told(text, language):
    assert language_of(text) == language


def test_the_last_word_before_a_danda_is_a_word():
    assert language_of("नाव छ।") == "ne"
    assert language_of("वह आई है।") == "hi"


def test_a_text_that_quotes_another_script_keeps_its_language():
    assert language_of("这家店叫「春の风」，我们每个星期都去那里喝茶聊天。") == "zh"
    assert language_of("Das Wort 港口 ist nicht von hier.") == "de"
    assert language_of("港口 is the word that they have for it.") == "en"
    assert language_of("これは this and that です, the of and") == "en"  # three letters of kana less


def test_what_has_no_small_words_or_as_many_of_two_languages_is_not_told():
    for text in ("", "12 + 3 = 15", "Hm", "Barack Obama", "der of"):
        assert language_of(text) == "", text


def test_letters_decide_where_words_do_not_and_words_weigh_more():
    assert language_of("Straße") == "de"
    assert language_of("mañana") == "es"
    assert language_of("the Straße") == "en"  # a word counts 1, a letter a half


@pytest.mark.parametrize("language", [name for name in LETTERS if name != "fi"])
def test_letters_of_one_language_decide(language):
    assert language_of(LETTERS[language]) == language


def test_letters_of_two_languages_leave_the_word_to_one_of_them():
    assert language_of("on ä ä ä") == "fi"  # German has it too
    assert language_of("ä") == ""


def test_only_the_beginning_of_a_long_text_is_read():
    assert language_of("the boat is " * 417 + "der die das und ist " * 5000) == "en"


def test_every_script_and_list_is_in_order():
    assert set(ONLY) <= set(SCRIPTS)
    assert set(WORDS) | set(ONLY) | {"kana"} == set(SCRIPTS)
    assert all(
        w == w.lower() for languages in WORDS.values() for words in languages.values() for w in words.split()
    )


FIRST_WORD = "length_constraints:nth_paragraph_first_word"
EDGES = [  # instruction, settings, an answer that follows it, one that just does not; by the published rules
    ("keywords:existence", {"keywords": ["a.b", "C"]}, "A.B and c", "axb and c"),
    ("keywords:existence", {"keywords": "cat"}, "cat", "act"),
    ("keywords:frequency", {"keyword": " cat ", "frequency": 2, "relation": "at least"}, "Cat, cats", "one cat"),
    ("keywords:frequency", {"keyword": "cat", "frequency": 2, "relation": "less than"}, "one cat", "Cat, cats"),
    ("keywords:forbidden_words", {"forbidden_words": ["cat", "C++"]}, "cats in C", "a CAT"),
    ("keywords:forbidden_words", {"forbidden_words": ["cat", "C++"]}, "cats", "use C++ now"),
    ("keywords:letter_frequency", {"letter": "A", "let_frequency": 2, "let_relation": "at least"}, "aA", "a"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "***\nA\n***\nB\n***", "A\n***\n\n***\nB"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 1}, "A", "A***B"),
    ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}, "two words", "one two three"),
    (FIRST_WORD, {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "So"}, "A\n\n'\"so, b", "So\n\nA"),
    (FIRST_WORD, {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "so"}, "So!\n\nA", "So\n\nA\n\nB"),
    (FIRST_WORD, {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "b"}, "a\n\nb\n\n ", "a\n\n \n\nb"),
    (FIRST_WORD, {"num_paragraphs": 1, "nth_paragraph": 1, "first_word": "a"}, "a", "\n\na"),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a] [b]", "[a b]"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Text. p. s. more", "PS more"),
    ("detectable_content:postscript", {"postscript_marker": " P.P.S "}, "p.p. s more", "P.S. more"),
    ("detectable_content:postscript", {"postscript_marker": "Note+"}, "a note+ b", "a note b"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n - b", "* a\n**b**"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a* *b*", "*a* * *"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 1}, "**a**", "** ** *\n*"),
    ("detectable_format:multiple_sections", {"section_spliter": " Part ", "num_sections": 2}, "Part 1\nPart2", "Part"),
    ("detectable_format:json_format", {}, "```JSON\n[1]\n```", "```yaml\n[1]\n```"),
    ("detectable_format:title", {}, "<<a>>", "<< >> <a>"),
    ("detectable_format:title", {}, "so << a >> b", "<<a\n>> <<>>"),
    ("detectable_content:number_placeholders", {"num_placeholders": 3}, "[a] [[b] []", "][a] [b\n]"),
    ("combination:two_responses", {}, "******A******B******", "A******A"),
    ("combination:two_responses", {}, "A******B", "A******\n******B"),
    ("combination:two_responses", {}, "A ****** B", "A******B******C"),
    ("combination:repeat_prompt", {"prompt_to_repeat": " Say It. "}, " say it. So.", "So: say it."),
    ("startend:end_checker", {"end_phrase": " Any Questions? "}, 'Well. any questions?"\n', "Any questions? No."),
    ("change_case:capital_word_frequency", {"capital_frequency": 2, "capital_relation": "at least"}, "A-B c D", "A Bc"),
    ("change_case:english_capital", {}, "THE BOAT IS IN.", "DAS BOOT IST DER HAFEN."),
    ("change_case:english_lowercase", {}, "hm 3", "das boot ist im hafen."),
    ("language:response_language", {"language": "de"}, "Das Boot ist im Hafen.", "The boat is in the harbour."),
    ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "at least"}, "One. Two.", "One two."),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 1}, "A***  ", "A***B"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "A***B", "A\n***\n  \n***\nB"),
    (FIRST_WORD, {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "so"}, "A\n\nSo.", "So."),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a][b]", "[a"),
    ("detectable_content:number_placeholders", {"num_placeholders": 1}, "[]", "[a"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "P. S. More", "p s more"),
    ("detectable_format:json_format", {}, "\n```json\n[1]\n```\n", "[1"),
    ("detectable_format:title", {}, "a <<b>>>", "<<>>>>"),
    ("detectable_format:title", {}, "<<b>>", "<<ab"),
    ("combination:two_responses", {}, "  ******A******B", "A ****** A"),
    ("combination:repeat_prompt", {"prompt_to_repeat": "say it"}, "SAY IT twice", "Say"),
    ("startend:end_checker", {"end_phrase": "any questions?"}, "ANY QUESTIONS?", "Any questions? None"),
    ("startend:quotation", {}, '""', "a"),
    ("detectable_format:constrained_response", {}, "So: My answer is yes.", "My answer is yes"),
    ("detectable_format:constrained_response", {}, "My answer is no. Sorry.", "my answer is no."),
    ("detectable_format:constrained_response", {}, "My answer is maybe.", "Maybe."),
    ("startend:quotation", {}, ' "a" ', '"'),
    ("startend:quotation", {}, '"a b"', "'a b'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings", "kept", "broken"), EDGES)
def test_the_edges_of_an_instruction_are_where_its_published_rule_has_them(name, settings, kept, broken):
    assert follows(name, kept, settings) is True
    assert follows(name, broken, settings) is False


HOSTILE = [
    "\n",
    "[",
    "<<",
    "“",
    '"',
    ".",
    "*",
    "-",
    "a",
    "<b>",
    "| - |\n",
    " ",
    "#",
    "《",
    "1.",
    "\n \n*",
    "?",
    "a@",
    "[a](",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_long_answers_of_one_sign_cost_little_time(piece):
    """Every instruction and constraint, on 20,000 signs in a row that never become what it looks for."""
    text = (piece * 20_000)[:20_000] + "x"
    start = time.process_time()
    for name, settings, *_ in EDGES + CASES:
        keeps(name, text, settings)
    assert time.process_time() - start < 10


def test_an_instruction_refuses_what_is_not_its_own():
    with pytest.raises(UserError, match="relation 'more than'"):
        follows("length_constraints:number_words", "a", {"num_words": 1, "relation": "more than"})
    with pytest.raises(UserError, match="somewhere"):
        checked(CHECKERS, "no:such", "a", {}, "somewhere")
    assert checked(CHECKERS, "punctuation:no_comma", " ", {}, "somewhere") is False
    assert follows("punctuation:no_comma", "a", {"unused": None})


def test_no_paragraph_is_before_the_first():
    settings = {"num_paragraphs": 1, "nth_paragraph": 0, "first_word": "so"}
    assert follows(FIRST_WORD, "So it is.", settings) is False


def test_the_loose_readings_leave_out_the_first_line_the_last_line_and_stars():
    text = "a\n *b* \nc"
    assert variants(text) == [
        *(text, "a\n b \nc"),
        *("*b* \nc", "b \nc"),
        *("a\n *b*", "a\n b"),
        *("*b*", "b"),
    ]
