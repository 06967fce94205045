"""People as a judge: what is asked waits on the page of `truenorth annotate`, and what they said comes back.

Nobody is waited for. An answer that too few people have judged has no verdict, is counted, and stays in the queue;
asked again, by whichever program, the judge says what has been said in the meantime.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, get_args

from truenorth.base import UserError
from truenorth.records import Group, Judgement, Prompt, Row, Source
from truenorth.records.label_agreement import Agreement, agreement
from truenorth.records.label_crowd import Heard, Item, heard, item_of
from truenorth.records.label_store import LabelStore
from truenorth.records.labels import Kind, Task

Ask = Literal["approve", "rate", "rank"]
WAITS, SKIPPED = "waits for people", "skipped by "
TOGETHER = 9  # answers of one task at most: the page has a key for each


@dataclass(frozen=True)
class PeopleJudge:
    """Scores in [0, 1] by people, several of them together (see `records.label_crowd`); none where too few have judged.

    Any kind of label counts, that of `ask` first. Labels of the same texts that were given elsewhere in the same
    file, over the answers of a run, count as well.

    Args:
        store: the file of labels; made with the first question.
        ask: what the page asks first: approve (good or not), rate (1 to 5), or rank (those of a prompt, side by side).
        votes: people who must have judged a text before it has a verdict.
        principle: what they judge by; what was said under another one does not count. constitution: where the page
            finds its words.
        counts: of the last time it was asked: verdicts, waiting, skipped (by as many as were needed), left out (empty,
            or alone where a ranking is asked for).

    Raises:
        UserError: no such question, or fewer than one vote.
    """

    store: str | Path
    ask: Ask = "approve"
    votes: int = 1
    principle: str = ""
    constitution: str = ""
    name: str = ""
    counts: Counter[str] = field(default_factory=Counter, init=False, repr=False, compare=False)
    alone: ClassVar[bool] = False  # a ranking depends on what else stood there

    def __post_init__(self) -> None:
        if self.ask not in get_args(Ask):
            expected = "one of " + ", ".join(get_args(Ask))
            raise UserError(f"ask {self.ask!r}", where="people as a judge", expected=expected)
        if isinstance(self.votes, bool) or not isinstance(self.votes, int) or self.votes < 1:
            raise UserError(f"votes {self.votes!r}", where="people as a judge", expected="1 or more")
        if self.principle and not self.constitution:
            fix = "name the constitution whose words the page is to show"
            raise UserError(f"principle {self.principle!r} of what?", where="people as a judge", fix=fix)
        if not self.name:
            told = f"?principle={self.principle}" if self.principle else ""
            object.__setattr__(self, "name", f"people:{Path(self.store).name}{told}")

    @property
    def identity(self) -> str:
        """With everything that has been said so far: another label is another judge."""
        if not Path(self.store).is_file():
            return f"{Path(self.store).resolve()} {self.ask} {self.votes} {self.principle} 0"
        with LabelStore(self.store) as store:
            store.labels()
            return f"{Path(self.store).resolve()} {self.ask} {self.votes} {self.principle} {store.last}"

    @property
    def page(self) -> str:
        """The command that opens the page."""
        words = ["truenorth", "annotate", str(self.store), "--ask", self.ask]
        if self.votes > 1:
            words += ["--votes", str(self.votes)]
        if self.principle:
            words += ["--principle", self.principle, "--constitution", self.constitution]
        return shlex.join(words)

    @property
    def waiting(self) -> str:
        """What waited for people the last time it was asked, and where they find it; "" where nothing did."""
        n = self.counts["waiting"]
        told = f"{n:,} of {self.counts.total():,} answers wait for people; open the page: {self.page}"
        return told if n else ""

    def judge(self, groups: Sequence[Group]) -> list[list[Judgement]]:
        """What people have said of each completion so far. What they have not been asked is put in the queue."""
        with LabelStore(self.store) as store:
            found = store.annotations()
            known = heard(found, principle=self.principle, trials=store.trials(), gold=store.gold())
            judged = [[self._judgement(g, text, known) for text in g.completions] for g in groups]
            asked = {
                item_of(task.prompt, found.answers[answer].data["completion"])
                for task in found.tasks.values()
                for answer in task.answers
            }
            for group, row in zip(groups, judged):
                store.add_tasks(*tasks_of(group.prompt, self._left(group, row, asked)))
        self.counts.clear()
        self.counts.update(_outcome(j) for row in judged for j in row)
        return judged

    def _left(self, group: Group, row: Sequence[Judgement], asked: Container[Item]) -> list[str]:
        """The texts that are to be put in the queue: those that wait and are not in it; to rank them, all of them."""
        left = [text for text, j in zip(group.completions, row) if j.reason == WAITS]
        if self.ask == "rank":
            return [text for text in group.completions if text.strip()] if left else []
        return [text for text in left if item_of(group.prompt, text) not in asked]

    def agreement(self) -> dict[Kind, Agreement]:
        """How far people agree, by kind of label, where two of them said something of the same."""
        with LabelStore(self.store) as store:
            labels = [x for x in store.annotations().labels if x.principle == self.principle]
        found = {kind: agreement(labels, kind) for kind in get_args(Ask)}
        return {kind: one for kind, one in found.items() if one.items}

    def _judgement(self, group: Group, text: str, known: Mapping[Item, Heard]) -> Judgement:
        if not text.strip():
            return Judgement(None, self.name, self.principle, "empty completion")
        of = known.get(item_of(group.prompt, text), Heard({}, frozenset(), ()))
        flagged = "; ".join(["", *(f"flagged: {why}" for why in of.flags)])
        for kind in dict.fromkeys((self.ask, *get_args(Ask))):
            if (said := of.kinds.get(kind)) and len(said.by) >= self.votes:
                people = "1 person" if len(said.by) == 1 else f"{len(said.by)} people"
                reason = f"{kind} by {people}, {said.how}{flagged}"
                raw = ", ".join(f"{who} {value:g}" for who, value in said.by.items())
                return Judgement(said.score, self.name, self.principle, reason, raw)
        asked = of.kinds.get(self.ask)
        if len({*of.skipped, *(asked.by if asked else ())}) >= self.votes:
            by = ", ".join(sorted(of.skipped))
            return Judgement(None, self.name, self.principle, f"{SKIPPED}{by}{flagged}")
        if self.ask == "rank" and len({t for t in group.completions if t.strip()}) < 2:
            return Judgement(None, self.name, self.principle, "nothing to rank it among")
        return Judgement(None, self.name, self.principle, WAITS)


def queues_of(judge: object) -> list[PeopleJudge]:
    """The queues of people in a judge: itself, members of a panel, judges of a constitution's principles."""
    if isinstance(judge, PeopleJudge):
        return [judge]
    inner = [*getattr(judge, "members", ()), *(j for p in getattr(judge, "principles", ()) for j in p.judges)]
    return [queue for one in inner for queue in queues_of(one)]


def people_judge(spec: str, *, folder: str | Path = ".", where: str = "judge") -> PeopleJudge:
    """The judge that `FILE` or `FILE?ask=rate&votes=2` names, with the settings of `PeopleJudge`.

    Raises:
        UserError: no file is named, or a setting that there is not.
    """
    file, _, query = spec.partition("?")
    given = dict(part.partition("=")[::2] for part in query.split("&")) if query else {}
    allowed = ("ask", "votes", "principle", "constitution")
    if not file or set(given) - set(allowed):
        expected = f"people:FILE, or people:FILE?SETTING=VALUE&... with {', '.join(allowed)}"
        raise UserError(f"people:{spec}", where=where, expected=expected)
    votes = given.pop("votes", "1")
    return PeopleJudge(Path(folder) / file, votes=int(votes) if votes.isdigit() else 0, **given)  # type: ignore[arg-type]


def tasks_of(prompt: Prompt, texts: Sequence[str]) -> tuple[list[Task], dict[str, Row]]:
    """Tasks of at most nine texts each, every text once, and their rows by id: the same whenever asked."""
    plain = prompt if isinstance(prompt, str) else [dict(m) for m in prompt]
    rows = [
        Row({"prompt": plain, "completion": t}, Source("queue", family="people"))
        for t in dict.fromkeys(texts)
    ]
    number = -(-len(rows) // TOGETHER)
    parts = [rows[i::number] for i in range(number)]
    return [Task.of(prompt, [row.id for row in part]) for part in parts], {row.id: row for row in rows}


def _outcome(judgement: Judgement) -> str:
    if judgement.score is not None:
        return "verdicts"
    return (
        "waiting"
        if judgement.reason == WAITS
        else "skipped"
        if judgement.reason.startswith(SKIPPED)
        else "left out"
    )
