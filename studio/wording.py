"""How the studio writes numbers of things, and what it says in more than one place."""

UNKNOWN_BROWSER = (
    "The studio could not recognise this browser. Allow cookies and site data for this page, then reload it."
)


def counted(number: int, noun: str) -> str:
    """`1 file`, `1,200 files`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
