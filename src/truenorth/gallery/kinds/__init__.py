"""How a method of each kind makes its model: `kinds/edit.py` defines `edit`. The folder is the list."""
