"""What the grammar's skills are made of: wordings of its steps, fields of records, and prompts that show a record."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass

from training.tasks.content import ANIMALS, COLOURS, NOUNS, code

Value = str | int | tuple[str, ...] | None

WORDINGS = {  # of each step: {s} what it reads, {r} what it gives, {x} its choice, {c} its condition; the last is kept
    "Case": """Write the {s} {x}.
The {s} is written {x}.
In the answer the {s} stands {x}.
Change the {s} so that it stands {x}.
Spell the {s} {x}.
The {s} appears {x}.
Give the {s} {x}.
We want the {s} {x}.""",
    "Cut": """Shorten the {s} to its {x}.
Of the {s} use only the {x}.
Keep the {x} of the {s} and drop the rest.
The {s} is cut down to its {x}.
Reduce the {s} to its {x}.
Write just the {x} of the {s}.
Cut everything off the {s} but its {x}.
Take no more of the {s} than its {x}.""",
    "Spaces": """Replace every space in the {s} with {x}.
Spaces in the {s} become {x}.
Write {x} for each space of the {s}.
The {s} has {x} between its words instead of spaces.
Substitute {x} for each space in the {s}.
No space stays in the {s}; each becomes {x}.
Where the {s} has a space, it gets {x} in its place.
Join the words of the {s} with {x}.""",
    "Name": """Write the {s} as {x}.
The {s} is given as {x}.
For the {s} use the {x}.
Turn the {s} into {x}.
Use this form for the {s}: {x}.
The {s} appears as {x}.
Put the {s} in the form of {x}.
The {s} takes the form of {x}.""",
    "Before": """Put {x} right before the {s}.
The {s} gets {x} as its beginning.
Prefix the {s} with {x}.
Write {x} directly in front of the {s}.
Add {x} to the front of the {s}.
Start the {s} with {x}.
Precede the {s} by {x}, with nothing else in between.
Open the {s} with {x}.""",
    "After": """Put {x} right after the {s}.
The {s} gets {x} as its ending.
Append {x} to the {s}.
Write {x} directly behind the {s}.
Add {x} to the end of the {s}.
End the {s} with {x}.
Follow the {s} by {x}, with nothing else in between.
Finish the {s} with {x}.""",
    "Quote": """Put the {s} in {x}.
The {s} stands in {x}.
Enclose the {s} in {x}.
Write {x} around the {s}.
Wrap the {s} in {x}.
Surround the {s} with {x}.
The {s} is enclosed in {x}.
Have {x} enclose the {s}.""",
    "Pad": """Write the {s} with {x} digits, filled with zeros in front.
The {s} has {x} digits, with leading zeros.
Pad the {s} with leading zeros to {x} digits.
Add zeros before the {s} until it has {x} digits.
Fill the {s} up to {x} digits with zeros on the left.
The {s} is {x} digits long; zeros in front make up for those it lacks.
Use {x} digits for the {s}, with as many zeros in front as that takes.
With zeros at its start the {s} is brought to {x} digits.""",
    "Bump": """Add {x} to the {s}.
Raise the {s} by {x}.
The {s} goes up by {x}.
Write the {s} increased by {x}.
Increase the {s} by {x}.
The {s} is written as {x} more than given.
Give the {s} plus {x}.
Make the {s} larger by {x}.""",
    "Day": """Write the {s} as {x}.
The {s} has the form {x}.
Give the {s} in the order and with the signs of {x}.
Change the {s} to {x}.
Use the format {x} for the {s}.
Render the {s} as {x}.
The {s} is put in the form {x}.
Our format of the {s} is {x}.""",
    "Sort": """Sort the {s} from {x}.
The {s} stand in alphabetical order, {x}.
Bring the {s} into order from {x}.
Order the {s} by the alphabet, {x}.
Put the {s} in alphabetical order, from {x}.
List the {s} alphabetically, {x}.
The {s} are sorted from {x}.
Arrange the {s} alphabetically, from {x}.""",
    "Reverse": """Reverse the order of the {s}.
The {s} come in reverse order, the last one first.
Turn the {s} around, so that the last comes first.
Begin with the last of the {s} and go back to the first.
List the {s} from the last one to the first.
The last of the {s} comes first, then the one before it, and so on.
Give the {s} in the opposite order, so that the first one comes last.
Take the {s} from the end to the beginning.""",
    "Number": """Number the {s} with {x} directly before each.
Each of the {s} gets its number in front, {x}.
Write {x} right before the {s}.
Count through the {s}, putting {x} directly in front.
Directly before the {s} stand their numbers: {x}.
Label the {s} in their order with {x}, directly before each one.
Add a counter right in front of each of the {s}: {x}.
The {s} are numbered, {x}, without a space after it.""",
    "Mark": """Put {x} right before each of the {s}.
Each of the {s} begins with {x}.
Prefix every one of the {s} with {x}.
Write {x} directly in front of all the {s}, one by one.
Add {x} to the front of each of the {s}.
Let every one of the {s} start with {x}.
Each of the {s} is preceded directly by {x}.
None of the {s} goes without {x} directly before it.""",
    "Items": """The {r} is made of the {s}, separated by {x}.
Join the {s} with {x}; this is the {r}.
Write the {s} in one row, with {x} between them, as the {r}.
To get the {r}, string the {s} together by {x}.
The {s}, with {x} between one and the next, make up the {r}.
Separate the {s} by {x}; the result is the {r}.
The {r} is what comes of joining the {s} with {x}.
For the {r}, use {x} to separate one of the {s} from the next.""",
    "Default": """A missing {s} counts as {x}.
If no {s} is given, take it to be {x}.
Where the {s} is missing, use {x} as the {s}.
The {s} is {x} when none is given.
Use {x} for the {s} if none is given.
The default of the {s} is {x}, for when none is given.
When the {s} is not given, {x} takes its place.
Without a given {s}, assume {x}.""",
    "Drop": """If no {s} is given, leave it out together with its separator.
A missing {s} is skipped, and no separator stands for it.
With no {s} given, join only the other parts.
Drop the {s} and its separator where it is missing.
If the {s} is missing, neither it nor a separator for it is written.
Leave no gap for a missing {s}; only the given parts are joined.
Where no {s} is given, the other parts are joined as if it did not exist.
When there is no {s}, the line is made of the other parts alone.""",
    "Take": """Of the {s} only the {r} is used.
Take only the {r} from the {s}.
Pick the {r} and leave the other {s} out.
From all the {s}, the {r} is the one that counts.
Use the {r}; the other {s} don't matter.
Drop all the {s} except the {r}.
Only the {r} is wanted of the {s}.
Ignore all {s} but the {r}.""",
    "Count": """The {r} is how many {s} there are, as a digit.
Count the {s}; this number, as a digit, is the {r}.
As the {r} take the number of {s}, as a digit.
How many {s} are given, written as a digit, is the {r}.
The {r} says how many {s} are given, as a digit.
Write the number of {s} as a digit; that is the {r}.
For the {r} count the {s} and write how many there are as a digit.
By {r} we mean the number of given {s}, as a digit.""",
    "Branch": """The {r} is `{a}` if {c} and `{b}` otherwise.
If {c}, the {r} is `{a}`; if not, it is `{b}`.
Use `{a}` as the {r} when {c}, else `{b}`.
Whenever {c}, take `{a}` for the {r}; in all other cases take `{b}`.
Check whether {c}. If so, the {r} is `{a}`, if not, `{b}`.
There are two values of the {r}: `{a}` if {c}, `{b}` if not.
The {r} is `{b}`; only if {c} is it `{a}`.
Normally `{b}` is the {r}, but when {c} it is `{a}`.""",
    "Either": """The {r} is `{a}` if {c}, `{b}` if {d} and `{e}` otherwise; if both hold, `{x}` wins.
If {c}, the {r} is `{a}`; if {d}, it is `{b}`; with both, it is `{x}`; with neither, `{e}`.
As the {r} take `{a}` when {c}, `{b}` when {d}, `{x}` when both are true and `{e}` when neither is.
The {r} is `{a}` when {c} and `{b}` when {d}, where `{x}` has precedence; in other cases it is `{e}`.
Check two things. If {c}, the {r} is `{a}`. If {d}, it is `{b}`. If both are so, it is `{x}`; if neither is, `{e}`.
The {r} is `{e}` unless one of two things holds: it is `{a}` if {c} and `{b}` if {d}. If both hold, use `{x}`.
Three values are possible for the {r}: `{a}` if {c}; `{b}` if {d}; `{e}` if neither. Should both be true, it is `{x}`.
Normally the {r} is `{e}`. When {c}, it is `{a}`; when {d}, `{b}`; where both apply, `{x}` is right.""",
    "Except": """If {c}, ignore all this and answer {x}.
One exception: when {c}, the whole answer is {x}.
The other rules don't apply when {c}; the answer is then {x}.
Answer just {x}, whatever else holds, if {c}.
If {c}, the answer is {x} and nothing else, in spite of the other rules.
In one case none of the rest holds: if {c}, answer {x} alone.
Before all else, see whether {c}; if so, the whole answer is {x}.
Should it be that {c}, then {x} alone replaces everything.""",
    "Join": """The line is {r}, in this order, joined by {x}.
Join {r} in this order with {x}; this is the line.
Make one line of {r}, in that order, with {x} between them.
The line has {s} parts in this order, separated by {x}: {r}.
Write {r} one after the other, with {x} between them; this is the line.
The line consists of {r}, in this order, with {x} in between.
Put {x} between {r}, keeping this order; that gives the line.
With {x} as separator, {r} make up the line in this order.""",
    "Fill": """The line follows the pattern {x}.
Fill in {x} to get the line.
Write the line as {x}, with the values for the names in `<>`.
Put the values into {x}; this is the line.
The line has the form {x}, each name in `<>` replaced by its value.
Replace the names in `<>` by their values: {x}. This is the line.
Take {x} and put each value where its name stands in `<>`; this is the line.
Our template of the line is {x}.""",
    "If": """If {c}, {w}.
Where {c}, {w}.
Only if {c}: {w}.
{W}. This holds only if {c}.
When {c}, {w}; otherwise skip this rule.
First see whether {c}. If so, {w}.
Do this only when {c}: {w}.
The following is done only if {c}: {w}.""",
    "Unless": """Unless {c}, {w}.
Except when {c}, {w}.
Always do this, unless {c}: {w}.
{W}. This does not hold if {c}.
When {c}, skip this rule; otherwise {w}.
First see whether {c}. If not, {w}.
Do this, but not when {c}: {w}.
The following is done always, but not if {c}: {w}.""",
    "Others": """Any other {s} has the {r} `{x}`.
For every other {s} the {r} is `{x}`.
All others have the {r} `{x}`.
If it is another {s}, the {r} is `{x}`.
`{x}` is the {r} of each {s} that is not named here.
Every {s} beyond these has the {r} `{x}`.
In any other case the {r} is `{x}`.
Otherwise take `{x}` as the {r}.""",
    "Only": """Output only the {x}.
Answer with the {x} and nothing else.
Reply with the {x} alone.
The answer is just the {x}.
Give the {x} and nothing besides.
Return just the {x}.
No explanation is wanted, only the {x}.
Write nothing but the {x}.""",
}

TOPICS = {  # what a record describes, and the fields that it may have
    "deployment": "service environment size date owner regions note",
    "ticket": "title severity component reporter age created tags",
    "build": "branch result duration project author started labels",
    "release": "package stage date author platforms summary score",
    "alert": "host level load start assignee tags reason",
    "file": "folder language size author created labels title",
    "user": "team plan age start owner roles",
    "test": "module result duration author date tags note",
    "query": "table engine duration owner started columns summary",
    "job": "tool status priority start owner hosts reason",
    "incident": "service severity duration assignee started regions summary",
    "backup": "project status size date owner hosts note",
    "review": "component scope score reviewer deadline files title",
    "dependency": "package language rank owner date platforms reason",
    "endpoint": "service scope timeout author deadline roles summary",
    "message": "topic channel priority author date labels title",
    "migration": "table engine weight reviewer deadline columns note",
    "feature": "component stage priority owner deadline platforms title",
}
CHOICES = {  # fields with a few values each
    "environment": "production staging test",
    "severity": "low medium high critical",
    "result": "passed failed skipped",
    "stage": "draft beta final",
    "level": "debug warning error fatal",
    "language": "python go rust java",
    "plan": "free team business",
    "engine": "postgres mysql sqlite",
    "status": "open blocked done waiting",
    "scope": "public internal private",
    "channel": "email chat phone",
}
LISTS = {  # fields that hold two to four of these
    "regions": "east west north south paris tokyo oslo lima",
    "tags": "slow flaky urgent visual mobile legacy billing memory",
    "labels": "bug docs chore design wontfix easy network data",
    "platforms": "linux windows macos android web ios freebsd solaris",
    "roles": "admin editor viewer auditor guest operator billing support",
    "columns": "id name email city price total state country",
    "hosts": "alpha bravo delta echo kilo lima sierra tango",
    "files": "main utils config routes models views setup tests",
}
KINDS = {
    **dict.fromkeys(CHOICES, "enum"),
    **dict.fromkeys(LISTS, "list"),
    **dict.fromkeys("size age duration score load priority rank timeout weight".split(), "number"),
    **dict.fromkeys("date created started start deadline".split(), "date"),
    **dict.fromkeys("owner reporter author assignee reviewer".split(), "name"),
    **dict.fromkeys("title note summary reason".split(), "phrase"),
    **dict.fromkeys(
        "service component branch project package host folder team module table tool topic".split(), "word"
    ),
}
SPOKEN = {"created": "creation date", "started": "start date", "start": "start date"}
WORDS = [
    *NOUNS,
    *ANIMALS,
    *"printer scanner engine bridge anchor harbor meadow copper signal marker planner ranger".split(),
]
ADJECTIVES = "slow broken missing new old wrong late empty double hidden unsafe stale".split()
THINGS = "page button link menu form test cache banner header filter chart timer".split()
FIRST = "Ada Ben Cora Dan Eva Finn Gina Hugo Iris Jon Kira Leo Mona Nils Olga Paul Rita Sam Tess Vera".split()
LAST = (
    "Young Moss Frost Lane Park Reed Stone West Hill Banks Cole Dean Fox Grant Hale Marsh Nash Pope Shaw Wood".split()
)
LABELS = (
    "hold ship keep drop watch park fast calm prime spare quiet loud north south solo duo early late deep flat sharp "
    "round plain rapid amber opal onyx pearl cedar maple birch elm tulip lotus comet orbit lunar solar"
).split()
PREFIXES = "app ops svc dev web core edge hub lab kit zen arc box dot fox gem ink jet oak pix".split()


@dataclass(frozen=True)
class Field:
    """A named part of a record; `kind` says what its values are."""

    name: str
    kind: str
    options: tuple[str, ...] = ()

    def draw(self, rng: random.Random) -> Value:
        """A value of this field."""
        if self.kind == "enum":
            return rng.choice(self.options)
        if self.kind == "list":
            return tuple(rng.sample(self.options, rng.choice((2, 3, 3, 4))))
        if self.kind == "number":
            return rng.randint(1, 99)
        if self.kind == "date":
            return f"{rng.randint(2019, 2031)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        if self.kind == "name":
            return f"{rng.choice(FIRST)} {rng.choice(LAST)}"
        if self.kind == "phrase":
            return " ".join((rng.choice(ADJECTIVES), *rng.sample(NOUNS, rng.randint(0, 1)), rng.choice(THINGS)))
        return rng.choice(WORDS)


def field(word: str) -> Field:
    """The field that a topic calls so."""
    return Field(SPOKEN.get(word, word), KINDS[word], tuple((CHOICES | LISTS).get(word, "").split()))


def label(rng: random.Random) -> str:
    """A literal that nobody can guess."""
    return rng.choice((code(rng), code(rng), rng.choice(LABELS), f"{rng.choice(PREFIXES)}{rng.randint(2, 9)}"))


def affix(rng: random.Random, before: bool) -> str:
    """A literal to stand before or after a value; a space may be on its inner side."""
    word = rng.choice((rng.choice(PREFIXES), rng.choice(LABELS), rng.choice(COLOURS)))
    if before:
        return rng.choice(
            (f"{word}-", f"{word}/", f"{word}:", f"{code(rng)} ", f"{word}.", f"{word} ", rng.choice("#@~!$%"))
        )
    return rng.choice(
        (f"-{word}", f"/{word}", f":{word}", f" {code(rng)}", f".{word}", f" {word}", rng.choice("!?;~*%"))
    )


def article(noun: str) -> str:
    """The noun with "a" or "an"."""
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


def show(topic: str, record: Mapping[str, Value], rng: random.Random) -> str:
    """A record as a prompt, in one of sixteen forms; a missing value is left out, or `-` in a table."""
    items = list(record.items())
    if rng.random() < 0.25:
        rng.shuffle(items)
    form = rng.randrange(16)
    if form == 0:
        return json.dumps({k.replace(" ", "_"): v for k, v in items})
    text = {k: ", ".join(v) if isinstance(v, tuple) else "-" if v is None else str(v) for k, v in items}
    if form == 1:
        return " | ".join(text) + "\n" + " | ".join(text.values())
    text = {k: v for k, v in text.items() if record[k] is not None}
    if form == 2:
        return ". ".join(f"{k.capitalize()}: {v}" for k, v in text.items())
    if form == 3:
        return " ".join(f"{k.replace(' ', '_')}=" + (f'"{v}"' if " " in v else v) for k, v in text.items())
    if form == 4:
        return " | ".join(f"{k} {v}" for k, v in text.items())
    if form == 5:
        return "\n".join(f"{k}: [{v}]" if isinstance(record[k], tuple) else f"{k}: {v}" for k, v in text.items())
    if form == 6:
        are = {k: "are" if isinstance(record[k], tuple) else "is" for k in text}
        return " ".join(f"The {k} {are[k]} {v}." for k, v in text.items())
    if form == 7:
        return f"{topic.capitalize()} with " + "; ".join(f"{k} {v}" for k, v in text.items())
    if form == 8:
        return (
            "What do we write for " + article(topic) + " with " + "; ".join(f"{k} {v}" for k, v in text.items()) + "?"
        )
    if form == 9:
        return f"{topic.capitalize()}: " + "; ".join(f"{v} ({k})" for k, v in text.items())
    if form == 10:
        return f"We have {article(topic)}. " + "; ".join(f"{k.capitalize()} = {v}" for k, v in text.items())
    if form == 11:
        return f"{topic.capitalize()}\n" + "\n".join(f"- {k}: {v}" for k, v in text.items())
    if form == 12:
        return f"Here is {article(topic)}: " + ", ".join(f"{k}=[{v}]" for k, v in text.items())
    text = {k.replace(" ", "_"): v if v.isdigit() else f'"{v}"' for k, v in text.items()}
    if form == 13:
        return f"[{topic}]\n" + "\n".join(f"{k} = {v}" for k, v in text.items())
    if form == 14:
        return f"{topic}(" + ", ".join(f"{k}={v}" for k, v in text.items()) + ")"
    return f"<{topic} " + " ".join(f"{k}={v}" for k, v in text.items()) + ">"
