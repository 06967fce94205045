"""JSON and its schemas: every keyword both ways, schemas that cannot be kept, and values made to break the reader."""

import json
import time

import pytest

from truenorth.base import UserError
from truenorth.judges._json_schema import NOTES, RULES, fits, same, usable
from truenorth.judges.checks.json_schema import json_schema

SCHEMA = {
    "type": "object",
    "required": ["a"],
    "properties": {"a": {"$ref": "#/$defs/even"}, "b": {"items": {"enum": ["x"]}, "uniqueItems": True}},
    "additionalProperties": False,
    "$defs": {"even": {"type": "integer", "multipleOf": 2, "minimum": 2}},
}


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"a": 2}', 1.0),
        ('{"a": 2.0, "b": ["x"]}', 1.0),
        ('```json\n{"a": 4}\n```', 1.0),
        ('{"a": 3}', 0.0),
        ('{"a": true}', 0.0),
        ('{"b": []}', 0.0),
        ('{"a": 2, "b": ["x", "x"]}', 0.0),
        ('{"a": 2, "c": 1}', 0.0),
        ("[]", 0.0),
        ('{"a": 2} and so on', 0.0),
        ("NaN", 0.0),
        ("[" * 50_000, 0.0),
    ],
)
def test_json_is_held_against_its_schema(text, score):
    assert json_schema("", text, schema=SCHEMA) == score


def test_a_schema_that_cannot_be_kept_is_refused():
    with pytest.raises(UserError, match="unknown keyword 'unevaluatedItems'"):
        fits([], {"unevaluatedItems": False})
    with pytest.raises(UserError, match="leads nowhere"):
        fits([], {"$ref": "#/$defs/none"})
    with pytest.raises(UserError, match="round in circles"):
        fits([], {"$ref": "#"})


TREE = {"$ref": "#/$defs/t", "$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}}
KEPT = [  # keyword, schema, values that fit, values that do not; by the rules of draft 2020-12
    ("$ref", {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"minimum": 2}}}, [2, "x"], [1]),
    ("$ref", {"$ref": "#/allOf/1/not", "allOf": [True, {"not": {"type": "null"}}]}, [], [None, 1]),
    ("$ref", TREE, [[], [[], [[]]]], [1, [[1]]]),
    ("type", {"type": "integer"}, [1, 2.0, -3], [2.5, True, "1", None]),
    ("type", {"type": ["string", "null"]}, ["", None], [0, [], False]),
    ("type", {"type": "number"}, [1, 1.5], [True, "1"]),
    ("type", {"type": "boolean"}, [True, False], [0, 1, None]),
    ("type", {"type": "object"}, [{}], [[], "a"]),
    ("type", {"type": "array"}, [[]], [{}, "a"]),
    ("enum", {"enum": [1, "a", [2]]}, [1.0, "a", [2.0]], [True, "b", [3], None]),
    ("const", {"const": {"a": [1, False]}}, [{"a": [1, False]}], [{"a": [1, 0]}, {"a": [1]}, {}]),
    ("minimum", {"minimum": 2}, [2, 3, "1"], [1, 1.99]),
    ("maximum", {"maximum": 2}, [2, -3, [9]], [3, 2.01]),
    ("exclusiveMinimum", {"exclusiveMinimum": 2}, [2.5, None], [2, 1]),
    ("exclusiveMaximum", {"exclusiveMaximum": 2}, [1, {}], [2, 3]),
    ("multipleOf", {"multipleOf": 0.1}, [0.3, 1, "x", True], [0.25]),
    ("multipleOf", {"multipleOf": 3}, [0, -6, 9.0], [1, 4.5]),
    ("minLength", {"minLength": 2}, ["ab", "日本", 1], ["a", ""]),
    ("maxLength", {"maxLength": 2}, ["", "ab", [1, 2, 3]], ["abc"]),
    ("pattern", {"pattern": "b+$"}, ["abb", 3], ["ba"]),
    ("minItems", {"minItems": 1}, [[0], "", {}], [[]]),
    ("maxItems", {"maxItems": 1}, [[], [0], "ab"], [[0, 0]]),
    ("uniqueItems", {"uniqueItems": True}, [[1, True, "1"], [[1], [2]], "aa"], [[1, 1.0], [{"a": 1}, {"a": 1}]]),
    ("uniqueItems", {"uniqueItems": False}, [[1, 1]], []),
    ("prefixItems", {"prefixItems": [{"type": "string"}, {"minimum": 2}]}, [["a", 2, 0], ["a"], 1], [[1], ["a", 1]]),
    ("items", {"items": {"minimum": 1}}, [[1, 2], [], 0], [[1, 0]]),
    ("items", {"prefixItems": [True], "items": False}, [[0], []], [[0, 0]]),
    ("contains", {"contains": {"minimum": 2}}, [[0, 2], "x", {}, 1], [[0], []]),
    ("minContains", {"contains": {"minimum": 2}, "minContains": 2}, [[2, 3]], [[2, 0]]),
    ("minContains", {"contains": {"minimum": 2}, "minContains": 0}, [[0], []], []),
    ("maxContains", {"contains": {"minimum": 2}, "maxContains": 1}, [[0, 2]], [[2, 2], [0]]),
    ("minProperties", {"minProperties": 1}, [{"a": 1}, []], [{}]),
    ("maxProperties", {"maxProperties": 1}, [{}, {"a": 1}, [1, 2]], [{"a": 1, "b": 1}]),
    ("required", {"required": ["a", "b"]}, [{"a": 0, "b": None}, 1], [{"a": 0}, {}]),
    ("properties", {"properties": {"a": {"minimum": 1}}}, [{"a": 1}, {"b": 0}, 0], [{"a": 0}]),
    ("patternProperties", {"patternProperties": {"^n": {"minimum": 1}}}, [{"n1": 1, "m": 0}, 0], [{"n": 1, "n2": 0}]),
    (
        "additionalProperties",
        {"properties": {"a": True}, "patternProperties": {"^n": True}, "additionalProperties": {"minimum": 1}},
        [{"a": 0, "n": 0, "x": 1}, 0],
        [{"x": 0}],
    ),
    ("additionalProperties", {"additionalProperties": False}, [{}], [{"a": 1}]),
    ("propertyNames", {"propertyNames": {"maxLength": 1}}, [{"a": 1}, "ab"], [{"ab": 1}, {"a": 1, "ab": 1}]),
    ("dependentRequired", {"dependentRequired": {"a": ["b"]}}, [{"a": 1, "b": 1}, {"c": 1}, 1], [{"a": 1}]),
    ("dependentSchemas", {"dependentSchemas": {"a": {"required": ["b"]}}}, [{"b": 1}, {"a": 1, "b": 1}, 1], [{"a": 1}]),
    ("if", {"if": {"minimum": 5}, "then": {"maximum": 9}, "else": {"multipleOf": 2}}, [5, 9, 4], [10, 3]),
    ("then", {"if": {"minimum": 5}, "then": {"maximum": 9}}, [3, 7], [10]),
    ("else", {"if": {"minimum": 5}, "else": False}, [5], [4]),
    ("else", {"then": False, "else": False}, [1], []),
    ("allOf", {"allOf": [{"minimum": 1}, {"maximum": 2}]}, [1, 2], [0, 3]),
    ("anyOf", {"anyOf": [{"maximum": 1}, {"minimum": 3}]}, [1, 3], [2]),
    ("oneOf", {"oneOf": [{"minimum": 1}, {"maximum": 2}]}, [0, 3], [1, 2]),
    ("not", {"not": {"type": "string"}}, [1], ["a"]),
]  # fmt: skip


@pytest.mark.parametrize(("keyword", "schema", "kept", "broken"), KEPT)
def test_each_keyword_is_kept_and_broken(keyword, schema, kept, broken):
    usable(schema)
    assert [v for v in kept if not fits(v, schema)] == []
    assert [v for v in broken if fits(v, schema)] == []


def test_every_keyword_is_tried_and_notes_change_nothing():
    assert {k for k, *_ in KEPT} == set(RULES)
    assert fits(1, dict.fromkeys(NOTES, "x") | {"$defs": {}, "definitions": {}})
    assert fits(1, True)
    assert not fits(1, False)


def test_numbers_are_equal_by_value_and_never_to_truth():
    assert same(1, 1.0)
    assert same({"a": [1], "b": 2}, {"b": 2.0, "a": [1]})
    assert not same(1, True)
    assert not same(0, False)
    assert not same([1], {"0": 1})
    assert not same("1", 1)
    assert not same(None, False)


@pytest.mark.parametrize(
    ("schema", "match"),
    [
        ({"items": {"unevaluatedItems": False}}, "unknown keyword 'unevaluatedItems'"),
        ({"properties": {"a": {"type": "float"}}}, "unknown type 'float'"),
        ({"anyOf": [{"pattern": "("}]}, "regular expression"),
        ({"patternProperties": {"[": True}}, "regular expression"),
        ({"not": {"multipleOf": 0}}, "multipleOf 0"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}}}, "leads nowhere"),
        ({"$ref": "other.json"}, "leads nowhere"),
        ({"allOf": [True], "$ref": "#/allOf/1"}, "leads nowhere"),
        ({"items": [True]}, "no schema"),
        ({"dependentSchemas": {"a": {"kind": 1}}}, "unknown keyword 'kind'"),
    ],
)
def test_a_schemas_mistake_is_told_before_there_is_a_value(schema, match):
    with pytest.raises(UserError, match=match):
        json_schema("word", "word", schema=schema)


def test_references_in_circles_are_told_and_deep_values_are_not_taken_for_them():
    for circle in ({"$ref": "#"}, {"allOf": [{"$ref": "#"}]}, {"not": {"anyOf": [{"$ref": "#"}]}}):
        with pytest.raises(UserError, match="round in circles"):
            fits([1], circle)
    chain = {str(i): {"$ref": f"#/$defs/{i + 1}"} for i in range(63)} | {"63": {"minimum": 2}}
    assert fits(2, {"$ref": "#/$defs/0", "$defs": chain})
    assert not fits(1, {"$ref": "#/$defs/0", "$defs": chain})
    assert json_schema("", "[" * 70 + "]" * 70, schema=TREE) == 1.0
    assert json_schema("", "[" * 70 + "1" + "]" * 70, schema=TREE) == 0.0


def test_no_answer_breaks_the_reader():
    assert json_schema("", "[" * 800 + "]" * 800, schema=TREE) in (0.0, 1.0)  # as deep as Python can go
    assert json_schema("", "1e999", schema={"multipleOf": 2}) == 0.0
    start = time.perf_counter()
    many = json.dumps(list(range(20_000)))
    assert json_schema("", many, schema={"uniqueItems": True}) == 1.0
    assert time.perf_counter() - start < 20


def test_whole_numbers_are_held_against_a_step_whatever_their_size():
    """10^400 is beyond any float; as JSON it is a number like others."""
    assert fits(10**400, {"multipleOf": 10})
    assert not fits(10**400 + 1, {"multipleOf": 10})
    assert not fits(float("inf"), {"multipleOf": 10})


def test_anchors_are_left_out_and_escaped_references_are_read():
    with pytest.raises(UserError, match="leads nowhere"):
        fits(1, {"$ref": "#name", "$defs": {"n": {"type": "string"}}})
    with pytest.raises(UserError, match="leads nowhere"):
        usable({"properties": {"a": {"$ref": "#name"}}})
    spaced = {"$ref": "#/$defs/a%20b", "$defs": {"a b": {"type": "string"}}}
    assert fits("x", spaced)
    assert not fits(1, spaced)
