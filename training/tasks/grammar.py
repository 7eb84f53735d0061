"""Skills composed from primitive steps: the number of rule structures has no end.

A program turns a record of named fields into one short line. Its steps first make the parts (each step changes a value
or makes a new one from it), then join them, then treat the line as a whole. Each step says itself in several
wordings; the answer is computed by running the program, never from the text.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from training.tasks import grammar_words as words
from training.tasks.grammar_words import Field, Value
from training.tasks.wording import Draft, Task, kept_wordings, wordings_of

KEPT = frozenset(  # combinations kept from training: the second step works on what the first one gives
    {
        ("Count", "Compare"),
        ("Map", "Given Wrap"),
        ("Sort", "Take"),
        ("Default", "Case"),
        ("Bump", "Pad"),
        ("Cut", "Quote"),
    }
)
LENGTHS = {1: 15, 2: 20, 3: 40, 4: 12, 5: 8, 6: 5}  # how many steps, and of how many programs in a hundred
RESULTS = "code mark badge lane grade sign slot".split()
LINE = "line"
SINGLE = "word phrase name enum number date".split()  # kinds of fields that hold one value
CASES = {
    "in upper case": str.upper,
    "in lower case": str.lower,
    "with a capital first letter": lambda s: s[:1].upper() + s[1:],
    "with a capital at the start of each word": str.title,
}
PARTS = {
    "first word": lambda s: s.split()[0],
    "last word": lambda s: s.split()[-1],
    "first two letters": lambda s: s[:2],
    "first three letters": lambda s: s[:3],
    "first four letters": lambda s: s[:4],
    "last two letters": lambda s: s[-2:],
    "last three letters": lambda s: s[-3:],
}
NAMES = {
    "last name, a comma, a space and then the first name": lambda a, b: f"{b}, {a}",
    "two initials without dots": lambda a, b: a[0] + b[0],
    "first initial with a dot, a space and the last name": lambda a, b: f"{a[0]}. {b}",
    "last name and first name joined by `_`": lambda a, b: f"{b}_{a}",
    "first name followed by the last initial, without a space": lambda a, b: a + b[0],
}
QUOTES = {"double quotes": '""', "single quotes": "''", "round brackets": "()", "square brackets": "[]"}
DATES = (
    "DD/MM/YYYY",
    "MM/DD/YYYY",
    "DD.MM.YYYY",
    "DD.MM",
    "DD/MM",
    "MM/DD",
    "MM-DD",
    "MM/YYYY",
    "YYYY/MM",
    "YYYY_MM_DD",
)
SEPARATORS = ("-", "/", ":", "_", "+", "@", "#", "=", "~", ".", "::", "->", " ", ", ", "; ", " | ", " / ")
SPOKEN = {" ": "one space", ", ": "a comma and a space", "; ": "a semicolon and a space"}


def _spoken(literal: str) -> str:
    """A literal as a rule names it, with its outer spaces in words."""
    if literal in SPOKEN:
        return SPOKEN[literal]
    before, after, said = literal[0] == " ", literal[-1] == " ", f"`{literal.strip()}`"
    if before and after:
        return f"{said} (a space on both sides)"
    return f"a space and {said}" if before else f"{said} and a space" if after else said


@dataclass
class Context:
    """What the steps of a program that is being drawn have to know of each other."""

    rng: random.Random
    fields: dict[str, Field]
    taken: set[str]  # names and literals in use
    changed: set[str] = field(default_factory=set)  # fields that aren't as given any more
    tested: set[str] = field(default_factory=set)  # fields that a condition looks at
    optional: set[str] = field(default_factory=set)  # fields that may be missing

    def fresh(self, draw: Callable[[], str]) -> str:
        """Draw until the result is not in use yet."""
        while (drawn := draw()) in self.taken:
            pass
        self.taken.add(drawn)
        return drawn

    def label(self) -> str:
        return self.fresh(lambda: words.label(self.rng))

    def name(self) -> str:
        return self.fresh(lambda: self.rng.choice(RESULTS))

    def untouched(self, kinds: Sequence[str]) -> Field:
        """A field that no step has to do with yet in a way that matters to conditions; LookupError if there is none."""
        touched = self.changed | self.optional | self.tested
        free = [f for f in self.fields.values() if f.kind in kinds and f.name not in touched]
        if not free:
            raise LookupError(kinds)
        return self.rng.choice(free)

    def condition(self) -> "Condition":
        chosen = self.untouched(("enum", "number", "list"))
        self.tested.add(chosen.name)
        limit = str(self.rng.randrange(20, 81, 5))
        return Condition(chosen.name, chosen.kind, self.rng.choice(chosen.options) if chosen.options else limit)


@dataclass(frozen=True)
class Condition:
    """Something that is true of a record or not; `kind` is that of the field, or "missing"."""

    name: str
    kind: str
    value: str = ""

    def holds(self, values: Mapping[str, Value]) -> bool:
        given = values[self.name]
        if self.kind == "missing":
            return given is None
        if self.kind == "number":
            return given >= int(self.value)
        return self.value in given if self.kind == "list" else given == self.value

    def say(self) -> str:
        if self.kind == "missing":
            return f"no {self.name} is given"
        if self.kind == "number":
            return f"the {self.name} is {self.value} or more"
        return f"the {self.name} {'include' if self.kind == 'list' else 'is'} `{self.value}`"


@dataclass(frozen=True)
class Step:
    """A primitive: reads the value called `source` and gives the value called `result`, often the same one."""

    source: str
    result: str
    choice: str = ""  # the one thing that is drawn, in most steps
    choices = ("",)
    missing = False  # whether it also works where the source is missing

    @classmethod
    def draw(cls, source: str, kind: str, context: Context) -> "Step":
        return cls(source, source, context.rng.choice(cls.choices))

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.source,)

    @property
    def label(self) -> str:
        """What structures and combinations call this step."""
        return type(self).__name__

    def apply(self, values: Mapping[str, Value]) -> Value:
        return self.change(values[self.source])

    def change(self, value: Value) -> Value:
        return value

    def say(self) -> tuple[str, ...]:
        """Wordings of the rule, each complete; the last one or two are kept from training."""
        return self.worded(x=self.choice)

    def worded(self, wordings: str = "", **more: str) -> tuple[str, ...]:
        said = words.WORDINGS[wordings or type(self).__name__].split("\n")
        return tuple(w.format(**{"s": self.source, "r": self.result} | more) for w in said)


class Literal(Step):
    """A step whose choice stands in the text between backticks."""

    def say(self):
        return self.worded(x=_spoken(self.choice))


class Case(Step):
    @classmethod
    def draw(cls, source, kind, context):
        upper, lower, capital, title = CASES
        choices = {"phrase": (upper, capital, title), "name": (upper, lower), "line": (upper, upper, lower)}
        return cls(source, source, context.rng.choice(choices.get(kind, (upper, capital))))

    def change(self, value):
        return CASES[self.choice](value)


class Cut(Step):
    @classmethod
    def draw(cls, source, kind, context):
        return cls(source, source, context.rng.choice(list(PARTS)[:2] if kind == "phrase" else list(PARTS)[2:]))

    def change(self, value):
        return PARTS[self.choice](value)


class Spaces(Literal):
    choices = tuple("_-.+/~")

    def change(self, value):
        return value.replace(" ", self.choice)


class Name(Step):
    choices = tuple(NAMES)

    def change(self, value):
        return NAMES[self.choice](*value.split())


@dataclass(frozen=True)
class Wrap(Literal):
    """A literal before or after the value."""

    before: bool = True

    @classmethod
    def draw(cls, source, kind, context):
        before = context.rng.random() < 0.55
        return cls(source, source, context.fresh(lambda: words.affix(context.rng, before)), before)

    def change(self, value):
        return f"{self.choice}{value}" if self.before else f"{value}{self.choice}"

    def say(self):
        return self.worded("Before" if self.before else "After", x=_spoken(self.choice))


class Quote(Step):
    choices = tuple(QUOTES)

    def change(self, value):
        return f"{QUOTES[self.choice][0]}{value}{QUOTES[self.choice][1]}"


class Pad(Step):
    choices = ("three", "four")

    def change(self, value):
        return str(value).zfill(self.choices.index(self.choice) + 3)


class Bump(Step):
    choices = ("1", "2", "10")

    @classmethod
    def draw(cls, source, kind, context):
        if source in context.tested:  # before or after the sum?
            raise LookupError(source)
        return super().draw(source, kind, context)

    def change(self, value):
        return value + int(self.choice)


class Day(Literal):
    choices = DATES

    def change(self, value):
        year, month, day = value.split("-")
        return self.choice.replace("DD", day).replace("MM", month).replace("YYYY", year)


class Sort(Step):
    choices = ("a to z", "a to z", "z to a")

    def change(self, value):
        return tuple(sorted(value, reverse=self.choice == "z to a"))


class Reverse(Step):
    def change(self, value):
        return value[::-1]


class Number(Step):
    """A counter before each item."""

    choices = (".", ":", ")", "=", "-")

    def change(self, value):
        return tuple(f"{i}{self.choice}{item}" for i, item in enumerate(value, 1))

    def say(self):
        return self.worded(x=f"`1{self.choice}`, `2{self.choice}` and so on")


class Mark(Literal):
    """A literal before each item."""

    @classmethod
    def draw(cls, source, kind, context):
        rng = context.rng
        return cls(
            source, source, context.fresh(lambda: rng.choice(words.PREFIXES + words.LABELS) + rng.choice("-/:.#"))
        )

    def change(self, value):
        return tuple(self.choice + item for item in value)


class Items(Literal):
    """A list as text."""

    @classmethod
    def draw(cls, source, kind, context):
        return cls(source, f"{source[:-1]} list", context.rng.choice(SEPARATORS))

    def change(self, value):
        return self.choice.join(value)


class Default(Literal):
    missing = True

    @classmethod
    def draw(cls, source, kind, context):
        if source not in context.fields or source in context.tested or len(context.fields) < 2:
            raise LookupError(source)
        context.optional.add(source)
        return cls(source, source, context.fields[source].draw(context.rng))

    def change(self, value):
        return self.choice if value is None else value


class Drop(Step):
    """Says what `Join` does with a missing part."""

    missing = True


class Take(Step):
    choices = ("first", "second", "last")

    @classmethod
    def draw(cls, source, kind, context):
        if source in context.tested:  # do the items that are dropped count?
            raise LookupError(source)
        context.changed.add(source)
        place = context.rng.choice(cls.choices)
        return cls(source, f"{place} {source[:-1]}", place)

    def change(self, value):
        return value[{"first": 0, "second": 1, "last": -1}[self.choice]]


class Count(Step):
    @classmethod
    def draw(cls, source, kind, context):
        return cls(source, f"{source[:-1]} count")

    def change(self, value):
        return len(value)


@dataclass(frozen=True)
class Map(Step):
    """A literal for each key, or for some keys and, as the choice, one for all others."""

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def draw(cls, source, kind, context):
        keys = list(context.fields[source].options)
        context.rng.shuffle(keys)
        other = context.label() if context.rng.random() < 0.3 else ""
        pairs = tuple((key, context.label()) for key in keys[: 2 if other else 4])
        return cls(source, context.name(), other, pairs)

    def change(self, value):
        return dict(self.pairs).get(value, self.choice)

    def say(self):
        s, r = self.source, self.result
        said = wordings_of(dict(self.pairs), s, r, f"the {r} of the {s} {{key}} is `{{value}}`")
        if not self.choice:
            return said
        *rest, kept = self.worded("Others", x=self.choice)
        trained = len(said) - kept_wordings(said)
        rest = [rest[i % len(rest)] if i < trained else kept for i in range(len(said))]
        return tuple(f"{w}\n{r}" if w.endswith("\n") else f"{w} {r}" for w, r in zip(said, rest, strict=True))


@dataclass(frozen=True)
class Compare(Step):
    """A label for a number, by one or two limits."""

    limits: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()

    @classmethod
    def draw(cls, source, kind, context):
        low = context.rng.choice((3, 4)) if kind == "count" else context.rng.randrange(10, 61, 5)
        limits = (low,) if kind == "count" else (low, low + context.rng.choice((10, 20, 30)))
        limits = limits[: context.rng.choice((1, 1, 2))]
        return cls(source, context.name(), "", limits, tuple(context.label() for _ in (0, *limits)))

    def change(self, value):
        return self.labels[sum(value >= limit for limit in self.limits)]

    def say(self):
        s, r, low, high = self.source, self.result, self.limits[0], self.limits[-1]
        ranges = [f"below {low}", *([f"from {low} to {high - 1}"] if low != high else []), f"from {high} up"]
        bands = list(zip(ranges, self.labels, strict=True))
        rest = "; ".join(f"{where} it is `{what}`" for where, what in bands[1:])
        return (
            f"The {r} depends on the {s}: " + ", ".join(f"`{what}` {where}" for where, what in bands) + ".",
            f"For {words.article(s)} {ranges[0]} the {r} is `{self.labels[0]}`; {rest}.",
            f"Read the {r} off the {s}: " + ", ".join(f"{where} -> `{what}`" for where, what in bands) + ".",
            f"Choose the {r} by the {s}:\n\n" + "\n".join(f"- {where}: `{what}`" for where, what in bands) + "\n",
            " ".join(f"`{what}` is the {r} where the {s} is {where}." for where, what in bands),
            f"What the {r} is follows from the {s}: " + "; ".join(f"{where}, `{what}`" for where, what in bands) + ".",
            f"The {s} sets the {r}.\n\n```\n" + "\n".join(f"{where} = {what}" for where, what in bands) + "\n```\n",
            f"| {s} | {r} |\n|---|---|\n" + "\n".join(f"| {where} | `{what}` |" for where, what in bands) + "\n",
        )


@dataclass(frozen=True)
class Branch(Step):
    """One of two labels, by one condition, or of three, by two of which one wins where both hold."""

    conditions: tuple[Condition, ...] = ()
    labels: tuple[str, ...] = ()
    winner: int = 0

    @classmethod
    def draw(cls, source, kind, context):
        context.tested.add(source)
        conditions = [Condition(source, kind, context.rng.choice(context.fields[source].options))]
        if cls is Either:
            conditions.append(context.condition())
        labels = tuple(context.label() for _ in (0, *conditions))
        return cls(source, context.name(), "", tuple(conditions), labels, context.rng.randrange(len(conditions)))

    @property
    def label(self):
        return " ".join((type(self).__name__, *(c.kind for c in self.conditions[1:])))

    def apply(self, values):
        held = [condition.holds(values) for condition in self.conditions]
        return self.labels[self.winner if all(held) else held.index(True) if any(held) else -1]

    def say(self):
        told = dict(zip("cd", (c.say() for c in self.conditions), strict=False))
        return self.worded(**told, **dict(zip("abe", self.labels, strict=False)), x=self.labels[self.winner])


class Either(Branch):
    """A branch by two conditions."""


@dataclass(frozen=True)
class Given(Step):
    """Another step that is done only if a condition holds, or unless it does."""

    step: Step = None
    condition: Condition = None

    @classmethod
    def draw(cls, source, kind, context):
        condition = context.condition()
        inner = context.rng.choice([c for c in GROWS[kind] if c in CONDITIONAL]).draw(source, kind, context)
        return cls(source, source, context.rng.choice(("If", "Unless")), inner, condition)

    @property
    def label(self):
        return f"Given {self.step.label}"

    def apply(self, values):
        done = self.condition.holds(values) == (self.choice == "If")
        return self.step.apply(values) if done else values[self.source]

    def say(self):
        c, said = self.condition.say(), [w.rstrip(".") for w in self.step.say()]
        frames = words.WORDINGS[self.choice].split("\n")
        return tuple(f.format(W=w, w=w[0].lower() + w[1:], c=c) for f, w in zip(frames, said, strict=True))


@dataclass(frozen=True)
class Except(Literal):
    """A literal in place of everything else, if a condition holds."""

    condition: Condition = None
    missing = True

    @classmethod
    def draw(cls, source, kind, context):
        if context.rng.random() < 0.3 and len(context.fields) > 1:
            condition = Condition(context.untouched(SINGLE).name, "missing")
            context.optional.add(condition.name)
        else:
            condition = context.condition()
        return cls(source, source, context.label(), condition)

    @property
    def label(self):
        return f"Except {self.condition.kind}"

    def apply(self, values):
        return self.choice if self.condition.holds(values) else values[self.source]

    def say(self):
        return self.worded(x=_spoken(self.choice), c=self.condition.say())


@dataclass(frozen=True)
class Join(Literal):
    """The line from its parts; a missing part and its separator are left out."""

    parts: tuple[str, ...] = ()
    missing = True

    @classmethod
    def of(cls, parts: tuple[str, ...], context: Context) -> "Join":
        return cls(parts[0], LINE, context.rng.choice(SEPARATORS), parts)

    @property
    def reads(self):
        return self.parts

    def apply(self, values):
        return self.choice.join(str(values[p]) for p in self.parts if values.get(p) is not None)

    def say(self):
        names = ", ".join(f"the {p}" for p in self.parts[:-1]) + f" and the {self.parts[-1]}"
        return self.worded(x=_spoken(self.choice), r=names, s=("two", "three")[len(self.parts) - 2])


class Fill(Join):
    """The line from a pattern with `<name>` for each part."""

    missing = False

    @classmethod
    def of(cls, parts, context):
        rng = context.rng
        lead = context.fresh(lambda: words.affix(rng, True)) if rng.random() < 0.6 else ""
        signs = [rng.choice((*SEPARATORS, f" {rng.choice(words.PREFIXES)} ")) for _ in parts[1:]]
        return cls(parts[0], LINE, f"{lead}<{parts[0]}>" + "".join(map("{}<{}>".format, signs, parts[1:])), parts)

    def apply(self, values):
        line = self.choice
        for part in self.parts:
            line = line.replace(f"<{part}>", str(values[part]))
        return line


# from the kind of a value to the steps that may come next, with the kind that they give
FINISH = {Wrap: "done", Quote: "done", Given: "done"}
GROWS: dict[str, dict[type[Step], str]] = {
    "word": {Default: "word", Cut: "short", Case: "text", **FINISH},
    "phrase": {Cut: "short", Spaces: "short", Case: "text", **FINISH},
    "name": {Default: "name", Name: "text", Case: "text", **FINISH},
    "short": {Case: "text", **FINISH},
    "text": FINISH,
    "enum": {Default: "enum", Map: "text", Branch: "text", Either: "text", Case: "text", Wrap: "done"},
    "number": {Compare: "text", Bump: "raised", Pad: "text", **FINISH},
    "raised": {Pad: "text", **FINISH},
    "date": {Day: "text", **FINISH},
    "list": {Sort: "sorted", Reverse: "ordered", Given: "ordered", Number: "marked", Mark: "marked"}
    | {Take: "word", Count: "count", Items: "text", Branch: "text"},
    "sorted": {Take: "word", Items: "text", Number: "marked", Mark: "marked"},
    "ordered": {Items: "text", Number: "marked", Mark: "marked"},
    "marked": {Items: "text"},
    "count": {Compare: "text", **FINISH},
    "line": {Case: "text", **FINISH},
    "done": {},
}
WEIGHTS = {
    Map: 8,
    Compare: 4,
    Either: 12,
    Branch: 3,
    Default: 2,
    Given: 2,
    Sort: 3,
    Reverse: 2,
    Take: 2,
    Quote: 0.7,
}  # of the others 1
UNFINISHED = ("list", "sorted", "ordered", "marked")
CONDITIONAL = (Case, Cut, Spaces, Wrap, Quote, Pad, Sort, Reverse)


@dataclass(frozen=True)
class Program:
    """A record's fields and the steps from such a record to one line, the value called `result`."""

    topic: str
    fields: tuple[Field, ...]
    optional: frozenset[str]
    steps: tuple[Step, ...]
    result: str

    def record(self, rng: random.Random) -> dict[str, Value]:
        drawn = {f.name: f.draw(rng) for f in self.fields}
        absent = [f.name for f in self.fields if f.name in self.optional and rng.random() < 0.4]
        return drawn | dict.fromkeys(absent[:1])

    def answer(self, record: Mapping[str, Value]) -> str:
        values = dict(record)
        for step in self.steps:
            known = step.missing or all(values[name] is not None for name in step.reads)
            values[step.result] = step.apply(values) if known else None
        return str(values[self.result])

    def structure(self) -> str:
        """The kinds of fields and steps and what goes into which, without names and literals."""
        kinds = {f.name: f.kind for f in self.fields}
        steps = []
        for step in self.steps:
            steps.append(f"{step.label}({', '.join(kinds[name] for name in step.reads)})")
            kinds.setdefault(step.result, step.label)
        return f"{' '.join(sorted(f.kind for f in self.fields))}: {' > '.join(steps)}"

    def combinations(self) -> frozenset[tuple[str, str]]:
        """Pairs of steps of which the second works on what the first one gives."""
        writer: dict[str, str] = {}
        found = set()
        for step in self.steps:
            found |= {(writer[name], step.label) for name in step.reads if name in writer}
            writer[step.result] = step.label
        return frozenset(found)


def _grow(source: str, kind: str, steps: int, context: Context) -> tuple[list[Step], str, str]:
    """So many steps on one value, the name of what they give and its kind; LookupError if it can't be."""
    grown: list[Step] = []
    for _ in range(steps):
        options = [c for c in GROWS[kind] if not any(type(s) is c for s in grown)]
        if not options:
            raise LookupError(kind)
        chosen = context.rng.choices(options, weights=[WEIGHTS.get(c, 1) for c in options])[0]
        grown.append(chosen.draw(source, kind, context))
        if grown[-1].result == source and chosen is not Default:
            context.changed.add(source)
        source, kind = grown[-1].result, GROWS[kind][chosen]
    if kind in UNFINISHED:
        raise LookupError(kind)
    return grown, source, kind


def _program(rng: random.Random, length: int) -> Program:
    """A program of so many steps; LookupError if the draws don't fit together."""
    topic = rng.choice(list(words.TOPICS))
    count = rng.choices(
        (1, 2, 3, 4), weights=(2, 4, 3, 1) if length < 3 else (0, 4, 4, 2) if length < 5 else (0, 0, 1, 1)
    )[0]
    fields = [words.field(w) for w in rng.sample(words.TOPICS[topic].split(), count)]
    if count == 1 and fields[0].kind == "enum":
        raise LookupError("too few prompts")
    context = Context(rng, {f.name: f for f in fields}, taken={topic, *(f.name for f in fields)})
    joins = count > 1 and rng.random() < (0.2 if length == 1 else 0.6 if length < 4 else 0.95)
    after = rng.choice((0, 0, 1, 2) if joins and length < 5 else (1, 2) if joins else (0, 1)) if length > 1 else 0
    before = length - joins - after
    slots = rng.sample(fields, min(count, rng.choice((2, 2, 3))) if joins else 1)
    if before < 0 or not (joins or before):
        raise LookupError("no step on a field")
    given = [rng.randrange(len(slots)) for _ in range(before)]
    grown = [_grow(slot.name, slot.kind, given.count(i), context) for i, slot in enumerate(slots)]
    steps, parts = [step for chain in grown for step in chain[0]], tuple(chain[1] for chain in grown)
    result = parts[0]
    if joins:
        way = rng.choice((Join, Join, Fill))
        steps.append(way.of(parts, context))
        result = LINE
        free = [f.name for f in slots if f.name in parts and f.name not in context.tested | context.optional]
        if way is Join and after and free and rng.random() < 0.3:
            steps.append(Drop.draw(rng.choice(free), "", context))
            context.optional.add(steps[-1].source)
            after -= 1
        if after and (after == 2 or rng.random() < 0.6):
            steps += _grow(LINE, "line", 1, context)[0]
            after -= 1
    if after:
        steps.append(Except.draw(result, "", context))
    steps.sort(key=lambda step: not isinstance(step, Default))
    return Program(topic, tuple(fields), frozenset(context.optional), tuple(steps), result)


def draw(rng: random.Random, kept: bool = False) -> Program:
    """A program of one to six steps, mostly few; with `kept` one with a combination that is kept from training."""
    length = rng.choices(list(LENGTHS), weights=list(LENGTHS.values()))[0]
    while True:
        try:
            program = _program(rng, max(length, 1 + kept))
        except LookupError:
            continue
        if kept == bool(program.combinations() & KEPT):
            return program


def draft(rng: random.Random, kept: bool = False) -> Draft:
    """One skill: a program, said as rules."""
    program = draw(rng, kept)
    topic, result = program.topic, program.result
    a_topic = words.article(topic)
    what = f"{result} in this form" if any(f.name == result for f in program.fields) else result

    def ask(rng: random.Random) -> Task:
        record = program.record(rng)
        return Task(words.show(topic, record, rng), program.answer(record))

    return Draft(
        name=rng.choice((f"{topic}-{result}", f"{topic}-notation", f"write-{topic}", f"{topic}-record")).replace(
            " ", "-"
        ),
        title=rng.choice(
            (f"{topic.capitalize()} {result}", f"How we write {a_topic}", f"{topic.capitalize()} notation")
        ),
        description=rng.choice(
            (
                f"Gives the {result} of {a_topic}. Use it when {a_topic} is described.",
                f"How our team writes down {a_topic}.",
                f"Turns the data of {a_topic} into its {result}. Use for every {topic}.",
                f"The {result} for {a_topic}, by our own rules.",
            )
        ),
        rules=(*(s.say() for s in program.steps), Step("", "").worded("Only", x=what)),
        ask=ask,
    )


def check(answer: str) -> bool:
    """Whether an answer is one short line."""
    return 0 < len(answer) < 200 and answer == answer.strip() and "\n" not in answer
