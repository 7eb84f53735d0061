"""Incident severity: the kind of an incident and how many users it hits give its severity, with one exception."""

import random
import re

from training.tasks.content import NOUNS, code
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Diagnosis/Search"
OPEN = True
HELD_OUT = True
KINDS = (
    "outage,slowdown,data loss,leak,failed deploy,wrong data,login failure,broken build,disk alarm,expired certificate"
).split(",")
SCALES = ("SEV", "P", "S-", "prio", "L", "impact-")
MARKS = ("!", "+", "-wide", "/all", "*", ".x", "-big", "#")
FORMS = (
    "{kind} in {noun}, {users} users affected",
    "{noun}: {kind}, {users} users",
    "Kind: {kind}. Service: {noun}. Users: {users}.",
    "{users} users of {noun} are hit. It is this: {kind}. How severe?",
    "Rate this incident: {kind} ({noun}), users hit: {users}",
    "kind={kind} service={noun} users={users}",
    "{users} users, {noun}, {kind}",
    "What is the severity when {noun} has this incident ({kind}) and {users} users notice it?",
    "Hi, can you rate something for me? It is in {noun}: {kind}, and {users} users are affected",
    "Give the severity. There is a problem in {noun}, namely {kind}. It affects {users} users.",
)
FORM = re.compile(r"(\[[A-Z]{3}\]|[A-Za-z]+-?[a-z0-9]+)(!|\+|-wide|/all|\*|\.x|-big|#)?")


def check(answer: str) -> bool:
    """Whether this is one severity label, with a mark at its end or without."""
    return FORM.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw one team's severities."""
    drawn = (rng.choice((code(rng), f"{rng.choice(SCALES)}{rng.randint(0, 9)}")) for _ in range(20))
    labels = list(dict.fromkeys(drawn))
    kinds = dict(zip(rng.sample(KINDS, rng.choice((2, 3, 3))), labels, strict=False))
    many, own = labels[4:6]
    mark = rng.choice(MARKS) if rng.random() < 0.5 else ""
    limit = rng.randrange(100, 900, 100)
    service = rng.choice(NOUNS)
    fixed = rng.random() < 0.5

    def ask(rng: random.Random) -> Task:
        kind, noun = rng.choice(list(kinds)), service if rng.random() < 0.35 else rng.choice(NOUNS)
        users = rng.randrange(10, limit, 10) if rng.random() < 0.5 else rng.randrange(limit + 10, 1000, 10)
        label = kinds[kind]
        if noun == service and fixed:
            label = own
        elif noun != service and users > limit:
            label = label + mark if mark else many
        return Task(rng.choice(FORMS).format(kind=kind, noun=noun, users=users), label)

    if mark:
        counting = (
            f"Append `{mark}` to the severity if more than {limit} users are affected.",
            f"Above {limit} users `{mark}` follows the severity directly.",
            f"With more than {limit} users hit, the severity S is written `S{mark}`.",
            f"The severity ends in `{mark}` for incidents that hit over {limit} users, and only for these.",
            f"Up to {limit} users the severity stays bare; beyond that it gets `{mark}` at its end.",
            f"With S for the severity, the number of users decides:\n\n| users | write |\n|---|---|\n"
            f"| up to {limit} | `S` |\n| more than {limit} | `S{mark}` |\n",
            f"Compare the users with {limit}. If there are more, put `{mark}` behind the severity without a space; if "
            "not, leave the severity as it is.",
            f"Once the number of users exceeds {limit}, add `{mark}` right after the severity.",
        )
    else:
        counting = (
            f"If more than {limit} users are affected, the severity is `{many}` for any kind.",
            f"Above {limit} users write `{many}` instead, whatever the kind.",
            f"`{many}` replaces the severity of the kind as soon as over {limit} users are hit.",
            f"The kind decides up to {limit} users only; beyond that it is always `{many}`.",
            f"More than {limit} users wins over the kind and means `{many}`.",
            f"The number of users decides:\n\n| users | severity |\n|---|---|\n"
            f"| up to {limit} | that of the kind |\n| more than {limit} | `{many}` |\n",
            f"Compare the users with {limit}. If there are more, answer `{many}` and forget the kind; if not, the "
            "kind decides.",
            f"Once the number of users exceeds {limit}, the kind no longer counts and `{many}` is right.",
        )
    if fixed:
        excepting = (
            f"Exception: incidents in {service} are always `{own}`, nothing added.",
            f"The service {service} has just `{own}`, for every kind and any number of users.",
            f"None of this holds for {service}, where the answer is plain `{own}`.",
            f"Whatever happens in {service} is `{own}` and no more, however many users it hits.",
            f"In {service} neither kind nor users count: write `{own}` as it is.",
            f"First look at the service. When it is {service}, write just `{own}`; the rest is for other services.",
            f"{service} is a special case: its severity is always `{own}`, which neither kind nor users change.",
            f"If the service is {service}, the severity is exactly `{own}` in all cases.",
        )
    else:
        excepting = (
            f"Exception: in {service} the number of users does not count, only the kind.",
            f"The service {service} ignores the number of users and goes by the kind alone.",
            f"For {service} use just the severity of the kind, however many users are affected.",
            f"The limit of {limit} users does not hold for {service}; there the kind decides.",
            f"Incidents in {service} keep the plain severity of their kind, be the users few or many.",
            f"First look at the service. When it is {service}, write the severity of the kind; only for others "
            "count users.",
            f"{service} is a special case: its severity follows from the kind, whatever the number of users.",
            f"If the service is {service}, leave the users out and rate by kind only.",
        )
    return Draft(
        name=rng.choice(("incident-severity", "rate-incidents", "severity-labels", "how-severe")),
        title=rng.choice(("Incident severity", "How severe is it", "Severities of incidents")),
        description=rng.choice(
            (
                "Rates an incident. Use it when an incident and its reach are given.",
                "Gives the severity of an incident by our scale. Use for every incident.",
                "Says how severe an incident is. Use when something went wrong in a service.",
            )
        ),
        rules=(
            wordings_of(kinds, "kind", "severity", "the severity for {key} is `{value}`"),
            counting,
            excepting,
            (
                "Output only the severity.",
                "Answer with this and no other words.",
                "Reply with the severity alone.",
                "Give no reason and do not repeat the incident.",
                "Nothing more belongs in the answer.",
                "Write the severity without any sentence around it.",
                "Don't explain how you got there; we read the severity and no more.",
                "The severity by itself is the whole answer.",
            ),
        ),
        ask=ask,
    )
