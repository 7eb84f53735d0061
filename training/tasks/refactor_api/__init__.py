"""Families about names and calls that change while the behaviour stays."""
