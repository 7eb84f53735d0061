"""One-line docstrings: quotes, mood, final stop and the tag that some kinds of functions get."""

import ast
import random

from training.tasks.content import code
from training.tasks.feature_patch import change, distinct, tag
from training.tasks.wording import Draft, Task

SUBTASK = "Feature/Patch"
OPEN = True
HELD_OUT = False
PARAMETERS = "path page user data rows limit mode source".split()
TAGGED = {  # which functions get the tag: with which phrase, and how it shows in the head
    "private": ("functions whose name starts with an underscore", "def _", "def "),
    "async": ("async functions", "async def ", "def "),
    "public": ("functions whose name starts without an underscore", "def ", "def _"),
}


def check(answer: str) -> bool:
    try:
        lines = ast.parse(answer).body
    except (SyntaxError, ValueError):
        return False
    one = len(lines) == 1 and isinstance(lines[0], ast.Expr) and isinstance(lines[0].value, ast.Constant)
    return one and isinstance(lines[0].value.value, str) and "\n" not in answer and answer[:3] == answer[-3:]


def draft(rng: random.Random) -> Draft:
    """Draw one code base's docstring style."""
    quote, kind = rng.choice(('"""', "'''")), rng.choice(list(TAGGED))
    third, stop, front = rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.5
    literal = rng.choice((lambda: code(rng), lambda: f"({tag(rng)})", lambda: f"@{tag(rng)}"))
    tags = distinct(("tagged", "others"), literal)
    if rng.random() < 0.4:
        tags["others"] = ""
    phrase, head, other_head = TAGGED[kind]

    def ask(rng: random.Random) -> Task:
        tagged, done = rng.random() < 0.5, change(rng)
        verb, words = done.split(" ", 1)
        function = f"{head if tagged else other_head}{verb}_{words.split()[-1]}({rng.choice(PARAMETERS)})"
        prompt = rng.choice(
            (
                f"`{function}`, purpose: {done}",
                f"Document `{function}`, which {verb}s {words}.",
                f"{function} is there to {done}. Write its docstring.",
                f"What is the docstring of `{function}`? It {verb}s {words}.",
                f"Function: {function}. Task: {done}",
                f"head={function}; purpose={done}",
                f"{function}\n\nIt {verb}s {words}. Please add the docstring.",
                f"Could you write the docstring of `{function}` for me? Its job is to {done}.",
                f"We use {function} to {done}. Its docstring?",
            )
        )
        sentence = f"{verb.capitalize()}{'s' if third else ''} {words}{'.' if stop else ''}"
        label = tags["tagged" if tagged else "others"]
        said = f"{label} {sentence}" if front else f"{sentence} {label}"
        return Task(prompt, f"{quote}{said.strip()}{quote}")

    form, not_form = ("`Loads names`", "`Load names`") if third else ("`Load names`", "`Loads names`")
    end = "with a full stop" if stop else "without a full stop"
    sample = f"{form[1:-1]}{'.' if stop else ''}"
    else_, none = f"`{tags['others']}`", tags["others"] == ""
    rest = "no tag" if none else else_
    place, side = ("before", "in front of") if front else ("after", "behind")
    first, second = ("tag", "sentence") if front else ("sentence", "tag")
    return Draft(
        name=rng.choice(("docstrings", "docstring-line", "write-docstrings", "document-functions")),
        title=rng.choice(("Docstrings", "One-line docstrings", "How functions are documented")),
        description=rng.choice(
            (
                "Writes the one-line docstring of a function. Use it when a function and its purpose are given.",
                "Documents a function in our style.",
                "How a docstring looks in this code base. Use it for every new function.",
            )
        ),
        rules=(
            (
                f"Say what the function does in the form {form}, not {not_form}, {end} at the end.",
                f"The sentence is put like {form} (never like {not_form}) and ends {end}.",
                f"Write one sentence {end}, in the mood of {form} rather than {not_form}.",
                f"A sentence such as {form}, with a capital first letter, tells the purpose; it closes {end}.",
                f"Of {form} and {not_form} we use the first form, and we finish the sentence {end}.",
                f"A function that loads names has the sentence `{sample}`: this form of the verb, "
                f"not that of {not_form}, with a capital letter at the start and {end} at the end.",
                f"One sentence tells the purpose.\n\n| written | not written |\n|---|---|\n| {form} | {not_form} |\n\n"
                f"It ends {end}.",
                f"The verb comes first, capitalised and in the {'third person' if third else 'imperative'} "
                f"({form}, not {not_form}); the sentence ends {end}.",
                f"Our sentences read like {form} and unlike {not_form}; finish them {end}.",
            ),
            (
                f"Tag {phrase} with `{tags['tagged']}`, {'and no others' if none else f'all others with {else_}'}.",
                f"The tag `{tags['tagged']}` is for {phrase}; the rest get {rest}.",
                f"For {phrase} the tag is `{tags['tagged']}`, otherwise "
                + ("there is none." if none else f"it is {else_}."),
                f"`{tags['tagged']}` marks {phrase}, "
                + ("and the others have no tag." if none else f"{else_} marks all the others."),
                f"All {phrase} carry `{tags['tagged']}`, and any other function carries {rest}.",
                f"Tags by function:\n\n| function | tag |\n|---|---|\n| {phrase} | `{tags['tagged']}` |\n"
                f"| all others | {'none' if none else else_} |\n",
                f"Look at the head of the function. If it is one of the {phrase}, it gets `{tags['tagged']}`; "
                f"if not, it gets {rest}.",
                f"Which tag? {phrase[0].upper()}{phrase[1:]} take `{tags['tagged']}`, every other one takes "
                + ("none." if none else f"{else_}."),
            ),
            (
                f"The tag stands {place} the sentence, with one space between.",
                f"Put the tag {side} the sentence and a space between the two.",
                f"First comes the {first}, then, one space apart, the {second}.",
                f"One space separates the sentence from the tag, which comes {'first' if front else 'last'}.",
                f"A tagged docstring holds, in this order:\n\n1. the {first}\n2. one space\n3. the {second}\n",
                f"Where there is a tag, the text reads `{first.upper()} {second.upper()}`, a space dividing the two.",
                f"If the function has a tag, it goes {side} its sentence, exactly one space away.",
                f"{'Begin' if front else 'End'} the docstring with the tag; a space divides it from the sentence.",
            ),
            (
                f"Wrap it all in `{quote}` without spaces inside, and output only this line.",
                f"Answer with the docstring alone, directly between `{quote}` and `{quote}`.",
                f"The quotes are `{quote}` on both sides, without a space; reply with nothing else.",
                f"Output one line that opens and closes with `{quote}`, no spaces inside the quotes.",
                "The answer has this form and nothing around it, no space next to the quotes:\n\n"
                f"```python\n{quote}TEXT{quote}\n```\n",
                f"Put `{quote}` right before the first character and right after the last; "
                "this one line is the whole answer.",
                f"With TEXT for what it says, a docstring is `{quote}TEXT{quote}`, no space inside. "
                "No code or remark goes with it.",
                f"Only the docstring is wanted, on one line, with `{quote}` right at both its ends.",
            ),
        ),
        ask=ask,
    )
