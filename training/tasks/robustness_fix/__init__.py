"""Families about code that has to survive bad input and leaks."""
