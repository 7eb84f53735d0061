"""SQL lines: a short request becomes a query with the table names, order and limit of one data base.

Tables are found by an affix or by a map; a number in the request may or may not replace the limit.
"""

import random
import re

from training.tasks.content import ANIMALS, COLOURS
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Performance/Data"
OPEN = True
HELD_OUT = False
TABLES = "orders users invoices reports tokens uploads payments sessions exports tickets".split()
COLUMNS = "name city total status email price note title amount country".split()
AFFIXES = ("{w}_T", "{w}.T", "T_{w}", "T{n}", "{w}{n}_T", "T_{n}", "{c}_T", "T_{c}", "{c}.T")
ORDERS = ("id", "created", "updated", "rank", "day", "seq", "position", "stamp", "score")
FORM = re.compile(
    r"SELECT \w+(?:, \w+)* FROM \w+(?:\.\w+)? ORDER BY \w+ (?:ASC|DESC) LIMIT \d+;?"
    r"|select \w+(?:, \w+)* from \w+(?:\.\w+)? order by \w+ (?:asc|desc) limit \d+;?"
)


def _word(rng: random.Random) -> str:
    return rng.choice((*ANIMALS, *COLOURS, "".join(rng.choices("bdfgklmprstvz", k=2))))


def _request(columns: list[str], table: str, number: str, rng: random.Random) -> str:
    both = " and ".join(columns)
    return rng.choice(
        (
            f"{both} of {number or 'the'} {table}",
            f"Columns: {', '.join(columns)}. Table: {table}" + (f". Rows: {number}" if number else ""),
            f"Show us the {both} of {number or 'our'} {table}",
            f"table={table} columns={','.join(columns)}" + (f" rows={number}" if number else ""),
            f"Please write the query: {both} from the table of {table}"
            + (f", just {number} of them" if number else ""),
            f"How do I get the {both} of {number or 'the'} {table}?",
            f"We need {both} from {number + ' ' if number else ''}{table}. Which query?",
            f"{table} ({', '.join(columns)})" + (f", {number} rows" if number else ""),
        )
    )


def check(answer: str) -> bool:
    return FORM.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw the naming, the order and the limit of one data base."""
    upper, end = rng.random() < 0.7, rng.choice((";", ""))
    direction, by, limit = rng.choice(("ASC", "DESC")), rng.choice(ORDERS), str(rng.choice((*range(10, 100), 150, 200)))
    replaced = rng.random() < 0.5
    affix = rng.choice(AFFIXES).format(w=_word(rng), n=rng.randint(2, 99), c="".join(rng.choices("abcdefghkmx", k=3)))
    tables = {table: affix.replace("T", table) for table in TABLES}
    mapped = rng.random() < 0.5
    if mapped:
        words = rng.sample((*ANIMALS, *COLOURS), 3)
        tables = {
            table: f"{word}{rng.choice('_sx')}{rng.randint(1, 9)}"
            for table, word in zip(rng.sample(TABLES, 3), words, strict=True)
        }

    def case(keywords: str) -> str:
        return keywords if upper else keywords.lower()

    def ask(rng: random.Random) -> Task:
        columns, table = rng.sample(COLUMNS, rng.choice((1, 1, 2))), rng.choice(list(tables))
        number = str(rng.randint(2, 9)) if rng.random() < 0.35 else ""
        answer = case("SELECT ") + ", ".join(columns) + case(" FROM ") + tables[table] + case(" ORDER BY ") + by
        answer += case(f" {direction} LIMIT ") + (number if number and replaced else limit) + end
        return Task(_request(columns, table, number, rng), answer)

    start = f"`{case('SELECT')} COLUMNS {case('FROM')} TABLE`"
    order = f"`{case('ORDER BY')} {by} {case(direction)}`"
    last, shown = f"`{case('LIMIT')} {limit}`", affix.replace("T", "NAME")
    usual, seven = (f"`{case('LIMIT')} {number}{end}`" for number in (limit, "7" if replaced else limit))
    before, after = affix.split("T")
    beside = f"`{before}` directly in front of it" if before else f"`{after}` directly behind it"
    ends = "How a line ends:\n\n| the request has | the line ends in |\n|---|---|\n"
    ends += f"| no number | {usual} |\n| the number 7 | {seven} |\n"
    closing = "a semicolon right behind it" if end else "no semicolon"
    return Draft(
        name=rng.choice(("sql-query", "write-queries", "sql-lines", "query-style")),
        title=rng.choice(("SQL queries", "How we query", "Query style")),
        description=rng.choice(
            (
                "Turns a short request into a line of SQL. Use it when data is asked for.",
                "Writes queries for our data base. Use for every request of columns.",
                "The way our SQL lines look.",
            )
        ),
        rules=(
            (
                f"A query starts with {start}, with the columns as asked for, joined by `, `.",
                f"Begin with {start}; several columns keep the order of the request and are joined by `, `.",
                f"First write {start}: the wanted columns, in the order of the request, with `, ` between two.",
                f"The first part is {start}, where COLUMNS are those of the request, divided by `, `.",
                f"The line begins like this:\n\n```sql\n{start.strip('`')}\n```\n\nCOLUMNS are those of the request, "
                "in its order, with `, ` between two.\n",
                "For the columns `a` and `b`, in this order, the query begins with "
                f"`{case('SELECT')} a, b {case('FROM')} TABLE`; other columns likewise.",
                f"{start} comes first. Replace COLUMNS by what is asked for, in the order of the request and joined "
                "by `, `.",
                f"Open the line with {start}. Columns are named and ordered as in the request, with `, ` between them.",
            ),
            wordings_of(tables, "request", "table", "the {key} are in table `{value}`")
            if mapped
            else (
                f"The table of NAME is called `{shown}`.",
                f"What a request calls `items` is the table `{affix.replace('T', 'items')}`, and so on for every name.",
                f"TABLE is `{shown}`, with the name from the request for NAME.",
                f"Table names follow the pattern `{shown}`; NAME is what the request calls it.",
                f"Make the table out of the requested name by the pattern `{shown}`.",
                f"To get the table, take the name in the request and write {beside}.",
                f"How tables are named:\n\n| request | table |\n|---|---|\n| items | `{affix.replace('T', 'items')}` "
                f"|\n| things | `{affix.replace('T', 'things')}` |\n| any NAME | `{shown}` |\n",
                f"Since tables are named `{shown}`, a request for `things` reads `{affix.replace('T', 'things')}`.",
            ),
            (
                f"Then comes {order}.",
                f"Sort always with {order}, right after the table.",
                f"After the table write {order}.",
                f"{order} follows the table in every query.",
                f"Between the table and the limit write {order}.",
                f"No query goes without {order}, which has its place right after the table.",
                f"The table is followed by the order of the rows:\n\n```sql\n{order.strip('`')}\n```\n",
                f"Next, behind the table, stands {order}.",
            ),
            (
                f"End with {last}, or with the number that the request names instead of {limit}; {closing}.",
                f"The last part is {last}; a number in the request replaces {limit}. Write {closing}.",
                f"Close with {last}, unless the request gives a number, which then stands for {limit}; {closing}.",
                f"If the request has a number, that is the limit, otherwise {last} ends the line, with {closing}.",
                ends,
                f"The default is {limit}, so {usual} ends a line. A request for 7 rows ends in {seven} instead.",
                f"The last words are `{case('LIMIT')} N{end}`, where N is the number in the request or, if there is "
                f"none, {limit}.",
                f"{last} ends the line, but a number from the request wins over {limit}. Put {closing}.",
            )
            if replaced
            else (
                f"End with {last} even if the request names another number; {closing}.",
                f"The last part is always {last}; a number in the request changes nothing. Write {closing}.",
                f"Close with {last}, whatever number the request gives; {closing}.",
                f"If the request has a number, ignore it, for {last} ends every line, with {closing}.",
                ends,
                f"The limit is {limit} for all, so {usual} ends a line. A request for 7 rows ends in {seven}, too.",
                f"The last words are {usual}, both for a request with a number in it and for one without.",
                f"{last} ends the line, and no number from the request replaces {limit}. Put {closing}.",
            ),
            (
                "Output only the query.",
                "Answer with the query on one line.",
                "Reply with this line of SQL alone.",
                "Give the query and nothing else.",
                "Write the query and stop there; no code fence.",
                "One line is wanted, in SQL.",
                "Nothing comes before the query and nothing after it.",
                "The answer is one query without comments.",
            ),
        ),
        ask=ask,
    )
