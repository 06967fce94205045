"""Edits that repair or probe alignment: each file defines a function over the named tensors of one parameter."""

from truenorth.edit.safety._edit import Edit, edit, edits
from truenorth.edit.safety._plan import EditPlan, check_edit, edit_model, plan_edit

__all__ = ["Edit", "EditPlan", "check_edit", "edit", "edit_model", "edits", "plan_edit"]
