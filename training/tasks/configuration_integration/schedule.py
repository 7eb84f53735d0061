"""Schedules: a phrase of time becomes one team's schedule entry, by small maps.

The codes of days, how the time is written (or the codes of parts of the day), the order and the signs are drawn.
"""

import random
import re

from training.tasks.content import COLOURS, NOUNS
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Configuration/Integration"
OPEN = True
HELD_OUT = False
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday weekday weekend holiday payday".split()
PARTS = {"morning": "in the morning", "noon": "at noon", "evening": "in the evening", "night": "at night"}
TIMES = ("HHMM", "HH.MM", "HHhMM", "MM HH", "HH MM", "MM-HH", "MM.HH")
HEADS = ("run:", "job/", "at ", "cron ", "T=", "#", "on:")
SIGNS = (" ", "/", "@", "-", "+", "_", "~")
FORMS = (
    "When: {t}",
    "Run the {n} job {t}.",
    "{t}, for {n}",
    "The {n} task shall start {t}.",
    "Schedule {n}: {t}",
    "What is the entry for {t}?",
    "job={n} when={t}",
    "{n} {t}",
    "Hi, I need {n} to run {t}. What do I enter?",
    "Write the entry. The job is {n}, and it starts {t}.",
)
DAY, TIME = r"([A-Z]{2}|[a-z]+\d|\d)", r"(\d\d[.h -]?\d\d|[A-Z]\d{1,2})"
ENTRY = re.compile(rf"({'|'.join(HEADS)})?({DAY}[ /@+_~-]{TIME}|{TIME}[ /@+_~-]{DAY})")


def check(answer: str) -> bool:
    return ENTRY.fullmatch(answer) is not None


def _time(rng: random.Random) -> tuple[str, str]:
    return f"{rng.randint(0, 23):02}", f"{rng.choice((0, 5, 10, 15, 20, 30, 40, 45, 50)):02}"


def draft(rng: random.Random) -> Draft:
    days, parts = rng.sample(DAYS, rng.choice((3, 4))), rng.sample(list(PARTS), rng.choice((2, 3)))
    kind = rng.randrange(3)
    if kind == 0:
        drawn = ["".join(rng.sample("ABCDEFGHKLMNPRSTVWXZ", 2)) for _ in days]
    elif kind == 1:
        drawn = [f"{colour}{rng.randint(1, 9)}" for colour in rng.sample(COLOURS, len(days))]
    else:
        drawn = rng.sample("123456789", len(days))
    codes = dict(zip(days, drawn, strict=True))
    by_part, style = rng.random() < 0.4, rng.choice(TIMES)
    letter = rng.choice("BDFKPQRTZ")
    numbers = rng.sample(range(1, 30), len(parts))
    hours = {part: f"{letter}{number}" for part, number in zip(parts, numbers, strict=True)}
    head, sign, day_first = rng.choice((*HEADS, "", "", "")), rng.choice(SIGNS), rng.random() < 0.5
    default = "" if rng.random() < 0.5 else f"{rng.choice('ACEGHM')}{rng.randint(1, 29)}"

    def clock(hour: str, minute: str) -> str:
        return style.replace("HH", hour).replace("MM", minute)

    def ask(rng: random.Random) -> Task:
        day = rng.choice(days)
        said = f"every {day}"
        if default and rng.random() < 0.3:
            time = default
        elif by_part:
            part = rng.choice(parts)
            said, time = f"{said} {PARTS[part]}", hours[part]
        else:
            hour, minute = _time(rng)
            said, time = f"{said} at {hour}:{minute}", clock(hour, minute)
        answer = head + (f"{codes[day]}{sign}{time}" if day_first else f"{time}{sign}{codes[day]}")
        return Task(rng.choice(FORMS).format(t=said, n=rng.choice(NOUNS)), answer)

    pattern = head + (f"DAY{sign}TIME" if day_first else f"TIME{sign}DAY")
    rules = [
        (
            f"An entry is `{pattern}`, with the code of the day for DAY and the time for TIME.",
            f"Write `{pattern}`, where DAY is the code of the day and TIME the time.",
            f"In `{pattern}` replace DAY by the day's code and TIME by the time.",
            f"The form of each entry is `{pattern}`; day code and time are filled in.",
            f"Keep every sign of `{pattern}` and replace only DAY, by the code of the day, and TIME, by the time.",
            f"This is an entry, with the day's code at DAY and the time at TIME:\n\n```\n{pattern}\n```\n",
            f"Two things go into `{pattern}`. DAY becomes the code of the day, and TIME becomes the time.",
            f"Fill the code of the day and the time into `{pattern}`, at DAY and TIME.",
        ),
        wordings_of(codes, "day", "code", "every {key} has the code `{value}`"),
        wordings_of(hours, "part of the day", "time", "the time for {key} is `{value}`")
        if by_part
        else (
            f"Give TIME as `{style}`: HH is the hour, MM the minute, two digits each.",
            f"With HH for the hour and MM for the minute (two digits each), the time is `{style}`.",
            f"Times are written `{style}`, hour HH and minute MM always with two digits.",
            f"The time has the form `{style}`, where the two-digit hour is HH and the two-digit minute is MM.",
            f"08:30 is written `{clock('08', '30')}`: the form is `{style}`, HH being the hour and MM the minute.",
            "How TIME is written:\n\n| time | TIME |\n|---|---|\n"
            f"| 08:30 | `{clock('08', '30')}` |\n| 17:05 | `{clock('17', '05')}` |\n",
            f"For TIME take `{style}`. Put the hour at HH and the minute at MM, and keep a zero in front.",
            f"Of a time take the hour HH and the minute MM and write `{style}`, two digits for each.",
        ),
    ]
    if default:
        rules.append(
            (
                f"Where no time is named, TIME is `{default}`.",
                f"Without a time of day in the question, take `{default}` as the time.",
                f"If only the day is given, use `{default}` for TIME.",
                f"`{default}` stands for the time when none is mentioned.",
                f"Some jobs come with a day but no time: then TIME is `{default}`.",
                f"TIME has a default, `{default}`, for entries whose time is not given.",
                f"Is there no time in the question? Write `{default}` where it would stand.",
                f"A missing time becomes `{default}`.",
            )
        )
    rules.append(
        (
            "Output only the entry.",
            "Answer with the schedule entry and nothing else.",
            "Reply with the entry alone.",
            "Give the finished entry and no comment.",
            "Write it as the scheduler reads it, with no word around it.",
            "Don't explain when the job runs.",
            "One entry on one line is wanted.",
            "The whole answer is the entry.",
        )
    )
    return Draft(
        name=rng.choice(("schedule-entries", "job-times", "write-schedules", "timer-codes")),
        title=rng.choice(("Schedule entries", "When jobs run", "Times of our jobs")),
        description=rng.choice(
            (
                "Writes the schedule entry for a time. Use it when somebody says when a job runs.",
                "Turns a phrase of time into an entry of our scheduler.",
                "How our scheduler is told when to start. Use for every job.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
