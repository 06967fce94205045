"""One file, one method: a function over the tensors of one parameter. The file's name is the registration.

Positional parameters name what a method needs (`base`, `surveyed`, `noise`, `fisher`, ...); see
`truenorth.edit.method`.
"""
