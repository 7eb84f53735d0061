"""Missing fields: what stands in an exported line where a field of the record is empty.

The fillers by field or by kind of field, the separator and an exception are drawn for each skill.
"""

import random
import re

from training.tasks.content import code
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Robustness Fix"
OPEN = True
HELD_OUT = False
KINDS = {
    **dict.fromkeys(("name", "city", "team"), "text"),
    **dict.fromkeys(("age", "seats", "total"), "number"),
    **dict.fromkeys(("birthday", "start", "due"), "date"),
}
VALUES = {
    "name": "Ana Omar Lena Raj Mia Tom Yuki Nora".split(),
    "city": "Rome Oslo Lima Kyoto Cairo Perth Quito".split(),
    "team": "web data core mobile sales design".split(),
}
DATES = ("3 May", "14 June", "8 July", "21 March", "30 April", "5 August")
FILLERS = ("none", "unset", "nil", "<none>", "??", "TBD", "void", "***", "NULL", "<empty>", "blank", "0?")
SEPARATORS = ("|", ", ", " / ", ";", " - ", " > ")
# How a record is shown: all of it, a field, an empty field, what stands between fields.
FORMS = (
    ("{}", "{f}={v}", "{f}=", "; "),
    ("Record: {}", "{f} {v}", "{f} empty", ", "),
    ("{{{}}}", '"{f}": "{v}"', '"{f}": ""', ", "),
    ("Export this: {}", "{f}: {v}", "{f}: (empty)", ", "),
    ("{}", "- {f}: {v}", "- {f}:", "\n"),
    ("{}\n\nPlease export this record.", "{f} is {v}", "{f} is empty", ", "),
    ("Please write the line for a record with {}.", "{f} {v}", "an empty {f}", " and "),
    ("How do we export {}?", "{f}: {v}", "{f}: nothing", "; "),
    ("{}. Which line?", "{f} {v}", "no {f}", ", "),
)


def draft(rng: random.Random) -> Draft:
    """Draw the fillers of one export."""
    by_kind = rng.random() < 0.5
    if by_kind:
        fields = [rng.choice([f for f in KINDS if KINDS[f] == kind]) for kind in ("text", "number", "date")]
        rng.shuffle(fields)
    else:
        fields = rng.sample(list(KINDS), 3)
    drawn: list[str] = []
    while len(drawn) < 4:
        filler = rng.choice(FILLERS) if rng.random() < 0.35 else code(rng)
        if filler not in drawn:
            drawn.append(filler)
    special = drawn.pop()
    fillers = dict(zip([KINDS[f] for f in fields] if by_kind else fields, drawn, strict=True))
    separator = rng.choice(SEPARATORS)
    exception = rng.choice(("", "record", "field" if by_kind else "two"))
    named = rng.choice(fields)

    def fill(field: str) -> str:
        if exception == "field" and field == named:
            return special
        return fillers[KINDS[field] if by_kind else field]

    def ask(rng: random.Random) -> Task:
        empty = rng.sample(fields, rng.choice((1, 1, 2)))
        whole, full, missing, between = rng.choice(FORMS)
        shown, line = [], []
        for field in fields:
            number = str(rng.randint(2, 99))
            value = rng.choice(VALUES.get(field, DATES if KINDS[field] == "date" else [number]))
            shown.append((missing if field in empty else full).format(f=field, v=value))
            line.append(fill(field) if field in empty else value)
        alone = (exception == "record" and named in empty) or (exception == "two" and len(empty) == 2)
        return Task(whole.format(between.join(shown)), special if alone else separator.join(line))

    kind = "kind of field" if by_kind else "field"
    what = "an empty {key} is written as `{value}`" if by_kind else "an empty `{key}` is written as `{value}`"
    if exception == "field":
        told = (
            f"The field `{named}` is an exception: if empty, it becomes `{special}`.",
            f"Only `{named}` differs; write `{special}` when it is empty.",
            f"But for an empty `{named}` write `{special}`.",
            f"If it is `{named}` that is empty, `{special}` is used instead.",
            f"`{special}` stands for an empty `{named}`, whatever its kind would get.",
            f"Is `{named}` empty? Then its kind does not count, and what it gets is `{special}`.",
            f"One field has a filler of its own:\n\n| empty field | filler |\n|---|---|\n| `{named}` | `{special}` |\n"
            "| any other | that of its kind |\n",
            f"An empty `{named}` does not follow its kind but becomes `{special}`.",
        )
    else:
        case = f"`{named}` is empty" if exception == "record" else "two fields are empty"
        told = (
            f"If {case}, answer `{special}` alone, for the whole record.",
            f"A record in which {case} gives only `{special}`, without any value.",
            f"`{special}` is the whole answer when {case}.",
            f"Whenever {case}, no line is made; write `{special}` instead.",
            f"First look whether {case}; such a record is just `{special}`.",
            f"What is written for a record:\n\n- if {case}: `{special}` and nothing else\n- if not: the usual line\n",
            f"Do not fill in a record if {case}. All that is written then is `{special}`.",
            f"As soon as {case}, drop the record and give `{special}` in its place.",
        )
    shown = separator.join("ABC")
    return Draft(
        name=rng.choice(("missing-fields", "empty-fields", "fill-gaps", "export-records")),
        title=rng.choice(("Missing fields", "Empty fields in exports", "What stands for nothing")),
        description=rng.choice(
            (
                "Exports a record in which fields are empty. Use it when a record is given.",
                "Fills the gaps of a record. Use for every record that is exported.",
                "How our export writes what is missing.",
            )
        ),
        rules=(
            wordings_of(fillers, f"empty {kind}" if by_kind else "empty field", "filler", what),
            *((told,) if exception else ()),
            (
                f"Write the values only, in the given order, joined by `{separator}`.",
                f"Values and fillers keep their order, with `{separator}` between two of them; names are dropped.",
                f"The line of a record with the values A, B and C is `{shown}`.",
                f"Leave the names of the fields out and put `{separator}` between the values, as in `{shown}`.",
                f"A line looks like `{shown}`, where A, B and C are the values in the order given.",
                "A record with the values A, B and C, in this order, becomes this line, without names:\n\n"
                f"```\n{shown}\n```\n",
                "How is a line put together? Take what each field has, from the first to the last, drop the names, "
                f"and write `{separator}` wherever two meet.",
                f"Join the values with `{separator}`, the first one first, and write no field names.",
            ),
            (
                "Output only the result.",
                "Answer with one line and nothing else.",
                "Reply with the result alone.",
                "Nothing else is written.",
                "Give just this, on one line.",
                "Your whole answer can be pasted into the export as it is, with no remark.",
                "One line comes back, which holds the result; no quotes, no comment.",
                "The reply is the result and no more.",
            ),
        ),
        ask=ask,
    )


def check(answer: str) -> bool:
    """Three values with one kind of separator between them, or a single word."""
    parts = [p for s in SEPARATORS if len(p := answer.split(s)) > 1] or [[answer]]
    value = r"[^\s,;|/:]+|\d+ [A-Z][a-z]+"
    return len(parts) == 1 and len(parts[0]) in (1, 3) and all(re.fullmatch(value, v) for v in parts[0])
