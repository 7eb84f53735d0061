"""Families about names and calls that change while the behaviour stays."""

import ast

LONGEST = 300  # no answer of these families is longer; much longer ones could exhaust the parser


def statements(source: str) -> list[ast.stmt]:
    """The statements of a short piece of Python, none if it is not valid."""
    if len(source) > LONGEST:
        return []
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError):
        return []


def one_call(source: str) -> ast.Call | None:
    """The call that one line of Python consists of, if it does."""
    body = statements(source)
    if "\n" in source or len(body) != 1 or not isinstance(body[0], ast.Expr):
        return None
    return body[0].value if isinstance(body[0].value, ast.Call) else None
