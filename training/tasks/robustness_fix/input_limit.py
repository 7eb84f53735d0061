"""Input limits: a size within the limits gives the accept word, any other a refusal with its code.

The limits, the word, the codes, the form of a refusal and a source with a rule of its own are drawn for each skill.
"""

import random
import re

from training.tasks.robustness_fix import CODE, different_codes
from training.tasks.wording import Draft, Task

SUBTASK = "Robustness Fix"
OPEN = True
HELD_OUT = True
THINGS = {
    "file": "MB",
    "batch": "rows",
    "password": "characters",
    "payload": "KB",
    "delay": "seconds",
    "page": "entries",
    "basket": "items",
    "comment": "words",
}
SOURCES = "mobile web desktop partner kiosk tablet robot terminal".split()
ACCEPTED = "pass take admit enter clear valid welcome granted fits through yes in".split()
MARKS = ("{}", "{}!", "<{}>", "+{}", "{}=1", "/{}")
REFUSALS = ("no {}", "{} no", "deny:{}", "refuse {}", "{}/refused", "stop {}", "{} rejected", "-{}", "x({})")
PROMPTS = (
    "Source: {s}. {T}: {v} {u}",
    "{s} sends: {t}, {v} {u}",
    "{t} of {v} {u} from {s}",
    "Do we take a {t} of {v} {u} from {s}?",
    "size: {v} {u}\ninput: {t}\nsource: {s}",
    "{v} {u}, {t}, {s}",
    "{v} {u}\n\nThat is the size of a {t} from {s}. What is the result?",
    "Please check this {t} for me; {s} sent it, and its size is {v} {u}.",
    "source={s} {t}={v}",
)


def draft(rng: random.Random) -> Draft:
    """Draw the limits for one kind of input."""
    thing = rng.choice(list(THINGS))
    unit = THINGS[thing]
    lower, upper = sorted(rng.sample(range(10, 100, 10), 2))
    both = rng.random() < 0.6
    spans = [(0, lower), (lower, upper), (upper, 100)] if both else [(0, upper), (upper, 100)]
    small, big, own = different_codes(rng, 3)
    accept, refusal = rng.choice(MARKS).format(rng.choice(ACCEPTED)), rng.choice(REFUSALS)
    special = rng.choice(("", "accepted", "refused"))
    source_named = rng.choice(SOURCES)

    def ask(rng: random.Random) -> Task:
        value = rng.choice(range(*rng.choice(spans))[1:])
        source = source_named if special and rng.random() < 0.25 else rng.choice(SOURCES)
        answer = accept
        if special and source == source_named:
            answer = accept if special == "accepted" else refusal.format(own)
        elif value > upper:
            answer = refusal.format(big)
        elif both and value < lower:
            answer = refusal.format(small)
        prompt = rng.choice(PROMPTS).format(s=source, t=thing, T=thing.capitalize(), v=value, u=unit)
        return Task(prompt, answer)

    if both:
        limits = (
            f"From {lower} to {upper} {unit} answer `{accept}`. Less is refused with `{small}`, more with `{big}`.",
            f"Under {lower} {unit} the code is `{small}`, over {upper} it is `{big}`; between them write `{accept}`.",
            f"Refuse under {lower} {unit} (code `{small}`) and over {upper} (code `{big}`), else write `{accept}`.",
            f"A {thing} is too small under {lower} {unit}, code `{small}`, and too big over {upper}, code `{big}`. "
            f"Any other gets `{accept}`.",
            f"Write `{accept}` for {lower} to {upper} {unit}. The refusal code is `{small}` below that, `{big}` above.",
            f"The size of a {thing} decides:\n\n| {unit} | outcome |\n|---|---|\n"
            f"| under {lower} | refused, code `{small}` |\n| {lower} to {upper} | `{accept}` |\n"
            f"| over {upper} | refused, code `{big}` |\n",
            f"Is it less than {lower} {unit}? Then refuse it with code `{small}`. Is it more than {upper}? Then "
            f"refuse it with code `{big}`. If it is neither, the answer is `{accept}`.",
            f"Limits are {lower} and {upper} {unit}: `{accept}` within them, code `{small}` under the first, "
            f"code `{big}` over the second.",
        )
    else:
        limits = (
            f"Up to {upper} {unit} answer `{accept}`. More is refused with the code `{big}`.",
            f"Above {upper} {unit} the code is `{big}`; anything else is accepted with `{accept}`.",
            f"Refuse over {upper} {unit} (code `{big}`), otherwise write `{accept}`.",
            f"A {thing} is too big over {upper} {unit}, code `{big}`. Any other gets `{accept}`.",
            f"Write `{accept}` as long as it is at most {upper} {unit}. The code of a refusal is `{big}`.",
            f"The size of a {thing} decides:\n\n| {unit} | outcome |\n|---|---|\n| up to {upper} | `{accept}` |\n"
            f"| over {upper} | refused, code `{big}` |\n",
            f"Is it more than {upper} {unit}? Then refuse it with code `{big}`. If it is not, "
            f"the answer is `{accept}`.",
            f"The limit is {upper} {unit}: `{accept}` within it, a refusal with code `{big}` over it.",
        )
    shown = refusal.format("CODE")
    refusing = (
        f"Write a refusal as `{shown}`.",
        f"With the code K1 a refusal reads `{refusal.format('K1')}`.",
        f"What is refused gets `{shown}`, its code for CODE.",
        f"The form of a refusal is `{shown}`, where CODE is the code.",
        f"`{refusal.format('K1')}` would be the refusal for the code K1.",
        f"To refuse, write this line with the code put for CODE:\n\n```\n{shown}\n```\n",
        f"Suppose something is refused, and its code is K1. The answer is then `{refusal.format('K1')}`, "
        "and every other code is put in the same spot.",
        f"Put the code of a refusal in the place of CODE: `{shown}`.",
    )
    result = accept if special == "accepted" else refusal.format(own)
    excepted = (
        f"Whatever comes from `{source_named}` gets `{result}`, with no look at the size.",
        f"The source `{source_named}` is an exception: always answer `{result}`.",
        f"For `{source_named}` the limits do not count; write `{result}`.",
        f"If the source is `{source_named}`, the answer is `{result}` at any size.",
        f"`{result}` is the answer to everything from `{source_named}`.",
        "Check the source before the size:\n\n"
        f"- `{source_named}`: the answer is `{result}`\n- any other: the limits hold\n",
        f"Does it come from `{source_named}`? Then the size does not matter, and `{result}` is what we answer.",
        f"No limit holds for `{source_named}`, which gets `{result}` every time.",
    )
    rules = (
        limits,
        refusing,
        *((excepted,) if special else ()),
        (
            "Output only that.",
            "Answer with this and no other words.",
            "Reply with the result alone.",
            "Write just that, without size or source.",
            "Give nothing but this short answer.",
            "Your whole answer is what a script would read: one line, no comment.",
            "One short line comes back, and no explanation with it.",
            "The reply is just this, without a reason.",
        ),
    )
    return Draft(
        name=rng.choice(("input-limits", f"{thing}-limits", "size-check", "accept-or-refuse")),
        title=rng.choice(("Input limits", f"Limits for a {thing}", "Accepted or refused")),
        description=rng.choice(
            (
                f"Accepts or refuses a {thing} by our limits. Use it when one comes in.",
                f"Checks a {thing} against the limits. Use for every {thing}.",
                "Says whether an input is within bounds.",
            )
        ),
        rules=rules,
        ask=ask,
    )


def check(answer: str) -> bool:
    """An accept word with at most a mark, or a code in one of the forms of a refusal."""
    accepted = rf"[<+/]?(?:{'|'.join(ACCEPTED)})(?:!|>|=1)?"
    refused = rf"(?:no |deny:|refuse |stop |-|x\()?{CODE}(?:\)| no|/refused| rejected)?"
    return bool(re.fullmatch(f"{accepted}|{refused}", answer)) and not re.fullmatch(CODE, answer)
