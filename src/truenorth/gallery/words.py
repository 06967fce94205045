"""The table in words, for the terminal and the page."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from truenorth.gallery.claims import SEEDS, Claim
from truenorth.gallery.presets import BASE
from truenorth.gallery.table import Entry, Gallery, Number
from truenorth.report.schema import PairedValue, Value
from truenorth.report.words import NONE, count, difference, interval, number, plain, shown, signed
from truenorth.stats import Paired

STYLES = {"good": "green", "bad": "red", "wait": "dim"}
WIDE = 104  # characters of a line that has room for every ability
MARKS = {"raised": "▲", "lowered": "▼", "unmoved": "=", "cannot tell": "?"}


def gained(gain: Paired | None) -> str:
    """ "+12 points (+8.1 to +16)"."""
    if gain is None or gain.test == "itself":
        return NONE
    value = PairedValue.model_validate(gain._asdict())
    return f"{difference(value, 'rate')} ({signed(gain.low, 'rate')} to {signed(gain.high, 'rate')})"


def bare(gain: Paired) -> str:
    """ "+12.0 (+8.1 to +16.0)": a gain under a head that says points."""
    if gain.test == "itself":
        return NONE
    return f"{signed(gain.difference, 'rate')} ({signed(gain.low, 'rate')} to {signed(gain.high, 'rate')})"


def score(found: Number) -> str:
    return number(found.value.mean, "rate")


def score_interval(found: Number) -> str:
    return interval(Value.model_validate(found.value._asdict()), "rate")


def colour(gain: Paired) -> str:
    """Which side of zero the interval of a gain lies on: `good`, `bad`, or `wait` where it holds zero."""
    return "good" if gain.low > 0 else "bad" if gain.high < 0 else "wait"


def verdict(claim: Claim) -> str:
    """Whether the row moves its gold score up, in a word or two."""
    return {"raised": "✓ proven", "cannot tell": "? cannot tell"}.get(claim.verdict, "✗ does not")


def chip(claim: Claim) -> str:
    """The colour of a verdict."""
    return {"raised": "good", "lowered": "bad"}.get(claim.verdict, "wait")


def mark(claim: Claim) -> str:
    """ "▲ +12.1"."""
    return f"{MARKS[claim.verdict]} {signed(claim.pooled.difference, 'rate')}"


def tell(claim: Claim) -> str:
    """The pooled 99 % interval."""
    return f"{signed(claim.pooled.low, 'rate')} to {signed(claim.pooled.high, 'rate')}"


def more(claim: Claim) -> str:
    """What would settle an open claim."""
    if len(claim.seeds) < SEEDS:
        return f"{count(len(claim.seeds), 'seed')} of {SEEDS}"
    return f"{claim.more:,} more" if claim.more else "seeds disagree"


def reason(entry: Entry) -> str:
    """The difference in each seed, and why the row does not move its score or what would tell."""
    if entry.claim is None:
        return ""
    signs = ", ".join(signed(one, "rate") for one in entry.claim.seeds)
    if entry.claim.verdict == "raised":
        return signs
    what = {"lowered": "lower than the base", "unmoved": "within two points"}.get(entry.claim.verdict)
    if what is None:
        wanted = more(entry.claim)
        what = f"about {wanted} questions would tell" if entry.claim.more else wanted
    return "; ".join(filter(None, [signs, what, entry.why]))


def made_by(entry: Entry) -> str:
    """ "edit linear of dpo, simpo; half of each; beta 0.1, lr 0.001"."""
    kind = entry.kind if entry.kind == BASE or entry.method == entry.name else f"{entry.kind} {entry.method}"
    made = f"{kind} of {', '.join(entry.of)}" if entry.of else kind
    own = {**{k: v for k, v in entry.settings.items() if k != "each"}, **entry.training}
    told = ", ".join(f"{key} {value}" for key, value in own.items() if key != "anchors")
    return "; ".join(filter(None, [made, entry.about, told, "no anchors" if "anchors" in own else ""]))


def lost(entry: Entry) -> str:
    """Facts of the main set, in points: what the gain cost."""
    found = abilities(entry).get("facts")
    return signed(found.gain.difference, "rate") if found else NONE


def abilities(entry: Entry) -> dict[str, Number]:
    """Abilities of the main set: what alignment may have cost."""
    return dict(next(iter(entry.abilities.values()), {}))


def title(principle: str) -> str:
    return principle.replace("_", " ")


def facts(gallery: Gallery) -> dict[str, str]:
    """How the table was run, for its head."""
    how = gallery.settings
    return {
        "Seeds, of data and training": ", ".join(map(str, gallery.seeds)),
        "Questions a principle": f"{how['items']}, near and far each",
        "Training": f"{how['steps']} steps of {how['batch']}, rate {how['lr']:g}",
        "Prompts": f"{how['prompts']:,}",
        "Load when gathered": f"{gallery.load}",
        "Made": f"{gallery.made}, version {gallery.version}",
    }


def console(gallery: Gallery, *, wide: bool = True) -> Table:
    """A plain table: rank, row, overall score and gain, what happened to the abilities, KL and CPU seconds.

    Args:
        wide: all abilities and the CPU seconds; without, facts alone: what a line of 80 characters holds.
    """
    table = Table(
        title=headline(gallery), box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left"
    )
    names = list(dict.fromkeys(name for e in gallery.entries for name in abilities(e)))[: None if wide else 1]
    heads = ["rank", "", "gold", "points on the base", "moves it", *map(title, names), "KL"]
    for name in [*heads, "CPU s"] if wide else heads:
        table.add_column(name, no_wrap=wide or name != "moves it")
    for e in gallery.entries:
        if e.overall is None:
            table.add_row(NONE, Text(e.name), Text(shown(e.failed, 120), style="red"))
            continue
        found = [abilities(e).get(name) for name in names]
        costs = [
            Text(signed(n.gain.difference, "rate"), STYLES[colour(n.gain)]) if n else Text(NONE)
            for n in found
        ]
        told = Text(bare(e.overall.gain), STYLES[colour(e.overall.gain)])
        claim = Text(verdict(e.claim), STYLES[chip(e.claim)]) if e.claim else Text("")
        last = [plain(e.kl.mean) if e.kl else NONE, *([plain(e.cpu_s or 0.0)] if wide else [])]
        table.add_row(e.rank, Text(e.name), score(e.overall), told, claim, *costs, *last)
    return table


def headline(gallery: Gallery) -> str:
    """One sentence on who moves the score, and who is ahead."""
    known = [e for e in gallery.entries if e.overall]
    if len(known) < 2:
        return "Too few rows to compare"
    claims = [e.claim for e in known if e.claim]
    proven = sum(c.verdict == "raised" for c in claims)
    first = [e.name for e in known if e.best == 1]
    ahead = f"{first[0]} is ahead of all others" if len(first) == 1 else f"{len(first)} share the first rank"
    if not any(len(c.seeds) >= SEEDS for c in claims):
        return f"{len(known)} rows: {ahead}"
    return f"{proven} of {len(claims)} rows are proven to raise the gold score; {ahead}"
