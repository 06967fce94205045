"""Every example in README.md and docs/ runs, top to bottom, each page in an empty folder of its own.

`python` blocks of a page share one namespace; `bash` blocks must exit 0; in `console` blocks the lines after
`$ ` run and what they print must match what the page shows, where `...` stands for any text. An HTML
comment just above a block says what is special about it:

    <!-- not run: REASON -->      shown only; a reason is compulsory
    <!-- exit status: 2 -->       the command fails, as the text around it says
    <!-- file: policy.yaml -->    the block is not run: it is saved under this name for the blocks below it
    <!-- prints -->               the block is what the `python` block above it prints
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from truenorth.base import names
from truenorth.cli.main import commands
from truenorth.report.schema import Comparison, JudgeCard, PairedValue, Report, Signal, Target, Value

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
RUN = {"python", "bash", "console"}
SHOWN = {"yaml", "json", "jsonl", "text", "html", "toml", "markdown"}
FENCE = re.compile(
    r"(?:<!--\s*(?P<mark>not run|exit status|file|prints):?\s*(?P<value>[^\n]*?)\s*-->\n\n?)?"
    r"^(?P<ticks>`{3,})(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=ticks)$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block: the line of its first line of text, its language, and the mark above it."""

    line: int
    language: str
    text: str
    mark: str = ""
    value: str = ""


def blocks(markdown: str) -> list[Block]:
    """The fenced blocks of a page, in order.

    Raises:
        ValueError: a block without a known language, or one that is not run for no stated reason.
    """
    found = []
    for match in FENCE.finditer(markdown):
        line = markdown.count("\n", 0, match.start("text")) + 1
        block = Block(
            line, match["language"], match["text"], match["mark"] or "", (match["value"] or "").strip()
        )
        if block.language not in RUN | SHOWN:
            raise ValueError(
                f"line {line}: language {block.language!r}; one of {', '.join(sorted(RUN | SHOWN))}"
            )
        if block.mark not in ("", "prints") and not block.value:
            raise ValueError(f"line {line}: <!-- {block.mark}: --> says nothing; give the reason or value")
        found.append(block)
    return found


def shell(command: str, folder: Path, *, status: int, where: str) -> str:
    """Run a command as a reader would, with this environment's programs; returns all it printed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "COLUMNS": "100", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == status, f"{where}: exit status {done.returncode}, not {status}\n{done.stdout}"
    return done.stdout


def shows(expected: str, printed: str) -> bool:
    """Whether `printed` is what a page shows; `...` in it is any text, and line ends do not count."""
    tidy = [re.sub(r"\s+\n", "\n", text + "\n").strip() for text in (expected, printed)]
    pattern = ".*".join(re.escape(piece) for piece in tidy[0].split("..."))
    return re.fullmatch(pattern, tidy[1], re.DOTALL) is not None


def session(text: str) -> list[tuple[str, str]]:
    """(command, what it prints) of a console block; a command goes on after a backslash."""
    steps: list[tuple[str, str]] = []
    for chunk in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, printed = re.sub(r"\\\n", "\\\\\0", chunk).partition("\n")
        steps.append((command.replace("\0", "\n"), printed.replace("\0", "\n")))
    return steps


def run(block: Block, page: Path, folder: Path, namespace: dict[str, object]) -> str:
    """Run one block in the page's folder and namespace; returns what it printed, where it is Python."""
    where = f"{page.name}, line {block.line}"
    status = int(block.value) if block.mark == "exit status" else 0
    out = io.StringIO()
    if block.mark == "not run":
        return ""
    if block.mark == "file":
        (folder / block.value).write_text(block.text)
    elif block.language == "python":
        code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
        with redirect_stdout(out):
            exec(code, namespace)
    elif block.language == "bash":
        shell(block.text, folder, status=status, where=where)
    elif block.language == "console":
        for command, expected in session(block.text):
            printed = shell(command, folder, status=status, where=where)
            assert shows(expected, printed), f"{where}: $ {command}\nprinted\n{printed}\nnot\n{expected}"
    return out.getvalue()


def run_page(text: str, page: Path, folder: Path) -> dict[str, object]:
    """Run a page's blocks in order; returns the names its Python blocks defined."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed = ""
    for block in blocks(text):
        if block.mark == "prints":
            assert shows(block.text, printed), f"{page.name}, line {block.line}: printed\n{printed}"
        else:
            printed = run(block, page, folder, namespace)
    return namespace


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_example_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    run_page(page.read_text(), page, tmp_path)


@pytest.mark.parametrize(
    ("catalogue", "page"),
    [
        ("judges.checks", "constitution.md"),
        ("learn.objectives", "objectives.md"),
        ("edit.methods", "merging.md"),
        ("edit.safety", "restoring.md"),
    ],
)
def test_every_entry_of_a_catalogue_is_on_its_page(catalogue: str, page: str):
    text = (ROOT / "docs" / page).read_text()
    assert [name for name in names(f"truenorth.{catalogue}") if f"`{name}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(page: Path):
    text = FENCE.sub("", page.read_text())
    targets = [t.split("#")[0] for t in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"\w+:", t)]
    broken = [target for target in targets if target and not (page.parent / target).exists()]
    assert not broken


def test_every_command_is_on_the_page_of_the_first_run():
    text = (ROOT / "docs" / "first-run.md").read_text()
    assert [name for name in commands() if f"`truenorth {name}" not in text] == []


def test_the_schema_of_the_report_is_on_its_page():
    text = (ROOT / "docs" / "report.md").read_text()
    parts = [Report, Comparison, Value, PairedValue, JudgeCard, Target, Signal]
    fields = [field for part in parts for field in part.model_fields]
    assert [field for field in fields if f"`{field}`" not in text] == []


def test_the_site_builds_strictly_and_asks_nothing_of_the_network(tmp_path: Path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    loads = re.compile(r"""<(?:link|script|img|iframe)[^>]*(?:href|src)=["'](?:https?:)?//[^"']+""")
    pages = sorted(tmp_path.rglob("*.html"))
    outside = [(p.name, found) for p in pages for found in loads.findall(p.read_text())]
    assert len(pages) > 5
    assert not outside
    styles = [
        p
        for p in tmp_path.rglob("*.css")
        if re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//", p.read_text())
    ]
    assert not styles


PAGE = """\
# A page

<!-- file: two.txt -->
```text
2
```

```python
from pathlib import Path
x = int(Path("two.txt").read_text())
```

```console
$ cat two.txt
2
$ echo one; \\
  echo and a half; echo two
one
...
two
```

<!-- exit status: 3 -->
```bash
exit 3
```

```python
assert x == 2
print("x", "is", x)
```

<!-- prints -->
```text
x is ...
```
"""


def test_blocks_of_a_page_run_in_order_and_share_names_and_files(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_page(PAGE, Path("page.md"), tmp_path)["x"] == 2
    assert [block.line for block in blocks(PAGE)] == [5, 9, 14, 25, 29, 35]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("$ cat two.txt\n2", "$ cat two.txt\n3"),
        ("exit 3", "exit 0"),
        ("x == 2", "x == 3"),
        ("two\n```", "six\n```"),
        ("x is ...", "y is ..."),
    ],
)
def test_a_page_that_no_longer_holds_fails(right: str, wrong: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert right in PAGE
    with pytest.raises(AssertionError):
        run_page(PAGE.replace(right, wrong), Path("page.md"), tmp_path)


def test_a_block_without_a_language_or_a_reason_is_refused():
    with pytest.raises(ValueError, match="line 2: language ''"):
        blocks("```\nx\n```\n")
    with pytest.raises(ValueError, match="line 3: <!-- not run: --> says nothing"):
        blocks("<!-- not run: -->\n```python\nx\n```\n")
