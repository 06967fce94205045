"""Closed worlds in which the truth is known, with small models that were raised in them."""
