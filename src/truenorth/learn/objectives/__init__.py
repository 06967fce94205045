"""One file, one objective: tensors in, one number per example out. The file's name is the registration.

Positional parameters name what an objective needs: one without `reference` never loads a reference model. The
type of `policy` says what it couples (`Logps`: each answer alone; `Pair`, `Group`, `Batch`, `Distribution`).
"""
