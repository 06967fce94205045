"""The step kinds of recipes: one file, one kind; see `truenorth.recipes.run_work` for what they are given."""
