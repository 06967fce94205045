"""Train a model with any objective on TRL's kinds of data, after a lint of the data.

    truenorth train sft --model DIR --data chats.jsonl --out runs/sft
    truenorth train dpo --model DIR --data pairs.jsonl --eval_data held.jsonl --beta 0.2
    truenorth train --config dpo.yaml --learning_rate 1e-6

Arguments have TRL's names, with underscores or dashes; a YAML file holds the same names, and flags go on top. Settings
of the objective are arguments too (--beta 0.2). Started again, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truenorth.base import UserError
from truenorth.cli import exits
from truenorth.cli.catalogue import FOLDERS, _folder

if TYPE_CHECKING:
    from truenorth.recipes.train_inputs import Ready

PREVIEWED = 3  # rows
OWN = (
    "objective",
    "config",
    "out",
    "dry_run",
    "lint_only",
    "skip_bad_rows",
    "fresh",
    "set",
    "quiet",
    "allow_code",
)

# Shown in the help, with what they say. Other names of TRL are understood without standing there.
SHOWN: dict[str, dict[str, tuple[str | None, str]]] = {
    "what": {
        "model": ("DIR_OR_ID", "the model to train (also --model_name_or_path)"),
        "data": ("FILE", "JSONL, JSON, Parquet, CSV, a folder, or a hub id (also --dataset_name)"),
        "eval_data": ("FILE", "rows to evaluate on, before and after"),
        "test_split_size": ("N", "or hold out this share (below 1) or number of rows, by whole prompts"),
        "ref_model": ("DIR_OR_ID", "what the objective compares to (default: the model before training)"),
    },
    "models and answers of coin, adpa and minillm": {
        "baseline_model": ("DIR_OR_ID", "adpa: the teacher (--ref_model) before it learned preferences"),
        "sft_weight": ("X", "coin, adpa: of the imitation beside them (1); minillm: 0 leaves it out"),
        "max_new_tokens": ("N", "of answers that are drawn (64)"),
        "rounds": ("N", "minillm: of drawing answers anew (4)"),
        "teacher_share": ("X", "minillm: of the teacher among those who draw (0.2)"),
    },
    "how": {
        "learning_rate": ("X", "peak (default: by the model's size)"),
        "num_train_epochs": ("N", "default: 3 for sft, 1 for all others"),
        "max_steps": ("N", "instead of epochs"),
        "per_device_train_batch_size": ("N", "rows of a step (8) ..."),
        "gradient_accumulation_steps": ("N", "... times this (1)"),
        "warmup_ratio": ("X", "share of the steps, or their number as --warmup_steps (0.1)"),
        "lr_scheduler_type": ("NAME", "linear (default), cosine or constant"),
        "optim": ("NAME", "adamw (default) or muon"),
        "weight_decay": ("X", "of matrices (0)"),
        "max_grad_norm": ("X", "largest norm of the gradient (1)"),
        "seed": ("N", "default 0"),
        "use_peft": (None, "train LoRA adapters instead of the weights"),
        "peft": ("KIND", "other adapters: dora, ia3, prefix_tuning, ..., or '{type: vera, r: 64}'; bitfit"),
        "lora_r": ("N", "rank (16)"),
        "lora_alpha": ("N", "scale (twice the rank)"),
        "lora_target_modules": ("NAMES", "default all-linear"),
    },
    "rows to tokens": {
        "max_length": ("N", "tokens of prompt and completion (default: the model's context)"),
        "max_prompt_length": ("N", "tokens of a prompt; it loses its beginning"),
        "truncation_mode": ("NAME", "prompt_first (default), keep_start or keep_end"),
        "completion_only_loss": (None, "false trains prompts too"),
        "assistant_only_loss": (None, "of messages, train what the assistant says only"),
        "as_chat": (None, "make user and assistant turns of plain texts"),
    },
    "watching": {
        "logging_steps": ("N", "a line in metrics.jsonl each (1)"),
        "save_steps": ("N", "a checkpoint to resume from each (100)"),
        "eval_strategy": ("NAME", "no (default), steps or epoch: evaluate during training too"),
        "eval_steps": ("N", "steps between, or a share of all below 1"),
    },
}


# Of the command itself: spellings, and the rest of what argparse takes.
COMMAND: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--config",), {"type": Path, "metavar": "FILE", "help": "arguments as YAML; flags go on top"}),
    (
        ("--out", "--output_dir", "--output-dir"),
        {"type": Path, "metavar": "DIR", "help": "the run's folder (default: runs/OBJECTIVE-MODEL)"},
    ),
    (("--dry-run", "--dry_run"), {"help": "check everything, say what it would take, stop"}),
    (("--lint-only", "--lint_only"), {"help": "show the first rows and what is odd about the data, stop"}),
    (("--skip-bad-rows", "--skip_bad_rows"), {"help": "leave out rows with errors instead of stopping"}),
    (("--fresh",), {"help": "start again; what the run left there is deleted"}),
    (("--allow-code", "--allow_code"), {"help": "OBJECTIVE may be package.module:function"}),
)
# Understood without standing in the help, beside what train_names.py knows of TRL.
UNSHOWN = (
    *("sync_ref_model", "ref_model_mixup_alpha", "ref_model_sync_steps", "loss_type", "loss_weights"),
    *("dataset_config", "dataset_train_split", "dataset_test_split", "dataset_text_field", "micro_tokens"),
    *("adam_beta1", "adam_beta2", "cpo_alpha", "simpo_gamma", "tpo_alpha", "tpo_l_gamma", "ld_alpha"),
    *("discopop_tau", "f_divergence_type", "f_alpha_divergence_coef", "use_dora", "use_rslora"),
)
MANY = ("loss_type", "loss_weights", "lora_target_modules", "report_to")  # take several values


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Every argument of TRL's trainers and every setting of an objective, under both spellings."""
    about = "see `truenorth catalogue objectives`"
    parser.add_argument("objective", nargs="?", metavar="OBJECTIVE", help=about)
    for spellings, words in COMMAND:
        how = words if "type" in words else {"action": "store_true", **words}
        parser.add_argument(*spellings, **how)
    for title, names in SHOWN.items():
        group = parser.add_argument_group(title)
        for name, (value, help) in names.items():
            _add(group, name, metavar=value or "true|false", help=help)
    shown = {name for names in SHOWN.values() for name in names}
    shown |= _add_settings(parser, shown)
    _add_unshown(parser, shown)


def _add_settings(parser: argparse.ArgumentParser, shown: set[str]) -> set[str]:
    """The settings of objectives that are not shown already; their names."""
    title = "settings of objectives (`truenorth objectives explain NAME` says what they do)"
    group = parser.add_argument_group(title)
    help = "any argument or setting, such as beta=0.2"
    group.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=help)
    found = {name: whose for name, whose in objective_settings().items() if name not in shown}
    for name, whose in found.items():
        some = ", ".join(whose[:4]) + (", ..." if len(whose) > 4 else "")
        _add(group, name, metavar="X", help=f"of {some}")
    return set(found)


def _add_unshown(parser: argparse.ArgumentParser, shown: set[str]) -> None:
    """Names of TRL that the help does not show: understood, without effect, or refused with a reason."""
    from truenorth.recipes.train_names import ALIASES, CANNOT, NEEDLESS, SETTINGS

    for name in dict.fromkeys((*UNSHOWN, *SETTINGS, *ALIASES, *NEEDLESS, *CANNOT)):
        if name not in shown and name not in OWN and name != "output_dir":
            _add(parser, name, help=argparse.SUPPRESS)


def _add(group: Any, name: str, **words: Any) -> None:
    """An option under both spellings; without a value it means true."""
    spellings = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
    many = {"nargs": "*"} if name in MANY else {"nargs": "?", "const": "true"}
    group.add_argument(*spellings, dest=name, default=argparse.SUPPRESS, **many, **words)


def objective_settings() -> dict[str, list[str]]:
    """Each keyword setting of the catalogue's objectives and who has it, read without importing them."""
    found: dict[str, list[str]] = {}
    for path in sorted(_folder(FOLDERS["objectives"]).glob("[!_]*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == path.stem:
                for argument in node.args.kwonlyargs:
                    found.setdefault(argument.arg, []).append(path.stem)
    return dict(sorted(found.items()))


def run(args: argparse.Namespace) -> int:
    """Lint, train, print what changed."""
    import sys
    import warnings

    from transformers.utils import logging

    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", ".*no place for a system turn")  # the lint says so, with row numbers
    from truenorth.engine import foreseen
    from truenorth.recipes.train import config_of
    from truenorth.recipes.train_forecast import description
    from truenorth.recipes.train_inputs import ready
    from truenorth.recipes.train_reading import settings_from

    objective, given = _given(args)
    settings, notes = settings_from(objective, given)
    made = ready(settings, lint_only=args.lint_only, skip_bad_rows=args.skip_bad_rows)
    out = args.out or Path("runs") / f"{objective.rpartition(':')[2]}-{made.look.name.rpartition('/')[2]}"
    looking = args.lint_only or args.dry_run
    if not args.quiet or looking:
        show(made, notes, to=sys.stdout if looking else sys.stderr, rows=PREVIEWED if looking else 1)
    if args.lint_only:
        return exits.FAILED if any(f.severity == "error" for f in made.findings) else exits.OK
    if args.dry_run:
        print(description(made, foreseen(out, config=config_of(made), resume=not args.fresh)))
        return exits.OK
    return _train(args, made, out)


def _train(args: argparse.Namespace, made: Ready, out: Path) -> int:
    from rich.console import Console

    from truenorth.engine import Run
    from truenorth.recipes.train import config_of, train
    from truenorth.recipes.train_forecast import forecast
    from truenorth.recipes.train_report import table

    with Run.open(
        out,
        config=config_of(made),
        resume=not args.fresh,
        seeds=[made.settings.seed],
        free_mib=forecast(made).disk_mib,
    ) as opened:
        result = train(made, opened, quiet=args.quiet)
    console = Console()
    if result.changes:
        console.print(table(result.changes))
    last = {
        k: v
        for k, v in result.last.items()
        if k in ("loss", "rewards/accuracies", "rewards/margins", "accuracy")
    }
    console.print(
        f"steps   {made.steps:,}" + "".join(f", {k} {v:.3f}" for k, v in last.items()),
        soft_wrap=True,
        highlight=False,
    )
    console.print(f"model   {result.model}\nmetrics {out / 'metrics.jsonl'}", soft_wrap=True, highlight=False)
    return exits.OK


def _given(args: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The objective, and every argument that was given: the YAML file's, then --set's, then flags'."""
    given: dict[str, Any] = {}
    if args.config:
        from truenorth.recipes.train_values import from_yaml

        given |= from_yaml(args.config)
    folder = given.pop("output_dir", None) or given.pop("out", None)
    args.out = args.out or (Path(folder) if folder else None)
    for word in args.set:
        name, equals, value = word.partition("=")
        if not equals:
            raise UserError(f"{word!r} sets nothing", where="--set", expected="NAME=VALUE, such as beta=0.2")
        given[name.replace("-", "_")] = value
    given |= {name: value for name, value in vars(args).items() if name not in OWN}
    objective = args.objective or given.pop("objective", None)
    given.pop("objective", None)
    if not objective:
        fix = "name one: truenorth train dpo; `truenorth catalogue objectives` lists them"
        raise UserError("no objective", fix=fix)
    if ":" in objective and not args.allow_code:
        raise UserError(
            f"{objective} is code from elsewhere", where="objective", fix="allow it with --allow-code"
        )
    return objective, given


def show(made: Ready, notes: list[str], *, to: Any, rows: int) -> None:
    """The first rows with what is trained set apart, and the findings."""
    from rich.console import Console
    from rich.text import Text

    from truenorth.learn.data.preview import coloured, plain, previews

    console = Console(file=to, soft_wrap=True, highlight=False, emoji=False, markup=False)
    for title, parts in previews(made.train, rows):
        console.print(Text(title, style="bold"))
        console.print(coloured(parts) if console.is_terminal and not console.no_color else Text(plain(parts)))
    for finding in made.findings:
        colour = {"error": "red", "warning": "yellow"}.get(finding.severity, "dim")
        console.print(Text(str(finding), style=colour))
    for note in notes:
        console.print(Text(f"note     argument     {note}", style="dim"))
