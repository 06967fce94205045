"""Results to a page, a model card and a console table, all from one report.json (see `report.schema`)."""

from truenorth.report.card import model_card
from truenorth.report.console import console_table
from truenorth.report.schema import Report, check
from truenorth.report.verdict import verdict
from truenorth.report.write import write_report

__all__ = ["Report", "check", "console_table", "model_card", "verdict", "write_report"]
