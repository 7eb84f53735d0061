"""Alert lines: an alert as one line, with its order of fields, separator, case, and a tag at one end."""

import itertools
import random
import re

from training.tasks.content import ANIMALS, NOUNS, code
from training.tasks.wording import Draft, Task

SUBTASK = "Diagnosis/Search"
OPEN = True
HELD_OUT = True
METRICS = "cpu memory disk errors latency load swap traffic heat threads".split()
JOINTS = (" -> ", " => ", " | ", " / ", " :: ", " > ", ", ", " ~ ", " - ")
CASES = {"in upper case": str.upper, "with a capital first letter": str.capitalize, "in lower case": str.lower}
FORMS = (
    "Service: {noun}. Metric: {metric}. Value: {value}%",
    "{noun}: {metric} at {value}%",
    "The {metric} of {noun} reached {value}%",
    "{value}% {metric} on {noun}",
    "We measure {value}% for {metric} in {noun}. Write the alert.",
    "service={noun} metric={metric} value={value}%",
    "What is the alert when {noun} shows {value}% {metric}?",
    "Can you write the alert for me? It is about {metric} on {noun}, {value}% right now",
    "Write an alert for the {noun} service: {metric}, {value}%",
    "value: {value}%, service: {noun}, metric: {metric}",
    "{metric} {noun} {value}%",
)
WORDS = "ALERT WATCH NOTE ALARM HEY PAGE FIRE".split()
FORM = re.compile(r"(\S+ )?(\w+%?)( -> | => | \| | / | :: | > |, | ~ | - )(\w+%?)\3(\w+%?)( \S+)?")


def check(answer: str) -> bool:
    """Whether this is three fields with one separator, one of them a percentage, and a tag at one end."""
    match = FORM.fullmatch(answer)
    return match is not None and answer.count("%") == 1 and bool(match[1]) != bool(match[6])


def draft(rng: random.Random) -> Draft:
    """Draw one form of alerts."""
    order = rng.choice(list(itertools.permutations(("service", "metric", "value"))))
    joint, case = rng.choice(JOINTS), rng.choice(list(CASES))
    tag = rng.choice((code(rng), f"#{rng.choice(ANIMALS)}", f"{rng.choice(WORDS)}{rng.choice('!:.')}"))
    ahead, cased = rng.random() < 0.6, CASES[case]

    def ask(rng: random.Random) -> Task:
        noun, metric, value = rng.choice(NOUNS), rng.choice(METRICS), rng.randint(11, 99)
        fields = {"service": cased(noun), "metric": metric, "value": f"{value}%"}
        line = joint.join(fields[field] for field in order)
        prompt = rng.choice(FORMS).format(noun=noun, metric=metric, value=value)
        return Task(prompt, f"{tag} {line}" if ahead else f"{line} {tag}")

    line = f"{tag} FIELDS" if ahead else f"FIELDS {tag}"
    end, edge, verb = ("start", "first", "opens") if ahead else ("end", "last", "closes")
    side, sides = ("in front of", f"`{tag}` and one space") if ahead else ("behind", f"one space and `{tag}`")
    return Draft(
        name=rng.choice(("alert-lines", "write-alerts", "alert-format", "one-line-alerts")),
        title=rng.choice(("Alert lines", "How an alert is written", "Format of alerts")),
        description=rng.choice(
            (
                "Writes an alert as one line. Use it when a service, a metric and a value are given.",
                "Turns a measurement into our alert line. Use for every alert.",
                "The form of our alerts. Use when a value is out of bounds.",
            )
        ),
        rules=(
            (
                f"The fields come in the order {', '.join(order)}.",
                f"Put the {order[0]} first, then the {order[1]}, then the {order[2]}.",
                f"Begin with the {order[0]}, go on with the {order[1]} and finish with the {order[2]}.",
                f"Of the three fields the {order[0]} is first, the {order[1]} second and the {order[2]} third.",
                f"After the {order[0]} follows the {order[1]}, and after that the {order[2]}.",
                f"The {order[1]} is the middle field, with the {order[0]} before it and the {order[2]} behind it.",
                f"Line up the fields:\n\n1. {order[0]}\n2. {order[1]}\n3. {order[2]}\n",
                f"An alert names {order[0]}, {order[1]} and {order[2]}, in just this order.",
            ),
            (
                f"Between two fields stands `{joint}`.",
                f"Join the fields with `{joint}`.",
                f"Fields A, B and C are written `A{joint}B{joint}C`.",
                f"`{joint}` separates each field from the next.",
                f"Each field but the last is followed by `{joint}`.",
                f"Type `{joint}` after the first field and again after the second, exactly as it is quoted here.",
                f"With A, B and C for the three fields, a line has this inside:\n\n```\nA{joint}B{joint}C\n```\n",
                f"As the separator of fields use `{joint}`, spaces as shown.",
            ),
            (
                f"Write the service {case}.",
                f"The name of the service is {case}; the metric stays as given.",
                f"The service `aBc` is written `{cased('aBc')}`.",
                f"Spell services {case} and change nothing else.",
                f"Only the service has a case of its own: `aBc` becomes `{cased('aBc')}`.",
                f"Whatever letters a service comes in, spell it {case}; metric and value are copied.",
                "Only the spelling of the service changes:\n\n| given | in the alert |\n|---|---|\n"
                f"| `aBc` | `{cased('aBc')}` |\n| `xyZ` | `{cased('xyZ')}` |\n",
                f"Services appear {case}, as in `{cased('aBc')}`.",
            ),
            (
                f"The tag `{tag}` stands at the {end} of the line, with one space to the rest.",
                f"Put {sides} {side} the fields.",
                f"`{tag}` {verb} every alert, a space apart from the fields.",
                f"Every alert has `{tag}` as its {edge} word, and a space sets it off.",
                f"What comes {edge} in the line is always `{tag}`, parted from the fields by a space.",
                f"Add `{tag}` as a word of its own at the {end} of the line, one space away from the fields.",
                f"A whole line looks like this, FIELDS being the joined fields:\n\n```\n{line}\n```\n",
                f"Each line carries `{tag}` {side} its fields, with a single space between.",
            ),
            (
                "Output only the line.",
                "Answer with one line and nothing else.",
                "Reply with the alert alone.",
                "Give the alert without any comment.",
                "Nothing but this line is written.",
                "Send the alert back by itself, with no remark before or after it.",
                "Don't introduce the alert and don't comment on it.",
                "The finished line is the whole answer.",
            ),
        ),
        ask=ask,
    )
