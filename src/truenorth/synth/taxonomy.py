"""A taxonomy of what a model should be able to do, from a file; and prompts for each of its leaves.

Source: Sudalairaj et al. 2024, "LAB: large-scale alignment for chatbots" (arXiv:2403.01081), section 3: knowledge,
foundational skills and compositional skills; each leaf with a few examples, from which a model makes more of the
kind. Its filters are `approved` with a question template and, once there are answers, `approved` with an answer
template.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from truenorth.base import UserError
from truenorth.base.lines import Source as Lines
from truenorth.base.lines import read_yaml
from truenorth.constitution import Constitution
from truenorth.models.protocol import Model, Tick
from truenorth.records import Row, Source
from truenorth.synth.filters import Filtered, last_turn
from truenorth.synth.writing import Brief, Way, prompts_from

FIELDS = ("id", "under", "about", "seeds", "document", "begin")
TEMPLATE = (
    "Here are tasks of one kind: {about}\n{shown}\nWrite more tasks of this kind, from number {next}: as varied as "
    "you can, none that is already there."
)


class Leaf(NamedTuple):
    """What is asked for at one place. `path` leads from the root to it; rows of `seeds` have at least a prompt."""

    path: tuple[str, ...]
    about: str
    seeds: tuple[Row, ...]
    document: str = ""
    begin: str = ""
    principle: str = ""

    @property
    def name(self) -> str:
        return "/".join(self.path)


@dataclass(frozen=True)
class Taxonomy:
    """A tree of tasks, as its leaves in the order of the file."""

    name: str
    leaves: tuple[Leaf, ...]


def read_taxonomy(path: str | Path) -> Taxonomy:
    """A YAML file with a `name` and `nodes`: each with an `id`, perhaps `under` another; leaves with `seeds`.

    A seed is a prompt, or a mapping with `prompt` and `completion`. `about` says what a leaf is for, `document` is
    what its answers rest on, `begin` how its prompts begin (where a model writes in the user's place).

    Raises:
        UserError: file and line of a cycle, of a node under one that is not there, of a leaf without seeds, or of a
            field that is unknown or of the wrong shape.
    """
    try:
        source = read_yaml(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the taxonomy ({error})", where=str(path)) from error
    if source.problems:
        raise UserError(source.problems[0].at(str(path)), fix="mend the file")
    nodes = source.data.get("nodes") if isinstance(source.data, dict) else None
    if not isinstance(nodes, list) or not nodes:
        raise UserError("no nodes", where=str(path), expected="a name, and a list of nodes")
    _check(nodes, source, path)
    by_id = {node["id"]: node for node in nodes}
    paths = {node["id"]: _path(node["id"], by_id, source, path, nodes) for node in nodes}
    above = {node.get("under") for node in nodes}
    leaves = [
        Leaf(
            paths[node["id"]],
            str(node.get("about", "")),
            tuple(_seed(one, str(path), node["id"]) for one in node.get("seeds", ())),
            str(node.get("document", "")),
            str(node.get("begin", "")),
        )
        for node in nodes
        if node["id"] not in above
    ]
    name = source.data.get("name")
    return Taxonomy(str(name) if name else Path(path).stem, tuple(leaves))


def taxonomy_of(constitution: Constitution, *, opening: int = 0) -> Taxonomy:
    """A constitution as a taxonomy: a leaf for each principle, its examples' prompts as seeds.

    Principles without examples have no leaf.

    Args:
        opening: where above 0, a leaf for each way its prompts begin: the principle's keywords, or else the first so
            many words of each example. For models that write in the user's place, and are led by how a prompt begins.
    """
    leaves = []
    for p in constitution.principles:
        source = Source("constitution:example", "people", principle=p.id, constitution=constitution.label)
        seeds = tuple(
            Row({"prompt": [{"role": "user", "content": one.prompt}]}, source) for one in p.examples
        )
        first = [" ".join(one.prompt.split()[:opening]) for one in p.examples]
        begins = list(dict.fromkeys(p.keywords or first)) if opening else [""]
        for begin in begins if seeds else []:
            path = (p.id, begin) if len(begins) > 1 else (p.id,)
            leaves.append(Leaf(path, p.statement, seeds, begin=begin, principle=p.id))
    return Taxonomy(constitution.name, tuple(leaves))


def taxonomy_prompts(
    model: Model,
    taxonomy: Taxonomy,
    n: int,
    *,
    way: Way = "list",
    template: str = TEMPLATE,
    shown: int = 3,
    count: int = 5,
    max_tokens: int = 256,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    tick: Tick | None = None,
) -> Filtered:
    """`n` replies for each leaf, each of up to `count` prompts, as rows (prompt, leaf; document where there is one).

    Reasons: those of `prompts_from`. All leaves are asked for as many prompts; `coverage` says how many they got.

    Args:
        shown: seeds shown, at most. Seeds that are not shown are not parents.
    """
    briefs = [
        Brief(
            about=leaf.about,
            shown=tuple(last_turn(row) for row in leaf.seeds[:shown]),
            begin=leaf.begin,
            parents=tuple(row.id for row in leaf.seeds[:shown]),
            principle=leaf.principle,
            columns=(("leaf", leaf.name), *([("document", leaf.document)] if leaf.document else [])),
        )
        for leaf in taxonomy.leaves
    ]
    return prompts_from(
        model,
        briefs,
        n,
        producer="taxonomy",
        way=way,
        template=template,
        count=count,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        tick=tick,
    )


def coverage(rows: Sequence[Row], taxonomy: Taxonomy) -> dict[str, int]:
    """How many rows each leaf has, those without any included."""
    found = Counter(row.data.get("leaf") for row in rows)
    return {leaf.name: found[leaf.name] for leaf in taxonomy.leaves}


def _check(nodes: Sequence[Any], source: Lines, path: str | Path) -> None:
    """Shapes, names and seeds of all nodes, first to last."""
    ids = [node.get("id") if isinstance(node, Mapping) else None for node in nodes]
    above = {node.get("under") for node in nodes if isinstance(node, Mapping)}
    for i, (name, node) in enumerate(zip(ids, nodes, strict=True)):
        wrong = ""
        if not isinstance(name, str) or not name:
            wrong = "a node without an id"
        elif ids.index(name) < i:
            wrong = f"id {name!r} again (first on line {source.lines.get(f'nodes[{ids.index(name)}].id')})"
        elif unknown := [key for key in node if key not in FIELDS]:
            wrong = f"unknown field {unknown[0]!r}; expected {', '.join(FIELDS)}"
        elif node.get("under") is not None and node["under"] not in ids:
            wrong = f"under {node['under']!r}, which is no node"
        elif not isinstance(node.get("seeds", []), list):
            wrong = "seeds that are no list"
        elif name not in above and not node.get("seeds"):
            wrong = f"leaf {name!r} has no seeds; give at least one prompt"
        if wrong:
            raise UserError(wrong, where=f"{path}, line {source.lines.get(f'nodes[{i}]')}")


def _path(
    name: str, by_id: Mapping[str, Any], source: Lines, file: str | Path, nodes: Sequence[Any]
) -> tuple[str, ...]:
    """From the root to a node. Raises UserError for a cycle, with the line that closes it."""
    found: list[str] = [name]
    while (up := by_id[found[0]].get("under")) is not None:
        if up in found:
            line = source.lines.get(f"nodes[{nodes.index(by_id[found[0]])}].under")
            loop = " under ".join([*reversed(found[: found.index(up) + 1]), up])
            raise UserError(f"a cycle: {loop}", where=f"{file}, line {line}", fix="take one `under` out")
        found.insert(0, up)
    return tuple(found)


def _seed(one: Any, path: str, leaf: str) -> Row:
    data = {"prompt": one} if isinstance(one, str) else dict(one) if isinstance(one, Mapping) else {}
    if not data.get("prompt"):
        raise UserError(f"a seed of leaf {leaf!r} without a prompt", where=path)
    if isinstance(data["prompt"], str):
        data["prompt"] = [{"role": "user", "content": data["prompt"]}]
    return Row(data, Source(f"taxonomy:{leaf}", "people", note=path))
