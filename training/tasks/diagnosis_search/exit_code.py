"""Exit codes: how a process ended, by exit code or by signal, goes to a verdict code."""

import random
import re

from training.tasks.content import NOUNS, code
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Diagnosis/Search"
OPEN = True
HELD_OUT = False
CODES = "0 1 2 3 4 5 7 8 12 16 22 32 64 65 70 75 77 78 99 100 111 124 126 127".split()
SIGNALS = "SIGHUP SIGINT SIGQUIT SIGABRT SIGBUS SIGKILL SIGSEGV SIGPIPE SIGTERM SIGUSR1".split()
MOODS = "retry pass broken again skip halt rerun known flaky lost".split()
EXITS = (
    "{job} ended with exit code {end}",
    "Exit code {end} from {job}",
    "{job}: exit {end}",
    "The {job} job returned {end}. What is the verdict?",
    "job={job} status={end}",
    "What does it mean that {job} exits with {end}?",
    "exit code: {end}, job: {job}",
    "{end} is the exit code that {job} gave us.",
    "Can you judge this run for me? {job} came back with exit code {end}",
    "Give the verdict. The job is {job}, and its exit code was {end}.",
)
KILLS = (
    "{job} was killed by {end}",
    "{end} ended {job}",
    "{job}: {end}",
    "The {job} job died of {end}. What is the verdict?",
    "job={job} signal={end}",
    "What does it mean that {end} stopped {job}?",
    "signal: {end}, job: {job}",
    "{end} is the signal that brought {job} down.",
    "Can you judge this run for me? {job} was terminated by {end}",
    "Give the verdict. The job is {job}, and it was ended by {end}.",
)
FORM = re.compile(r"([a-z]+(: | -> |=|/| \| ))?(\[[A-Z]{3}\]|[A-Za-z]+-?[a-z0-9]+)")


def check(answer: str) -> bool:
    """Whether this is a verdict, alone or after the name of the job."""
    return FORM.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw one team's verdicts."""
    drawn = (rng.choice((code(rng), f"{rng.choice(MOODS)}{rng.randint(1, 9)}")) for _ in range(20))
    verdicts = list(dict.fromkeys(drawn))
    known = dict(zip(rng.sample(CODES, rng.choice((2, 3))), verdicts, strict=False))
    rest, killed, special = verdicts[4:7]
    signal = rng.choice(SIGNALS) if rng.random() < 0.6 else ""
    joint = rng.choice((": ", " -> ", "=", "/", " | ")) if rng.random() < 0.4 else ""

    def ask(rng: random.Random) -> Task:
        if rng.random() < 0.4:
            end, forms = (signal if signal and rng.random() < 0.5 else rng.choice(SIGNALS)), KILLS
            verdict = special if end == signal else killed
        else:
            end, forms = rng.choice(list(known) if rng.random() < 0.7 else CODES), EXITS
            verdict = known.get(end, rest)
        job = rng.choice(NOUNS)
        return Task(rng.choice(forms).format(job=job, end=end), f"{job}{joint}{verdict}" if joint else verdict)

    rules = [
        wordings_of(known, "exit code", "verdict", "exit code {key} means `{value}`"),
        (
            f"Any other exit code is `{rest}`.",
            f"Use `{rest}` for exit codes that are not listed.",
            f"`{rest}` stands for every exit code without a verdict of its own.",
            f"If the exit code does not appear here, the verdict is `{rest}`.",
            f"All remaining exit codes mean `{rest}`.",
            f"The verdict for exit codes is `{rest}` by default, wherever no other one is given.",
            f"Not every exit code has an entry of its own. Judge those without one as `{rest}`.",
            f"An exit code that we do not name gets `{rest}`.",
        ),
    ]
    if signal:
        rules.append(
            (
                f"A process ended by a signal is `{killed}`, except by {signal}, which is `{special}`.",
                f"For {signal} the verdict is `{special}`; every other signal is `{killed}`.",
                f"Signals mean `{killed}`, and only {signal} means `{special}`.",
                f"If a signal ended the process write `{special}` where it was {signal} and `{killed}` otherwise.",
                f"`{special}` is for {signal} alone, while `{killed}` covers the other signals.",
                "If a signal ended the process:\n\n| signal | verdict |\n|---|---|\n"
                f"| {signal} | `{special}` |\n| any other | `{killed}` |\n",
                f"Processes can be killed by a signal. {signal} gives `{special}`, while all others give `{killed}`.",
                f"Whatever the signal, say `{killed}`, unless it is {signal}: then say `{special}`.",
            )
        )
    else:
        rules.append(
            (
                f"A process ended by a signal is `{killed}`.",
                f"For every signal the verdict is `{killed}`.",
                f"`{killed}` is used whenever a signal (SIG...) ended the process.",
                f"If there is a signal instead of an exit code, write `{killed}`.",
                f"Signals of all kinds mean `{killed}`.",
                f"If a signal ended the process:\n\n| signal | verdict |\n|---|---|\n| any | `{killed}` |\n",
                f"Processes can be killed by a signal. Which one makes no difference: all give `{killed}`.",
                f"Whatever the signal is, its verdict is `{killed}`.",
            )
        )
    if joint:
        rules.append(
            (
                f"Write the name of the job, then `{joint}`, then the verdict.",
                f"The verdict V of a job J is written `J{joint}V`.",
                f"In front of the verdict stands the job's name, joined by `{joint}`.",
                f"The answer has the form `J{joint}V` with the job for J and the verdict for V.",
                f"Put `{joint}` between the job, which comes first, and the verdict.",
                f"For a job `abc` with the verdict `xyz` the answer is `abc{joint}xyz`.",
                f"The answer names the job as well. Write it like this:\n\n```\nJOB{joint}VERDICT\n```\n",
                f"First comes the job, next `{joint}`, and the verdict closes the line.",
            )
        )
    rules.append(
        (
            "Output only this.",
            "Answer with that and nothing else.",
            "Reply without any explanation.",
            "Do not repeat how the process ended.",
            "Nothing more belongs in the answer.",
            "Write no sentence around it and no reason.",
            "Your reply holds what these rules ask for and not a word more.",
            "Leave out all other words.",
        )
    )
    return Draft(
        name=rng.choice(("exit-codes", "job-verdicts", "read-exit-codes", "how-jobs-end")),
        title=rng.choice(("Exit codes", "Verdicts for jobs", "How a job ended")),
        description=rng.choice(
            (
                "Gives the verdict for a process that ended. Use it when an exit code or a signal is given.",
                "Turns exit codes and signals into our verdicts. Use for every job that ended.",
                "Says what the end of a job means. Use when a job has stopped.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
