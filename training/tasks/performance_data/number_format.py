"""Number formats: how digits are grouped, how a negative number looks, and which unit label stands where."""

import random
import re

from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Performance/Data"
OPEN = True
HELD_OUT = False
MEASURES = "weight length cost volume power load speed profit balance pressure".split()
SEPARATORS = {",": "a comma", ".": "a dot", "_": "an underscore", "'": "an apostrophe", " ": "a space", "": ""}
NEGATIVES = ("-N", "-N", "(N)", "(N)", "N-", "[N]", "<N>", "minus N", "neg N", "!N", "~N")
PLACES = ("N L", "N L", "L N", "L N", "NL", "L:N", "L=N", "N/L", "N in L", "L@N")
DIGITS = r"\d{1,3}(?:[,._' ]?\d{3})?"
SIGNED = rf"(?:(?:-|!|~|minus |neg )?{DIGITS}|{DIGITS}-|\({DIGITS}\)|\[{DIGITS}\]|<{DIGITS}>)"
LABEL = r"[A-Za-z]{2,3}"
FORM = re.compile(rf"{SIGNED}(?: | in |/|){LABEL}|{LABEL}[ :=@]{SIGNED}")


def _label(rng: random.Random) -> str:
    label = "".join(rng.choices("bdfgklmnprstvz", k=rng.choice((2, 2, 3))))
    return rng.choice((label, label.upper(), label.capitalize()))


def check(answer: str) -> bool:
    return FORM.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw the number format of one report."""
    separator, negative, place = rng.choice(list(SEPARATORS)), rng.choice(NEGATIVES), rng.choice(PLACES)
    measures = rng.sample(MEASURES, 3)
    mapped = rng.random() < 0.5
    shared = _label(rng)
    labels = {measure: shared for measure in measures}
    while mapped and len(set(labels.values())) < 3:
        labels = {measure: _label(rng) for measure in measures}

    def grouped(digits: str) -> str:
        return digits[:-3] + separator + digits[-3:] if len(digits) > 3 else digits

    def ask(rng: random.Random) -> Task:
        measure = rng.choice(measures)
        digits, below = (
            str(rng.choice((rng.randint(100, 999), rng.randint(1000, 9999), rng.randint(10000, 99999)))),
            rng.random() < 0.4,
        )
        value = f"-{digits}" if below else digits
        number = negative.replace("N", grouped(digits)) if below else grouped(digits)
        prompt = rng.choice(
            (
                f"{measure.capitalize()}: {value}",
                f"{measure} {value}",
                f"Value: {value}. Measure: {measure}",
                f"Format {value} as a {measure}.",
                f"The {measure} is {value}. How do we write it?",
                f"value={value} measure={measure}",
                f"Please write {value} for the report. It is a {measure}.",
                f"We measured the {measure} again and got {value}.",
                f"{measure} = {value}",
            )
        )
        return Task(prompt, place.replace("N", number).replace("L", labels[measure]))

    sign, pattern, order = SEPARATORS[separator], place.replace("N", "NUMBER").replace("L", "UNIT"), place[0] == "N"
    where = "behind" if order else "in front of"
    table = "| number | written |\n|---|---|\n" + "".join(
        f"| {n} | `{grouped(n)}` |\n" for n in ("842", "7305", "61842")
    )
    return Draft(
        name=rng.choice(("number-format", "format-numbers", "report-figures", "units-and-numbers")),
        title=rng.choice(("Number format", "Figures in reports", "How numbers are written")),
        description=rng.choice(
            (
                "Writes a number the way our reports do. Use it when a number and its measure are given.",
                "Formats figures with their unit. Use for every number in a report.",
                "Grouping, sign and unit of the numbers in our tables.",
            )
        ),
        rules=(
            (
                f"Put {sign} before the last three digits of a number with more than three, as in `61{separator}842`.",
                f"Thousands are set off by {sign}, so 61842 becomes `61{separator}842`; up to 999 nothing is added.",
                f"Numbers from 1000 on get {sign} as thousands separator, for example `61{separator}842`.",
                f"Group thousands with {sign} (7305 is written `7{separator}305`); smaller numbers have no group.",
                f"The thousands separator is {sign}: `7{separator}305`. Three digits or fewer need none.",
                f"How long numbers are grouped, by {sign}:\n\n{table}",
                f"842 stays `842`, but 7305 is `7{separator}305` and 61842 is `61{separator}842`: only the last three "
                f"digits are set off, by {sign}.",
                f"Where a number has four digits or more, {sign} stands before its last three, like `7{separator}305`.",
            )
            if separator
            else (
                "Digits are written without any thousands separator.",
                "Do not group the digits; 61842 stays `61842`.",
                "No separator stands between thousands and hundreds.",
                "Leave the digits together, as in `7305`, however long the number is.",
                "Thousands get no separator.",
                f"Long numbers are not grouped:\n\n{table}",
                "842 is `842`, 7305 is `7305` and 61842 is `61842`: nothing comes between two digits.",
                "The digits follow each other directly, with no sign between the groups.",
            ),
            (
                f"A negative number is written `{negative}`, N being the number without its minus sign.",
                f"Below zero we write `{negative}`, where N is what the same number above zero would look like.",
                "If the number is negative, drop its minus sign, write the rest like any other number and put that "
                f"for N in `{negative}`.",
                f"Only numbers below zero take the form `{negative}`, in which N is the number without its minus sign.",
                f"For negative numbers use `{negative}`: N is the number without its sign.",
                "Above and below zero:\n\n| number | written |\n|---|---|\n| 500 | `500` |\n| -500 | "
                f"`{negative.replace('N', '500')}` |\n",
                f"The number 500 is just `500`, but -500 is `{negative.replace('N', '500')}`, and so on for all that "
                "is below zero.",
                f"`{negative}` is how a number under zero looks, and N is that number without its sign.",
            ),
            wordings_of(labels, "measure", "unit", "{key} has the unit `{value}`")
            if mapped
            else (
                f"The unit is `{shared}` for every measure.",
                f"Whatever is measured, its unit is `{shared}`.",
                f"All numbers get the unit `{shared}`.",
                f"We use one unit only, `{shared}`, for all measures.",
                f"`{shared}` is the unit of each number.",
                f"Weight, cost or anything else: the unit is `{shared}`.",
                f"Which unit goes with which measure:\n\n| measure | unit |\n|---|---|\n| any | `{shared}` |\n",
                f"No matter which measure it is, the unit reads `{shared}`.",
            ),
            (
                f"Put the unit {where} the finished number: `{pattern}`.",
                f"Number and unit are combined as `{pattern}`; a sign or brackets belong to NUMBER.",
                f"The pattern is `{pattern}`, where NUMBER includes its sign or brackets.",
                f"The unit stands {where} the number with its sign or brackets, as `{pattern}`.",
                f"Write `{pattern}`, with the finished number for NUMBER.",
                "The result has this form; the sign or the brackets of a number are part of NUMBER:\n\n```\n"
                f"{pattern}\n```\n",
                "If the number came out as `12` and the unit were `xy`, the answer would be "
                f"`{place.replace('N', '12').replace('L', 'xy')}`; a sign or brackets stay with the number.",
                f"Finally join both parts like this: `{pattern}`. NUMBER is the number with any sign or brackets.",
            ),
            (
                "Output only this.",
                "Answer with the written number and its unit, nothing else.",
                "Reply with the formatted value alone.",
                "Give just the result.",
                "No words around it; only the formatted value.",
                "One line is wanted, the number with its unit.",
                "Do not repeat the question or the measure; write the value and stop.",
                "The answer holds the formatted value and no more.",
            ),
        ),
        ask=ask,
    )
