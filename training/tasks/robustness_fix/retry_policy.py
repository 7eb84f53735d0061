"""Retry policies: an error gets the policy word of its kind and a number of attempts, written in one form.

The words, the numbers, the form and a service that is never retried are drawn for each skill.
"""

import random
import re

from training.tasks.content import NOUNS, code
from training.tasks.robustness_fix import CODE
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Robustness Fix"
OPEN = True
HELD_OUT = False
ERRORS = {
    "timeout": ("read timed out", "no answer within 30 s", "the call took too long", "timeout after 5 s"),
    "quota": ("429 too many requests", "rate limit reached", "daily quota used up", "over the quota"),
    "auth": ("401 unauthorized", "bad credentials", "wrong password", "403 access denied"),
    "disk": ("no space left on device", "disk is full", "cannot write to disk", "bad sector on disk 2"),
    "conflict": ("409 version conflict", "row was changed by someone else", "conflict with another write"),
    "dns": ("could not resolve host", "unknown host name", "DNS lookup failed", "no address for this host"),
}
PACES = "slow quick calm lazy eager steady soft hard even wide deep plain early late".split()
WAYS = "step drip burst wait park hold jitter crawl wave pulse climb spread".split()
FORMS = ("{p} x{n}", "{n}x {p}", "{p}/{n}", "{p}({n})", "{p}@{n}", "{n}:{p}", "{p}={n}", "{n} {p}", "{p}, {n}")
PROMPTS = (
    "Error in {s}: {m}",
    "{s} failed with `{m}`. How do we retry?",
    "{m} ({s})",
    "service={s} error={k}",
    "The {s} call ended with error {k}",
    "error: {k}\nservice: {s}",
    "{m}\n\nThis error comes from {s}. How is it retried?",
    "Please look up how to retry {s} after an error of the kind {k}.",
    "Retry rule for {s} after: {m}",
)


def draft(rng: random.Random) -> Draft:
    """Draw the policy and the attempts of some kinds of errors."""
    kinds = rng.sample(list(ERRORS), rng.choice((2, 3, 3)))
    ways = rng.sample(WAYS, len(kinds))
    policies = {kind: f"{rng.choice(PACES)}-{way}" for kind, way in zip(kinds, ways, strict=True)}
    usual, other = rng.sample(range(2, 10), 2)
    attempts = dict.fromkeys(kinds, usual)
    mode = rng.choice(("same", "one differs", "one differs", "each"))
    if mode == "each":
        attempts = dict(zip(kinds, rng.sample(range(2, 10), len(kinds)), strict=True))
    elif mode == "one differs":
        attempts[kinds[-1]] = other
    form = rng.choice(FORMS)
    never, stop = (rng.choice(NOUNS), code(rng)) if rng.random() < 0.4 else ("", "")

    def ask(rng: random.Random) -> Task:
        kind = rng.choice(kinds)
        service = never if never and rng.random() < 0.3 else rng.choice(NOUNS)
        prompt = rng.choice(PROMPTS).format(s=service, k=kind, m=rng.choice(ERRORS[kind]))
        return Task(prompt, stop if service == never else form.format(p=policies[kind], n=attempts[kind]))

    if mode == "each":
        counts = {kind: str(n) for kind, n in attempts.items()}
        trying = wordings_of(counts, "error", "number of attempts", "{key} errors get `{value}` attempts")
    elif mode == "same":
        trying = (
            f"The number of attempts is {usual} for every error.",
            f"Each error is tried {usual} times, whatever its kind.",
            f"Always give {usual} attempts.",
            f"There are {usual} attempts, and no kind of error gets more or fewer.",
            f"All errors alike have {usual} attempts.",
            f"One number holds for all errors:\n\n```yaml\nattempts: {usual}\n```\n",
            f"How often do we try? {usual} times, and the kind of error makes no difference.",
            f"Whichever error it is, we make {usual} attempts.",
        )
    else:
        trying = (
            f"The number of attempts is {usual}, but {other} for {kinds[-1]} errors.",
            f"Give {other} attempts to {kinds[-1]} errors and {usual} to all others.",
            f"Every error is tried {usual} times; only {kinds[-1]} errors are tried {other} times.",
            f"Except for {kinds[-1]} errors with {other} attempts, there are {usual} attempts.",
            f"If the error is of the kind {kinds[-1]}, attempts are {other}, otherwise {usual}.",
            f"How often we try:\n\n| error | attempts |\n|---|---|\n| {kinds[-1]} | {other} |\n"
            f"| any other | {usual} |\n",
            f"Is it a {kinds[-1]} error? Then its number of attempts is {other}. For the rest that number is {usual}.",
            f"There are {usual} attempts unless it is a {kinds[-1]} error, which gets {other}.",
        )
    shown, example = form.format(p="POLICY", n="N"), form.format(p="abc", n=1)
    rules = [
        wordings_of(policies, "error", "policy", "{key} errors follow the policy `{value}`"),
        trying,
        (
            f"Write policy and attempts as `{shown}`, where N is the number of attempts.",
            f"The form is `{shown}`, with the policy for POLICY and the attempts for N.",
            f"With the policy `abc` and 1 attempt the answer would read `{example}`.",
            f"An answer looks like `{example}` if the policy is `abc` and there is 1 attempt.",
            f"Fill in `{shown}`: the policy of the error for POLICY, the attempts for N.",
            "Each answer is one line of this form, POLICY being the policy and N the number of attempts:\n\n"
            f"```\n{shown}\n```\n",
            f"Take `{shown}`, then\n\n- put the policy for POLICY\n- put the number of attempts for N\n",
            f"Policy and number of attempts (N) are put together just like this: `{shown}`.",
        ),
        (
            "Output only that.",
            "Answer with this short line and nothing else.",
            "Reply with the retry rule alone.",
            "No reason and no other word is given.",
            "Nothing but this is written.",
            "Your whole answer could be read by a script: one line, no comment.",
            "One line comes back, and why it is so remains unsaid.",
            "The reply consists of this one short line.",
        ),
    ]
    if never:
        never_retried = (
            f"Errors of the {never} service are never retried; for them answer `{stop}` alone.",
            f"For the service {never} the answer is just `{stop}`, whatever the error.",
            f"If {never} is the failing service, write `{stop}` instead of policy and attempts.",
            f"`{stop}` is the whole answer when the error comes from {never}.",
            f"One exception: each error in {never} gives `{stop}` and nothing more.",
            f"Look at the service first:\n\n- {never}: the answer is `{stop}` and nothing else\n"
            "- any other: retry as usual\n",
            f"Did {never} fail? Then leave out policy and number, whatever the error is, and write just `{stop}`.",
            f"Errors in {never} follow no policy and have no number; they give only `{stop}`.",
        )
        rules.insert(rng.choice((0, 3)), never_retried)
    return Draft(
        name=rng.choice(("retry-policy", "retry-rules", "how-we-retry", "retries-by-error")),
        title=rng.choice(("Retry policy", "How failed calls are retried", "Retries by error")),
        description=rng.choice(
            (
                "Says how a failed call is retried. Use it when an error and its service are given.",
                "Gives policy and attempts for an error. Use for every failed call.",
                "How our services retry after errors.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )


def check(answer: str) -> bool:
    """A policy of two words and a number in one of the forms, or a code alone."""
    policy = "[a-z]+-[a-z]+"
    return bool(re.fullmatch(rf"{policy}(?: x|/|@|=|, )\d|{policy}\(\d\)|\d(?:x |:| ){policy}|{CODE}", answer))
