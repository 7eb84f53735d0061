"""Search queries: a wish becomes an expression in one team's syntax of fields, quotes and excluded words."""

import itertools
import random
import re

from training.tasks.content import ANIMALS, NOUNS, code
from training.tasks.wording import Draft, Task

SUBTASK = "Diagnosis/Search"
OPEN = True
HELD_OUT = False
PHRASES = (
    "disk full,login failed,slow query,broken link,bad gateway,lost packet,wrong total,empty page,stale data,dead lock,"
    "memory leak,missing key,late reply,old schema,double charge,blank screen,lost update,high load"
).split(",")
UNWANTED = "test draft demo debug staging beta internal duplicate closed sandbox archive manual".split()
FIELDS = "in svc app part from unit area module where mod of comp src repo zone".split()
SIGNS = (":", ":", "=", "~", ":=", "@")
QUOTES = ('"X"', "'X'", "{X}", "(X)", "/X/", "<X>", "text:(X)", '+"X"', "has[X]")
EXCLUSIONS = ("-X", "!X", "NOT X", "~X", "no:X", "not(X)", "-[X]", "^X")
TAGS = "team label queue owner board kind".split()
FORMS = (
    ("Find {phrase} in {noun}", ", but not {word}"),
    ("Phrase: {phrase}. Service: {noun}.", " Exclude: {word}."),
    ("I want reports on {phrase} in the {noun} service", " without the word {word}"),
    ("{noun}: {phrase}", ", not {word}"),
    ("Search {noun} for {phrase}", " and leave out {word}"),
    ("How do I look for {phrase} in {noun}", " when {word} is unwanted"),
    ("phrase={phrase} service={noun}", " exclude={word}"),
    ("{phrase}, {noun}", ", without {word}"),
    ("Can you get me everything about {phrase} in {noun}?", " Please skip {word}."),
    ("In {noun} we look for {phrase}", ", but {word} should not be in it"),
    ("Write the query for reports of {noun} that mention {phrase}", " but not {word}"),
)
FORM = re.compile(r"""[-!~^+\w:=@."'{}()/<>\[\]]+( [-!~^+\w:=@."'{}()/<>\[\]]+){2,5}""")


def check(answer: str) -> bool:
    """Whether this is one line of terms with a field and a phrase that is enclosed."""
    enclosed = any(re.search(re.escape(q).replace("X", "[a-z]+ [a-z]+"), answer) for q in QUOTES)
    return FORM.fullmatch(answer) is not None and enclosed and re.search(r"\w(:=|[:=~@])\w", answer) is not None


def draft(rng: random.Random) -> Draft:
    """Draw one syntax of queries."""
    field = rng.choice((rng.choice(FIELDS), rng.choice(ANIMALS))) + rng.choice(SIGNS)
    quote, exclusion = rng.choice(QUOTES), rng.choice(EXCLUSIONS)
    order = rng.choice(list(itertools.permutations(("phrase", "service", "excluded word"))))
    tag = f"{rng.choice(TAGS)}:{code(rng)}" if rng.random() < 0.5 else ""
    tag_first = rng.random() < 0.5

    def ask(rng: random.Random) -> Task:
        phrase, noun, word = rng.choice(PHRASES), rng.choice(NOUNS), rng.choice(UNWANTED)
        wish, unwanted = rng.choice(FORMS)
        terms = {"phrase": quote.replace("X", phrase), "service": field + noun}
        if rng.random() < 0.75:
            wish += unwanted
            terms["excluded word"] = exclusion.replace("X", word)
        written = [terms[part] for part in order if part in terms]
        if tag:
            written.insert(0 if tag_first else len(written), tag)
        return Task(wish.format(phrase=phrase, noun=noun, word=word), " ".join(written))

    place, last, side = ("first", "opens", "before") if tag_first else ("last", "ends", "behind")
    whole = f"{tag} TERMS" if tag_first else f"TERMS {tag}"
    rules = [
        (
            f"The service is given as `{field}NAME`.",
            f"Write `{field}` directly before the name of the service.",
            f"Services have the field `{field}`, so `abc` becomes `{field}abc`.",
            f"To restrict a query to the service `abc`, say `{field}abc`.",
            f"A service is named right after `{field}`, without a space.",
            f"Take the name of the service and glue it to `{field}`, so that the two make one word: `{field}NAME`.",
            "How a service is written:\n\n| service | term |\n|---|---|\n"
            f"| abc | `{field}abc` |\n| xyz | `{field}xyz` |\n",
            f"`{field}` is put in front of the service.",
        ),
        (
            f"The phrase X is written `{quote}`.",
            f"Enclose the phrase like this: `{quote.replace('X', 'two words')}`.",
            f"Searching for the phrase `two words` takes `{quote.replace('X', 'two words')}`.",
            f"For a phrase X put `{quote}`.",
            f"`{quote}` is how a phrase X looks in a query.",
            f"Copy the words of the phrase and mark them as one: the phrase X turns into `{quote}`.",
            f"This is the term for the phrase `two words`:\n\n```\n{quote.replace('X', 'two words')}\n```\n",
            f"A phrase becomes `{quote}`, with the phrase in place of X.",
        ),
        (
            f"An excluded word X is written `{exclusion}`; leave this out if none is excluded.",
            f"To exclude the word `abc` write `{exclusion.replace('X', 'abc')}`, and nothing if there is no such word.",
            f"If a word X is unwanted, the query has `{exclusion}`.",
            f"Unwanted words appear as `{exclusion.replace('X', 'abc')}` for `abc`, only when the wish has one.",
            f"Where the wish rules out a word X, add `{exclusion}`.",
            "Is a word excluded?\n\n| wish | term |\n|---|---|\n"
            f"| without abc | `{exclusion.replace('X', 'abc')}` |\n| no word ruled out | none |\n",
            f"Only if a word X has to stay out, the query has one more term for it: `{exclusion}`.",
            f"`{exclusion}` keeps a word X out; without such a wish it is missing.",
        ),
        (
            f"Order the terms: {', '.join(order)}, with one space between them.",
            f"The {order[0]} comes before the {order[1]}, then the {order[2]}, parted by single spaces.",
            f"Put the {order[0]} first, the {order[1]} second and the {order[2]} third, each after one space.",
            f"Terms are separated by one space and follow the order {order[0]}, {order[1]}, {order[2]}.",
            f"After the {order[0]} there is the {order[1]}, and after that the {order[2]}; spaces part them.",
            f"The terms, one space apart, come like this:\n\n1. {order[0]}\n2. {order[1]}\n3. {order[2]}\n",
            f"Start from the {order[0]}, add the {order[1]} and then the {order[2]}, each behind one space.",
            f"With single spaces between, write {order[0]}, next {order[1]}, finally {order[2]}.",
        ),
    ]
    if tag:
        rules.append(
            (
                f"Every query also has `{tag}`, which stands {place} of all.",
                f"Always add `{tag}` as the very {place} term.",
                f"`{tag}` {last} each query, a space apart from the other terms.",
                f"The fixed term `{tag}` belongs in all queries, {place} in the line.",
                f"Whatever the wish, the {place} term of the whole query is `{tag}`.",
                f"Add one term that nobody asks for, `{tag}`, and put it {place}, {side} all the others.",
                f"With TERMS for everything else, a whole query has this shape:\n\n```\n{whole}\n```\n",
                f"No query goes without `{tag}`; it {last} the line.",
            )
        )
    rules.append(
        (
            "Output only the query.",
            "Answer with the query on one line.",
            "Reply with the search expression alone.",
            "Give the query and no explanation.",
            "Nothing but the finished query is written.",
            "Don't explain the query and don't repeat the wish.",
            "One line is all we need: the query, ready to be pasted.",
            "Leave out everything that is not part of the query.",
        )
    )
    return Draft(
        name=rng.choice(("search-queries", "query-syntax", "write-a-query", "issue-search")),
        title=rng.choice(("Search queries", "Query syntax", "How to search our tracker")),
        description=rng.choice(
            (
                "Writes a search query in our syntax. Use it when someone says what to look for.",
                "Turns a wish into a query for our tracker. Use for every search.",
                "The query syntax of our search. Use when something has to be found.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
