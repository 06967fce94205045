"""The command line: quick help, one-line errors, the documented exit statuses."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

import truenorth
from truenorth.base import UserError
from truenorth.cli import dispatch as dispatching
from truenorth.cli.doctor import findings
from truenorth.cli.main import FIRST, commands, main
from truenorth.engine import TooManyLosses, bound_losses

REPORT = {
    "title": "One principle",
    "run": "runs/one",
    "principles": {"kind": {"base": {"mean": 0.5}, "aligned": {"mean": 0.9}}},
}


def command(monkeypatch, work) -> None:
    """Put a command named `job` in place that does `work`."""
    module = ModuleType("truenorth.cli.job")
    module.add_arguments = lambda parser: parser.add_argument("--n", type=int, default=3)  # type: ignore[attr-defined]
    module.run = work  # type: ignore[attr-defined]
    monkeypatch.setattr(dispatching, "load", lambda name: module)


def test_help_imports_nothing_but_the_standard_library_and_names_every_command():
    code = (
        "import sys; before = set(sys.modules); from truenorth.cli.main import main; main(['--help']); "
        "print({m.partition('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "{'truenorth'}"
    for name in ("align", "measure", "why", "report", "constitution", "world", "catalogue", "doctor"):
        assert f"\n  {name} " in done.stdout
    for status in ("0 ", "1 ", "2 ", "3 ", "130 "):
        assert f"\n  {status}" in done.stdout


def test_help_orders_every_command_by_what_people_reach_for_first():
    assert list(commands()) == list(FIRST)
    assert FIRST[:3] == ("align", "run", "train")


def test_importing_truenorth_or_a_face_loads_neither_torch_nor_transformers():
    code = (
        "import sys, truenorth, truenorth.engine, truenorth.report, truenorth.cli.dispatch; "
        "print({'torch', 'transformers', 'datasets'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_every_command_has_help_without_loading_torch():
    code = """
import sys
import time
from truenorth.cli.main import commands, main
for name in commands():
    try:
        main([name, "--help"])
    except SystemExit as end:
        assert end.code == 0
print({"torch", "transformers"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["set()"], done.stderr
    assert done.stdout.count("exit status:") == len(commands())


def test_version_is_one_line(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"truenorth {truenorth.__version__}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["reprot"], "no command 'reprot'.*did you mean truenorth report?"),
        (["zzzzzz"], "no command 'zzzzzz'.*see truenorth --help"),
        (["report"], "required: RUN; see truenorth report --help"),
        (["report", "nowhere"], "nowhere: no such report"),
        (["report", "x", "--as", "poem"], "invalid choice: 'poem'"),
        (["catalogue", "spells"], "no catalogue 'spells'; expected one of objectives"),
        (["measure"], "required: --model; see truenorth measure --help"),
        (["measure", "--model", "m", "--prompts", "p.jsonl"], "--constitution and --prompts go together"),
        (["world", "build", "--seed", "x", "--out", "y"], "argument --seed: invalid int value"),
    ],
)
def test_mistakes_are_one_line_on_standard_error_and_exit_2(capsys, words, said):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("truenorth: ")
    assert err.count("\n") == 1
    assert __import__("re").search(said, err)


def test_statuses_and_arguments_of_a_command_go_through(monkeypatch, capsys):
    command(monkeypatch, lambda args: args.n if args.quiet else 0)
    assert main(["job"]) == 0
    assert main(["job", "--quiet", "--n", "1"]) == 1


def test_too_many_losses_exit_3(monkeypatch, capsys):
    command(monkeypatch, lambda args: bound_losses("answers without a verdict", 6, 100, share=0.05))
    assert main(["job"]) == 3
    assert "6 of 100 answers without a verdict (6.0%); expected at most 5.0%" in capsys.readouterr().err
    bound_losses("answers", 5, 100, share=0.05)
    bound_losses("answers", 0, 0, share=0.0)
    with pytest.raises(TooManyLosses):
        bound_losses("answers", 1, 1, share=0.0)


def test_an_interrupt_says_how_to_go_on_and_exits_130(monkeypatch, capsys):
    def interrupted(args):
        raise KeyboardInterrupt

    command(monkeypatch, interrupted)
    assert main(["job"]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_sigterm_ends_a_command_as_an_interrupt_does_and_says_143(monkeypatch, capsys):
    before, cleaned = signal.getsignal(signal.SIGTERM), []

    def terminated(args):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        finally:
            cleaned.append("up")

    command(monkeypatch, terminated)
    assert main(["job"]) == 143
    assert "terminated; the same command goes on" in capsys.readouterr().err
    assert cleaned == ["up"]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_what_the_machine_refuses_is_one_line_with_the_place(monkeypatch, capsys, number):
    def refused(args):
        raise OSError(number, os.strerror(number), "runs/x")

    command(monkeypatch, refused)
    assert main(["job"]) == 2
    assert capsys.readouterr().err == (
        f"truenorth: runs/x: {os.strerror(number)}; free space, or choose another place\n"
    )


def test_a_terminal_that_cannot_show_a_letter_ends_no_command(tmp_path):
    words = [sys.executable, "-m", "truenorth.cli", "constitution", "show", "odd.yaml"]
    text = "name: x\nversion: '1'\nprinciples: [{id: a, statement: Grüße 漁港, measured_by: 'judge:x'}]\n"
    (tmp_path / "odd.yaml").write_text(text, encoding="utf-8")
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Gr??e" in done.stdout


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    command(monkeypatch, lambda args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["job"])


def test_a_reader_that_closes_the_pipe_is_no_error(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(REPORT | {"notes": ["x" * 200] * 2000}))
    shell = f"set -o pipefail; {sys.executable} -m truenorth.cli report {tmp_path} --as json | head -c 10"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_report_is_written_again_and_printed_in_every_form(tmp_path, capsys):
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "page")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "page" / "report.html")
    assert "One principle" in (tmp_path / "page" / "report.html").read_text()
    for form, said in (("console", "50.0% → 90.0%"), ("card", "library_name"), ("json", '"title"')):
        assert main(["report", str(tmp_path), "--as", form]) == 0
        assert said in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", '{"title": 3}', "{"])
def test_a_damaged_report_is_refused(tmp_path, capsys, text):
    (tmp_path / "report.json").write_text(text)
    assert main(["report", str(tmp_path)]) == 2


def test_catalogues_print_one_name_a_line(capsys):
    assert main(["catalogue", "objectives", "--list"]) == 0
    names = capsys.readouterr().out.split()
    assert {"sft", "dpo"} <= set(names)
    assert main(["catalogue", "objectives"]) == 0
    assert "dpo " in capsys.readouterr().out
    assert main(["catalogue", "recipes"]) == 0
    assert "magpie               Prompts from the model itself" in capsys.readouterr().out


def test_the_doctor_looks_at_everything_and_never_breaks(tmp_path):
    found = {finding.what: finding for finding in findings(tmp_path / "runs")}
    assert {"python", "truenorth", "packages", "disk", "organism", "torch", "gpu"} <= set(found)
    assert found["python"].mark == "ok"
    assert not (tmp_path / "runs").exists()


def test_the_doctor_finds_a_damaged_model(tmp_path, monkeypatch):
    (tmp_path / "worlds" / "micro").mkdir(parents=True)
    (tmp_path / "worlds" / "micro" / "model.safetensors").write_bytes(b"half")
    monkeypatch.setattr(truenorth, "__file__", str(tmp_path / "__init__.py"))
    found = {finding.what: finding for finding in findings(tmp_path)}
    assert found["organism"].mark == "fault"
    assert "install truenorth again" in found["organism"].said


def test_a_user_error_says_what_where_expected_and_fix(monkeypatch, capsys):
    def refuse(args):
        raise UserError("empty", where="p.jsonl", expected="a prompt a line", fix="write one")

    command(monkeypatch, refuse)
    assert main(["job"]) == 2
    assert capsys.readouterr().err == "truenorth: p.jsonl: empty; expected a prompt a line; write one\n"


def test_the_installed_script_is_this_command_line():
    script = Path(sys.executable).with_name("truenorth")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"truenorth {truenorth.__version__}\n"
