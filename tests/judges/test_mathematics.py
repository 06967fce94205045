"""Final answers and whether they are the same mathematics, and the small grammar of expressions behind it."""

import pytest

from truenorth.judges._expressions import equal_values
from truenorth.judges._maths import final_answer, listed, number_of, plain, same_answer
from truenorth.judges.checks.math_answer import math_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"So \boxed{\frac{1}{2}} it is.", r"\frac{1}{2}"),
        (r"First \boxed{1}, then \boxed{\{1, 2\}}.", r"\{1, 2\}"),
        (r"\boxed{unfinished", ""),
        ("3 + 4 = 7\n#### 1,200", "1,200"),
        ("It is 3.\nA: 18", "18"),
        ("The final answer is **42**.", "42"),
        ("He has 3 boats and 4 nets.", "4"),
        ("I cannot say.", ""),
    ],
)
def test_the_final_answer_is_the_boxed_the_announced_or_the_last_number(text, answer):
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"\frac{3}{6}", "0.5"),
        (r"\dfrac12", "1/2"),
        ("x = 5", "5"),
        ("50%", "50"),
        ("$1,200.00", "1200"),
        ("3 1/2", "7/2"),
        (r"2\sqrt{2}", r"\sqrt{8}"),
        ("(x+1)^2", "x^2 + 2x + 1"),
        (r"\text{(B)}", "b"),
        ("10 apples", "10"),
        (r"90^\circ", "90"),
        ("{1,2}", r"\{2, 1\}"),
        ("1, 2", "2, 1"),
        (r"[0, \infty)", r"[0,\infty)"),
    ],
)
def test_the_same_mathematics_is_the_same_answer(a, b):
    assert same_answer(a, b)
    assert same_answer(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("(1, 2)", "(2, 1)"),
        ("[0, 1)", "[0, 1]"),
        ("1/3", "0.33"),
        ("x", "y"),
        ("x + 1", "x + 2"),
        ("", "5"),
        ("9^9^9^9", "1"),
        ("2", "2, 3"),
        ("__import__('os')", "1"),
        ("1/0", "1/0 + 1"),
    ],
)
def test_other_mathematics_is_another_answer(a, b):
    assert not same_answer(a, b)
    assert not same_answer(b, a)


def test_a_reference_may_be_a_worked_solution_and_an_answer_may_be_in_words():
    assert math_answer("", "She sells 18 eggs.\nA: $18 a day", answer="9 * 2 = 18\n#### 18") == 1.0
    assert math_answer("", "The answer is 3 or 4.", answer=4) == 0.0
    assert math_answer("", "", answer=4) == 0.0


SAME = [
    (r"\frac{\sqrt{3}}{2}", "sqrt(3)/2"),
    (r"\frac{1}{\frac{2}{3}}", "1.5"),
    (r"\frac1{72}", "1/72"),
    (r"\tfrac{x^{2}}{2}", "x^2/2"),
    (r"\sqrt[3]{8}", "2"),
    ("√2", r"\sqrt{2}"),
    (r"2\frac{1}{2}", "2.5"),
    (r"-2\frac{1}{2}", "-5/2"),
    ("-3 1/2", "-3.5"),
    (r"-\frac{1}{2}", "-0.5"),
    ("-(1/2)", "1/(-2)"),
    ("(3)", "3."),
    ("+3", "3"),
    (".5", "0.50"),
    ("1e5", "100000"),
    ("1.5E+2", "150"),
    ("1e-05", "0.00001"),
    ("1{,}200", "1 200"),
    ("10,\\!000", "10000"),
    (r"25\text{ cm}^2", "25"),
    ("5 cm^2", "5"),
    ("12 square feet", "12"),
    ("3×4", "12"),
    ("x² + 1", "1 + x^2"),
    (r"x \le 3", "x≤3"),
    ("x > 3", "x>3"),
    ("f(x) = x^2+1", "x^2 + 1"),
    ("2x + y = 3", "3 - 2x = y"),
    ("2x+y=3", "3 - y = 2x"),
    ("{5}", "5"),
    ("1 and 2", "2, 1"),
    ("x=3 or x=-3", "-3, 3"),
    (r"2\pm\sqrt{3}", r"2-\sqrt{3}, 2+\sqrt{3}"),
    (r"\pm 3", "3, -3"),
    ("(1,2), (3,4)", "(3,4), (1,2)"),
    ("(1/2, 2)", "(0.5, 4/2)"),
    (r"(-\infty,0)\cup(1,\infty)", r"(1,\infty) \cup (-\infty,0)"),
    ("**Paris**", "paris"),
    (r"\mathrm{(C)}", "(c)"),
    ("7−2", "5"),
    ("x", "$x$"),
    ("7–2", "5"),
    ("3·4", "12"),
    ("3⋅4", r"3\cdot 4"),
    (r"3\times 4", "12"),
    ("6÷4", r"6 \div 4"),
    (r"6 \div 4", "1.5"),
    ("2π", r"2\pi"),
    (r"2\pi", "6.283185307179586"),
    ("x ≥ 3", r"x \geq 3"),
    (r"x \ge 3", "x >= 3"),
    (r"x \leq 3", "x<=3"),
    ("[0,∞)", r"[0,\infty)"),
    ("x³", "x^3"),
    ("x∈[0,1]", r"x \in [0, 1]"),
    ("x∈[0,1]", "[0,1]"),
    ("2**3", "8"),
    (r"2\sin x", "2 sin(x)"),
    ("5\u00a0000", "5000"),
    ("2x+y=3", "y+2x=3"),
    ("Paris .", "PARIS"),
    ("(1 , 2)", "(1,2)"),
]
OTHER = [
    ("cat", "act"),  # words, not products
    ("2(3)", "23"),
    ("3 4", "34"),
    (r"2\frac{1}{2}", "10.5"),  # neither 21/2 nor 2 * 1/2
    (r"2\frac{1}{2}", "1"),
    ("5 cm^2", "25"),
    ("2e-3", "0.002"),  # twice e, less three
    ("4", "3 or 4"),
    ("4, 4", "4"),
    ("1, 1, 2", "1, 2, 2"),
    ("(0,1)", "[0,1]"),
    ("(0,1)", "0,1"),
    (r"(-\infty,0)\cup(1,\infty)", r"(-\infty,0)\cup[1,\infty)"),
    ("(1,2),(3,4)", "(1,3),(2,4)"),
    ("2x+y=3", "2x+y=4"),
    ("x > 3", "x < 3"),
    ("x", "X"),
    ("(1,200)", "1200"),
    (r"(0,1)\cup(2,3)", "(0,1), (2,3)"),
    ("", "$"),
    ("1 0/0", "1"),
    ("3/0", "3"),
    ("((3)", "(3))"),
    ("1" * 2001, "1" * 2001),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_what_people_write_for_one_answer_is_one(a, b):
    assert same_answer(a, b)
    assert same_answer(b, a)


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_what_looks_alike_may_be_another_answer(a, b):
    assert not same_answer(a, b)
    assert not same_answer(b, a)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3/4", "3/4"),
        ("-3 / 4", "-3/4"),
        ("6/ -4", "-3/2"),
        ("2.", "2"),
        (".25", "1/4"),
        ("1e3", "1000"),
        ("12 345", "12345"),
        ("((1)/(3))", "1/3"),
        ("2 1/3", "7/3"),
        ("-2((1)/(3))", "-7/3"),
    ],
)
def test_numbers_are_exact(text, number):
    from fractions import Fraction

    assert number_of(text) == Fraction(number)


@pytest.mark.parametrize(
    "text", ["", "x", "1/2/3", "2((1)/(0))", "-2((1)/(0))", "1/0", "3 4", "2(3)", "--3x", "1e999", "("]
)
def test_other_texts_are_no_numbers(text):
    assert number_of(text) is None


def test_the_last_answer_counts_without_its_marks():
    assert final_answer(r"\boxed{1} or \fbox{2} and \boxed{3") == "2"
    assert final_answer("Answer: 3\nAnswer: **4.**") == "4"
    assert final_answer("The final answer is: 7.") == "7"
    assert final_answer("The answer = 5 and #### 6") == "6"
    assert final_answer("It was 1/2, then -.5") == "-.5"
    assert final_answer("1,234,567.5 of them") == "1,234,567.5"


def test_lists_are_cut_between_their_outer_commas():
    assert listed("(1, [2, 3])") == ("()", ["1", "[2, 3]"])
    assert listed("(1,2),(3,4)") == ("", ["(1,2)", "(3,4)"])
    assert listed("{7}") == ("{}", ["7"])
    assert listed("(1 , 2)") == ("()", ["1", "2"])
    assert listed("1±2, 3") == ("", ["1±2", "3"])
    assert listed("(1,2") is None
    assert (listed("(7)"), listed("7"), listed("1),(2"), listed("")) == (None, None, None, None)
    assert plain(r"$ \left( \frac{1}{2} , 3 \right) $") == "( ((1)/(2)) , 3 )"


def test_a_number_in_words_counts_only_if_it_is_the_only_one():
    assert math_answer("", r"\boxed{$18 a day}", answer=18) == 1.0
    assert math_answer("", r"\boxed{18 or 19 a day}", answer=18) == 0.0
    assert math_answer("", "x", answer=1, when_prompt="sum") is None


VALUES = [
    ("2+3*4", "14"), ("7-2-1", "4"), ("8/4/2", "1"), ("6/4", "1.5"), ("-2^2", "-4"), ("2^-1", ".5"), ("2^3^2", "512"),
    ("+3", "3"), ("--3", "3"), ("2*-3", "-6"), ("2(3)(4)", "24"), ("2x(x+1)", "2x^2 + 2x"), ("2/3x", "2x/3"),
    ("pi", "3.14159265358979"), ("e", "2.718281828459045"), ("i^2", "-1"), ("x - x", "0"), ("x + 0y", "x"),
    ("sin(pi/2)", "1"), ("cos(pi)", "-1"), ("tan(pi/4)", "1"), ("ln(e^2)", "2"), ("log(1000)", "3"),
    ("exp(1)", "e"), ("sqrt(-4)", "2i"), ("sqrt 4 x", "2x"),
    ("sin(x)^2", "(sin x)^2"), ("sin^2 x + cos^2 x", "1"), ("sin 2x", "sin(2x)"), ("sin^1 x", "sin x"),
    ("sin 2x cos x", "cos(x) sin(2x)"),
    ("ln x^2", "2 ln x"), ("ln 2x + 1", "1 + ln(2x)"), ("2 sin x", "sin(x) + sin(x)"), ("xysinz", "yx sin z"),
    ("sin x(x+1)", "(x+1) sin(x)"),
    ("5!", "120"), ("3!^2", "36"), ("2^3!", "64"), ("0!", "1"), ("150!/150!", "1"), ("1^1000", "1"),
    ("(" * 50 + "1" + ")" * 50, "1"), ("-" * 50 + "1", "1"), ("(1)+" * 60 + "1", "61"), ("2*-1" + "*-1" * 60, "2 * -1"),
    ("sqrt1+" * 60 + "1", "61"), ("1+" * 199 + "1 ", "200"), ("1000000001", "1000000001.5"),
    ("0", "0.00000000001"),
]  # fmt: skip
DEEP = "(" * 51 + "1" + ")" * 51
NO_VALUES = [
    ("x", "y"), ("x", "1"), ("e", "x"), ("1/3", "0.333333"), ("1000000001", "1000000003"), ("0", "0.00000001"),
    ("0.5", "0.5000000015"),
    ("sin^-1 x", "1/sin x"), ("sin^(-1) x", "1/sin x"), ("sin^0 x", "1"), ("sin^i x", "sin^i x"),
    ("sin^(1+i) x", "sin^(1+i) x"), ("-1+" * 9 + DEEP, "-8"), ("(1)+" * 9 + DEEP, "10"), ("sqrt1+" * 9 + DEEP, "10"),
    ("151!/151!", "1"), ("(1/2)!", "(1/2)!"), ("(-1)!", "(-1)!"), ("i!", "i!"), ("1^1001", "1"), ("1/0", "1/0"),
    ("2)", "2"), ("(2", "2"), ("2 +", "2"), ("", ""), (" ", " "), ("x ? y", "xy"), ("*2", "2"), ("2^", "2"),
    ("sin", "sin"),
    (DEEP, "1"), ("-" * 51 + "1", "-1"), ("sqrt" * 51 + "1", "1"), ("1+" * 200 + "1", "201"),
    ("abc", "cba"), ("the sum", "sum the"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), VALUES)
def test_expressions_of_one_value_are_equal(a, b):
    assert equal_values(a, b)


@pytest.mark.parametrize(("a", "b"), NO_VALUES)
def test_expressions_without_a_value_or_with_another_are_not(a, b):
    assert equal_values(a, b) is False
