"""CSV rows: which fields of a record become columns, the separator, the quotes and how an empty field is written."""

import json
import random
import re

from training.tasks.content import COLOURS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Performance/Data"
OPEN = False
HELD_OUT = False
RECORDS = {
    "customer": {
        "name": "Anna Boris Carla David Elena Felix Greta Hugo Irene Jonas Karin Louis Maria Oscar Paula".split(),
        "city": "Oslo Lima Rome Cairo Paris Delhi Quito Perth Turin Kyoto Malmo Porto Hanoi".split(),
        "age": [str(n) for n in range(18, 90)],
        "plan": "free basic pro gold trial team".split(),
    },
    "product": {
        "item": "lamp chair desk mug pen clock vase rug shelf stool kettle".split(),
        "colour": COLOURS,
        "price": [str(n) for n in range(5, 99)],
        "store": "north south east west centre harbour".split(),
    },
    "job": {
        "queue": NOUNS,
        "state": "done failed waiting running paused skipped".split(),
        "tries": [str(n) for n in range(1, 10)],
        "host": [f"{kind}{n}" for kind in ("web", "db", "app", "node") for n in range(1, 9)],
    },
}
SEPARATORS = {
    ",": "without a space",
    ";": "without a space",
    "|": "without a space",
    "~": "without a space",
    "^": "without a space",
    " | ": "one space on each side",
    ", ": "one space after it, none before",
}
QUOTES = {
    "none": "no quotes at all, text or number",
    "all": 'double quotes around every value, as in "7"',
    "text": "double quotes around text, none around numbers",
    "single": "single quotes around every value, as in '7'",
}
EMPTY = ("NULL", "n/a", "-", "?", "none", "NA", "void", "nil", "x", "??", "--", "")
VALUE = r"(?:\"\w+\"|'\w+'|\w+|n/a|-{1,2}|\?{1,2}|)"
FORM = re.compile(rf"{VALUE}(,|;|\||~|\^| \| |, ){VALUE}(?:\1{VALUE})?")


def _shown(record: dict[str, str], rng: random.Random) -> str:
    """A record as it is given, in one of several notations."""
    style = rng.randrange(8)
    if style == 0:
        return "Record: " + ", ".join(f"{field}={value}" for field, value in record.items())
    if style == 1:
        return json.dumps({field: int(value) if value.isdigit() else value for field, value in record.items()})
    if style == 2:
        return "; ".join(f"{field} {value or '(empty)'}" for field, value in record.items())
    if style == 3:
        return "Add " + ", ".join(f"{field} {value}" if value else f"no {field}" for field, value in record.items())
    if style == 4:
        return "\n".join(f"{field}: {value}".strip() for field, value in record.items())
    if style == 5:
        told = ", ".join(f"the {field} is {value or 'missing'}" for field, value in record.items())
        return f"Please write the row: {told}."
    if style == 6:
        return f"How do we export {', '.join(f'{field}={value}' for field, value in record.items())}?"
    return "The row for " + " / ".join(f"{field}: {value}".strip() for field, value in record.items())


def check(answer: str) -> bool:
    return FORM.fullmatch(answer) is not None and len(answer) < 60


def draft(rng: random.Random) -> Draft:
    """Draw one team's CSV."""
    kind = rng.choice(list(RECORDS))
    fields = RECORDS[kind]
    columns = rng.sample(list(fields), rng.choice((2, 3, 3)))
    separator, quotes, empty = rng.choice(list(SEPARATORS)), rng.choice(list(QUOTES)), rng.choice(EMPTY)
    if " " in separator:
        empty = empty or "NULL"

    def write(value: str) -> str:
        if not value:
            return empty
        if quotes == "none" or (quotes == "text" and value.isdigit()):
            return value
        return f"'{value}'" if quotes == "single" else f'"{value}"'

    def ask(rng: random.Random) -> Task:
        record = {field: rng.choice(fields[field]) for field in rng.sample(list(fields), len(fields))}
        if rng.random() < 0.5:
            record[rng.choice(list(record))] = ""
        return Task(_shown(record, rng), separator.join(write(record[column]) for column in columns))

    listed, spaces, quoting = ", ".join(columns), SEPARATORS[separator], QUOTES[quotes]
    steps = "\n".join(f"{i}. {column}" for i, column in enumerate(columns, 1))
    return Draft(
        name=rng.choice(("csv-row", "csv-export", "write-csv", f"{kind}-csv")),
        title=rng.choice(("CSV rows", f"The {kind} export", "How a row is written")),
        description=rng.choice(
            (
                f"Turns a {kind} record into a row of our CSV file. Use it when a record is given.",
                "Writes records as CSV rows. Use for every record that is exported.",
                f"The row format of the {kind} export.",
            )
        ),
        rules=(
            (
                f"The columns are {listed}, in this order; other fields are dropped.",
                f"Write {', then '.join(columns)}, and leave out every other field.",
                f"A row has {len(columns)} columns: {listed}. Nothing else of the record is exported.",
                f"Only these fields are kept, ordered {' -> '.join(columns)}.",
                f"First comes the {' and after it the '.join(columns)}; the rest of the record is ignored.",
                f"The columns, from left to right:\n\n{steps}\n\nWhatever else a record has is not written.\n",
                f"If the file had a header, it would name these columns in this order: {listed}. A row has no others.",
                f"Take {' | '.join(columns)} from the record, from left to right, and no further field.",
            ),
            (
                f"Separate the columns with `{separator}` ({spaces}).",
                f"Between two columns stands `{separator}`, {spaces}.",
                f"The separator is `{separator}`, written {spaces}.",
                f"`{separator}` divides the columns: {spaces}.",
                f"Join the columns by `{separator}`, which has {spaces.replace('without a', 'no')}.",
                f"A row of the columns A, B and C would be joined to `A{separator}B{separator}C` ({spaces}).",
                f"After each column but the last comes `{separator}`, {spaces}.",
                f"Columns look like `A{separator}B`, that is, `{separator.strip()}` {spaces}.",
            ),
            (
                f"Quoting: {quoting}.",
                f"We use {quoting}.",
                f"Values that are not empty get {quoting}.",
                f"The row has {quoting}.",
                f"How to quote: {quoting}.",
                f"The text lamp is written `{write('lamp')}` and the number 7 `{write('7')}`; all other values "
                "accordingly.",
                f"How a value is written:\n\n| value | in the row |\n|---|---|\n| lamp | `{write('lamp')}` |\n"
                f"| 7 | `{write('7')}` |\n\nSo it is with every text and every number.\n",
                f"As for quotes, write {quoting}.",
            ),
            (
                f"An empty field is written as `{empty}`, without quotes.",
                f"Where a value is missing, put a bare `{empty}`.",
                f"`{empty}` stands for a field that is empty; it is never quoted.",
                f"If a field has no value, its column holds `{empty}`, unquoted.",
                f"Missing values become `{empty}` and take no quotes.",
                f"Nothing there? Then the column is `{empty}`, and has no quotes even if other columns have them.",
                f"Our sign for no value is `{empty}`, which is never put in quotes.",
                f"For a field without a value write just `{empty}`, with no quotes around it.",
            )
            if empty
            else (
                "An empty field leaves its column empty, without quotes.",
                "Where a value is missing, write nothing, not even quotes; the separators stay.",
                "Nothing stands for an empty field, but the separators around it are kept.",
                "If a field has no value, its column stays blank and unquoted.",
                "Missing values are blank, with no quotes and with the usual separators.",
                "Nothing there? Then the column has nothing in it, no sign and no quotes, and the separators are "
                "written as ever.",
                "There is no sign for a missing value: its column is blank and unquoted between the usual separators.",
                "For a field without a value its place stays empty; quotes are left out, separators are not.",
            ),
            (
                "Output only the row.",
                "Answer with the row alone, without a header.",
                "Give one row and nothing else.",
                "Reply with this single row; no header line.",
                "The answer is just the row.",
                "One line is wanted, the row of this record.",
                "Nothing comes before the row and nothing after it.",
                "Write no header and no remark, only the row.",
            ),
        ),
        ask=ask,
    )
