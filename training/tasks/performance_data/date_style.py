"""Dates: the order of day, month and year, the separator, the month as number or name, and a label around it."""

import random
import re

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Performance/Data"
OPEN = True
HELD_OUT = True
MONTHS = "January February March April May June July August September October November December".split()
ORDERS = (("day", "month", "year"), ("month", "day", "year"), ("year", "month", "day"), ("year", "day", "month"))
STYLES = {
    "padded": "the month as a number of two digits (`07` for July) and the day in two digits too",
    "plain": "the month as a number (`7` for July), with no leading zero in month or day",
    "name": "the month by its full English name (`July`) and the day without a leading zero",
    "short": "the month by the first three letters of its name (`Jul`) and the day without a leading zero",
    "capitals": "the month by its first three letters in capitals (`JUL`) and the day in two digits",
}
SEPARATORS = ("-", "/", ".", "_", " ", "~", "|", ":")
LABELS = ("due", "from", "eta", "day", "ship", "seen", "D", "at", "on", *ANIMALS, *COLOURS, *NOUNS)
SHAPES = ("L *", "L=*", "L(*)", "* L", "[L *]", "L@*", "*#L", "<*> L", "L -> *", "* (L)")
PART = r"(?:\d{1,2}|\d{4}|[A-Z][a-z]{2,8}|[A-Z]{3})"
DATE = rf"{PART}(?P<joint>[-/._ ~|:]){PART}(?P=joint){PART}"
FORMS = (
    re.compile(rf"\[?[A-Za-z]+(?: | -> |=|\(|@){DATE}[\])]?"),
    re.compile(rf"<?{DATE}(?: |#|> | \()[A-Za-z]+\)?"),
)


def check(answer: str) -> bool:
    return any(form.fullmatch(answer) for form in FORMS)


def _month_and_day(style: str, month: int, day: int) -> tuple[str, str]:
    name = MONTHS[month - 1]
    months = {"padded": f"{month:02}", "plain": str(month), "name": name, "short": name[:3]}
    return months.get(style, name[:3].upper()), f"{day:02}" if style in ("padded", "capitals") else str(day)


def draft(rng: random.Random) -> Draft:
    """Draw how one team writes dates."""
    order, style, separator = rng.choice(ORDERS), rng.choice(list(STYLES)), rng.choice(SEPARATORS)
    label = rng.choice(LABELS)
    shape = rng.choice(SHAPES).replace("L", label)

    def ask(rng: random.Random) -> Task:
        year, month, day = rng.randint(2015, 2034), rng.randint(1, 12), rng.randint(1, 28)
        name = MONTHS[month - 1]
        parts = dict(zip(("month", "day", "year"), (*_month_and_day(style, month, day), str(year)), strict=True))
        prompt = rng.choice(
            (
                f"Date: {day} {name} {year}",
                f"{name} {day}, {year}",
                f"{year}-{month:02}-{day:02}",
                f"Year {year}, month {month}, day {day}",
                f"The release is on {name} {day}, {year}. How do we write it?",
                f"year={year} month={month} day={day}",
                f"Please write this date the way we do: {name} {day}, {year}",
                f"{day:02}/{month:02}/{year} (day, month, year)",
                f"Rewrite {day} {name} {year}.",
            )
        )
        return Task(prompt, shape.replace("*", separator.join(parts[part] for part in order)))

    sign = "a space" if separator == " " else f"`{separator}`"
    first, second, third = order
    written, how = shape.replace("*", "DATE"), STYLES[style]
    steps = "\n".join(f"{i}. {part}" for i, part in enumerate(order, 1))
    (july, fourth), (october, late) = _month_and_day(style, 7, 4), _month_and_day(style, 10, 25)
    return Draft(
        name=rng.choice(("date-style", "write-dates", "date-labels", "format-dates")),
        title=rng.choice(("Date style", "How we write dates", "Dates in our files")),
        description=rng.choice(
            (
                "Rewrites a date in our style. Use it when a date is given.",
                "Says how a date looks in our data. Use for every date.",
                "Our one way to write dates, with the label that belongs to them.",
            )
        ),
        rules=(
            (
                f"Write the {first}, then the {second}, then the {third}; the year has four digits.",
                f"The order is {first}, {second}, {third}, with all four digits of the year.",
                f"Dates go {first} -> {second} -> {third}. The year is written in full.",
                f"First the {first}, second the {second}, last the {third}; years have four digits.",
                f"Begin with the {first}, go on with the {second} and finish with the {third}. Write the whole year.",
                f"A date has its parts in this order:\n\n{steps}\n\nAll four digits of the year are written.\n",
                f"The {first} stands first, the {second} behind it and the {third} at the end; a year is written like "
                "2031.",
                f"From left to right a date has the {first}, the {second} and the {third}, the year in four digits.",
            ),
            (
                f"Write {how}.",
                f"A date shows {how}.",
                f"In dates we put {how}.",
                f"Month and day: {how}.",
                f"We give {how}.",
                f"July 4 has the month `{july}` and the day `{fourth}`, October 25 has `{october}` and `{late}`; "
                "other dates likewise.",
                f"How month and day are written:\n\n| date | month | day |\n|---|---|---|\n| July 4 | `{july}` | "
                f"`{fourth}` |\n| October 25 | `{october}` | `{late}` |\n",
                f"What a date contains is {how}.",
            ),
            (
                f"Between the three parts stands {sign}.",
                f"Join the parts by {sign}.",
                f"The separator is {sign}, with nothing else between the parts.",
                f"The parts are divided by {sign} and nothing more.",
                f"Put {sign} between the parts of the date.",
                f"If A, B and C are the three parts, the date reads `A{separator}B{separator}C`.",
                f"After the first part and after the second comes {sign}; apart from it the date has only its parts.",
                f"Each part is parted from the next by {sign} alone.",
            ),
            (
                f"The finished date gets its label: `{written}`.",
                f"Write it as `{written}`, with the date for DATE.",
                f"The whole looks like `{written}`, where DATE is the date.",
                f"In the answer the date takes the place of DATE in `{written}`.",
                f"Add our label, as in `{written}`; DATE stands for the date.",
                f"The answer has this form, with the date where DATE stands:\n\n```\n{written}\n```\n",
                f"No date goes without its label: once it is written, make `{written}` of it, where DATE is that date.",
                f"Fill the date in for DATE: `{written}`.",
            ),
            (
                "Output only this.",
                "Answer with the labelled date and nothing else.",
                "Reply with the result alone.",
                "Give just the rewritten date.",
                "The answer is this one expression.",
                "One line is wanted, the date in this form.",
                "Nothing is explained; the date in its final form is all.",
                "Write nothing besides the date with its label.",
            ),
        ),
        ask=ask,
    )
