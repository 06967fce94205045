"""Does a JSON value fit a JSON Schema? The keywords that people use, and an error for those left out.

Source: JSON Schema, draft 2020-12, validation vocabulary. Left out: references outside the schema itself,
`format` (an annotation by default there too), `unevaluated*`, anchors and dynamic references.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Mapping
from fractions import Fraction
from typing import Any
from urllib.parse import unquote

from truenorth.base import UserError
from truenorth.base.patterns import unusable

Schema = Mapping[str, Any] | bool
NOTES = frozenset(
    "$schema $id $defs definitions title description default examples $comment format deprecated "
    "readOnly writeOnly".split()
)
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "null": lambda v: v is None,
    "boolean": lambda v: isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "integer": lambda v: TYPES["number"](v) and (isinstance(v, int) or v.is_integer()),
}
MOST_REFERENCES = 64  # one after another, at one value


def fits(value: Any, schema: Schema, *, root: Schema | None = None, followed: int = 0) -> bool:
    """Does it? `followed` counts the references since the value was reached.

    Raises:
        UserError: a keyword or type this does not know, or a reference that leads nowhere or in circles.
        RecursionError: a value nested hundreds of levels deep.
    """
    if isinstance(schema, bool):
        return schema
    whole = schema if root is None else root
    known(schema)

    def inner(v: Any, s: Schema, more: int = 0) -> bool:
        return fits(v, s, root=whole, followed=followed + more if v is value else 0)

    if "$ref" in schema:
        if followed >= MOST_REFERENCES:
            raise UserError("references go round in circles", where="json_schema")
        if not inner(value, referred(schema["$ref"], whole), 1):
            return False
    return all(RULES[k](value, limit, schema, inner) for k, limit in schema.items() if k in RULES)


def known(schema: Mapping[str, Any]) -> None:
    """Raises: UserError: a keyword this does not know."""
    for keyword in schema:
        if keyword not in RULES and keyword not in NOTES:
            expected = ", ".join(sorted(RULES))
            raise UserError(f"unknown keyword {keyword!r}", where="json_schema", expected=expected)


def usable(schema: Any, root: Schema | None = None) -> None:
    """Read all of a schema before there is a value.

    Raises:
        UserError: what `fits` would raise somewhere in it, a pattern that is none, or a step that is not above 0.
    """
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise UserError(f"{schema!r} is no schema", where="json_schema", expected="an object, true or false")
    whole = schema if root is None else root
    known(schema)
    if "$ref" in schema:
        referred(schema["$ref"], whole)
    if "type" in schema:
        of_type(None, schema["type"], schema, lambda v, s: True)
    for pattern in [
        *([schema["pattern"]] if "pattern" in schema else []),
        *schema.get("patternProperties", {}),
    ]:
        if why := unusable(pattern):
            raise UserError(f"{pattern!r} is {why}", where="json_schema")
    if "multipleOf" in schema and not schema["multipleOf"] > 0:
        raise UserError(
            f"multipleOf {schema['multipleOf']}", where="json_schema", expected="a number above 0"
        )
    one = [schema[k] for k in SUBSCHEMA if k in schema]
    many = [s for k in SUBSCHEMAS for s in schema.get(k, ())]
    named = [s for k in NAMED_SUBSCHEMAS for s in schema.get(k, {}).values()]
    for part in one + many + named:
        usable(part, whole)


Inner = Callable[[Any, Schema], bool]
Rule = Callable[[Any, Any, Mapping[str, Any], Inner], bool]


def same(a: Any, b: Any) -> bool:
    """Equal as JSON: 1 is 1.0, and true is not 1."""
    return key(a) == key(b)


def key(value: Any) -> Hashable:
    """Equal for equal JSON values."""
    if isinstance(value, list):
        return ("array", *map(key, value))
    if isinstance(value, dict):
        return ("object", frozenset((k, key(v)) for k, v in value.items()))
    return (isinstance(value, bool), value)


def of_type(v: Any, wanted: Any, schema: Mapping[str, Any], inner: Inner) -> bool:
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    if unknown := [n for n in names if n not in TYPES]:
        raise UserError(f"unknown type {unknown[0]!r}", where="json_schema", expected=", ".join(TYPES))
    return any(TYPES[n](v) for n in names)


def multiple(v: Any, step: Any, schema: Mapping[str, Any], inner: Inner) -> bool:
    if not TYPES["number"](v):
        return True
    whole = isinstance(v, int)  # of any size, where a float may be infinite
    return (whole or math.isfinite(v)) and (Fraction(str(v)) / Fraction(str(step))).denominator == 1


def additional(v: Any, s: Schema, schema: Mapping[str, Any], inner: Inner) -> bool:
    if not isinstance(v, dict):
        return True
    patterns = schema.get("patternProperties", {})
    rest = [k for k in v if k not in schema.get("properties", {})]
    return all(inner(v[k], s) for k in rest if not any(re.search(p, k) for p in patterns))


def distinct(v: Any, wanted: bool, schema: Mapping[str, Any], inner: Inner) -> bool:
    if not wanted or not isinstance(v, list):
        return True
    return len(set(map(key, v))) == len(v)


def contained(v: Any, s: Schema, schema: Mapping[str, Any], inner: Inner) -> bool:
    if not isinstance(v, list):
        return True
    count = sum(inner(x, s) for x in v)
    return schema.get("minContains", 1) <= count <= schema.get("maxContains", len(v))


def conditional(v: Any, condition: Schema, schema: Mapping[str, Any], inner: Inner) -> bool:
    return inner(v, schema.get("then" if inner(v, condition) else "else", True))


def number(test: Callable[[Any, Any], bool]) -> Rule:
    return lambda v, limit, schema, inner: not TYPES["number"](v) or test(v, limit)


def sized(kind: type[str] | type[list] | type[dict], test: Callable[[int, int], bool]) -> Rule:
    return lambda v, limit, schema, inner: not isinstance(v, kind) or test(len(v), limit)


RULES: dict[str, Rule] = {
    "$ref": lambda v, ref, schema, inner: True,  # followed in `fits`
    "type": of_type,
    "enum": lambda v, options, schema, inner: any(same(v, o) for o in options),
    "const": lambda v, wanted, schema, inner: same(v, wanted),
    "minimum": number(lambda v, x: v >= x),
    "maximum": number(lambda v, x: v <= x),
    "exclusiveMinimum": number(lambda v, x: v > x),
    "exclusiveMaximum": number(lambda v, x: v < x),
    "multipleOf": multiple,
    "minLength": sized(str, lambda n, x: n >= x),
    "maxLength": sized(str, lambda n, x: n <= x),
    "pattern": lambda v, p, schema, inner: not isinstance(v, str) or re.search(p, v) is not None,
    "minItems": sized(list, lambda n, x: n >= x),
    "maxItems": sized(list, lambda n, x: n <= x),
    "uniqueItems": distinct,
    "prefixItems": lambda v, s, schema, inner: not isinstance(v, list) or all(map(inner, v, s)),
    "items": lambda v, s, schema, inner: (
        not isinstance(v, list) or all(inner(x, s) for x in v[len(schema.get("prefixItems", ())) :])
    ),
    "contains": contained,
    "minContains": lambda v, n, schema, inner: True,  # read by `contains`
    "maxContains": lambda v, n, schema, inner: True,
    "minProperties": sized(dict, lambda n, x: n >= x),
    "maxProperties": sized(dict, lambda n, x: n <= x),
    "required": lambda v, names, schema, inner: not isinstance(v, dict) or all(n in v for n in names),
    "properties": lambda v, parts, schema, inner: (
        not isinstance(v, dict) or all(inner(v[k], s) for k, s in parts.items() if k in v)
    ),
    "patternProperties": lambda v, parts, schema, inner: (
        not isinstance(v, dict) or all(inner(v[k], s) for p, s in parts.items() for k in v if re.search(p, k))
    ),
    "additionalProperties": additional,
    "propertyNames": lambda v, s, schema, inner: not isinstance(v, dict) or all(inner(k, s) for k in v),
    "dependentRequired": lambda v, needs, schema, inner: (
        not isinstance(v, dict) or all(n in v for k, names in needs.items() if k in v for n in names)
    ),
    "dependentSchemas": lambda v, parts, schema, inner: (
        not isinstance(v, dict) or all(inner(v, s) for k, s in parts.items() if k in v)
    ),
    "if": conditional,
    "then": lambda v, s, schema, inner: True,  # read by `if`
    "else": lambda v, s, schema, inner: True,
    "allOf": lambda v, parts, schema, inner: all(inner(v, s) for s in parts),
    "anyOf": lambda v, parts, schema, inner: any(inner(v, s) for s in parts),
    "oneOf": lambda v, parts, schema, inner: sum(inner(v, s) for s in parts) == 1,
    "not": lambda v, s, schema, inner: not inner(v, s),
}


SUBSCHEMA = "items contains additionalProperties propertyNames if then else not".split()
SUBSCHEMAS = "prefixItems allOf anyOf oneOf".split()
NAMED_SUBSCHEMAS = "properties patternProperties dependentSchemas $defs definitions".split()


def referred(ref: str, root: Schema) -> Schema:
    """Raises: UserError: a reference outside the schema, or to nothing."""
    found: Any = root
    try:
        if ref != "#" and not ref.startswith("#/"):
            raise KeyError(ref)
        for part in ref[1:].split("/")[1:]:
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found[name]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        expected = "a place in the same schema, such as #/$defs/name"
        raise UserError(f"{ref!r} leads nowhere", where="json_schema", expected=expected) from error
    return found
