"""Error policies: the kind of a failure and the place where it happens decide on the code of what is done.

Codes by kind and by place, which of them wins, a rest, one pair with a code of its own and a prefix are drawn.
"""

import random
import re

from training.tasks.robustness_fix import CODE, different_codes
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Robustness Fix"
OPEN = True
HELD_OUT = True
KINDS = ("timeout", "full disk", "bad input", "lost link", "stale key", "broken file", "memory leak", "wrong type")
PLACES = ("checkout", "search", "login", "export", "import", "mailer", "backup", "report")
PREFIXES = ("do ", "=> ", "act:", "!", "> ", "", "", "")
PROMPTS = (
    "Failure: {k}. Place: {p}",
    "{k} in {p}",
    "We see a {k} in {p}. What is done?",
    "{p}: {k}",
    "place={p} failure={k}",
    "failure: {k}\nplace: {p}",
    "{p} had a {k} again. Which answer does our policy give?",
    "Please look this up for me: place {p}, failure {k}",
    "The {p} module reports a {k}",
)


def draft(rng: random.Random) -> Draft:
    """Draw what is done about failures, by kind and by place."""
    paired = rng.random() < 0.35
    kinds, places = rng.sample(KINDS, 2 if paired else rng.choice((2, 3))), rng.sample(PLACES, 2)
    *drawn, rest, pair_code = different_codes(rng, len(kinds) + len(places) + 2)
    by_kind = dict(zip(kinds, drawn, strict=False))
    by_place = dict(zip(places, drawn[len(kinds) :], strict=True))
    place_wins = rng.random() < 0.5
    pair = (rng.choice(kinds), rng.choice(places)) if paired else None
    prefix = rng.choice(PREFIXES)

    def ask(rng: random.Random) -> Task:
        kind = rng.choice(kinds if rng.random() < 0.65 else KINDS)
        place = rng.choice(places if rng.random() < 0.5 else PLACES)
        if pair and rng.random() < 0.2:
            kind, place = pair
        found = [codes[key] for codes, key in ((by_kind, kind), (by_place, place)) if key in codes]
        action = found[-1 if place_wins else 0] if found else rest
        answer = prefix + (pair_code if (kind, place) == pair else action)
        return Task(rng.choice(PROMPTS).format(k=kind, p=place), answer)

    wins, loses = ("place", "failure") if place_wins else ("failure", "place")
    winner = "K2" if place_wins else "K1"
    link = "one space between them" if prefix.endswith(" ") else "no space between them"
    rules = [
        wordings_of(by_kind, "failure", "code", "a {key} gets the code `{value}`"),
        wordings_of(by_place, "place", "code", "whatever fails in {key} gets the code `{value}`"),
        (
            f"If both the failure and the place have a code, the {wins} wins.",
            f"The code of the {wins} is preferred to that of the {loses}.",
            f"Where two codes would fit, take the one of the {wins}.",
            f"Look at the {wins} first; only if it has no code does the {loses} count.",
            f"A code for the {wins} beats a code for the {loses}.",
            f"Take the first code that there is:\n\n1. that of the {wins}\n2. that of the {loses}\n",
            f"Suppose the code of the failure is K1 and that of the place is K2: then `{winner}` counts, "
            f"since the {wins} wins.",
            f"When {wins} and {loses} each have a code, use that of the {wins} and drop the other.",
        ),
        (
            f"In all other cases the code is `{rest}`.",
            f"If neither has a code, the code is `{rest}`.",
            f"`{rest}` is the code when neither failure nor place is listed.",
            f"A failure that is not listed, in a place that is not listed, gets the code `{rest}`.",
            f"Without a code for failure or place it is `{rest}`.",
            "The default:\n\n| failure or place listed | code |\n|---|---|\n| at least one of them | as listed |\n"
            f"| neither | `{rest}` |\n",
            f"Is no code given for the failure, and none for the place either? Then `{rest}` it is.",
            f"When no listed failure and no listed place fits, take `{rest}`.",
        ),
        (
            "Output only that.",
            "Answer with this and nothing else.",
            "Reply with this short line alone.",
            "Give no reason and no other word.",
            "Write just that, without the failure or the place.",
            "Your answer is that one short line, which a script could read.",
            "One line comes back; explanations are left out.",
            "The reply is just this, on one line.",
        ),
    ]
    if pair:
        kind, place = pair
        exception = (
            f"Only a {kind} in {place} has the code `{pair_code}`, before all other rules.",
            f"One exception goes first: {kind} in {place} gives `{pair_code}`.",
            f"`{pair_code}` is the code if the failure is {kind} and the place is {place}, whatever else holds.",
            f"If {kind} and {place} come together, neither code counts; it is `{pair_code}`.",
            f"The pair of {kind} and {place} has a code of its own, `{pair_code}`, which always wins.",
            "One pair comes before every other rule:\n\n| failure | place | code |\n|---|---|---|\n"
            f"| {kind} | {place} | `{pair_code}` |\n",
            f"Is it a {kind}, and did it happen in {place}? Then its code is `{pair_code}`, "
            "no matter what other rules say.",
            f"For {kind} in {place} forget the other codes and take `{pair_code}`.",
        )
        rules.insert(3, exception)
    if prefix:
        prefixed = (
            f"Write `{prefix}` directly before the code.",
            f"The answer opens with `{prefix.strip()}`, then comes the code, with {link}.",
            f"A code K1 is written `{prefix}K1`.",
            f"`{prefix}K1` would be the answer for a code K1.",
            f"Every answer is `{prefix}CODE`, with the code for CODE.",
            f"This is how an answer is written, the code put for CODE:\n\n```\n{prefix}CODE\n```\n",
            f"Two parts make the answer, with {link}: first `{prefix.strip()}`, second the code.",
            f"In front of the code stands `{prefix.strip()}`, with {link}.",
        )
        rules.insert(-1, prefixed)
    return Draft(
        name=rng.choice(("error-policy", "failure-actions", "what-to-do", "failure-codes")),
        title=rng.choice(("Error policy", "What is done about failures", "Codes of actions")),
        description=rng.choice(
            (
                "Gives the code of what is done about a failure. Use it when a failure and its place are known.",
                "Decides on the action after a failure. Use for every failure that is reported.",
                "Our policy for failures by kind and place.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )


def check(answer: str) -> bool:
    """A code with at most one of the prefixes."""
    return bool(re.fullmatch(rf"(?:do |=> |act:|!|> )?{CODE}", answer))
