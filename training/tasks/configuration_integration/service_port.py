"""Service addresses: the kind of a service and its environment become a host and a port, by maps and a suffix."""

import random
import re

from training.tasks.content import ANIMALS, COLOURS
from training.tasks.wording import Draft, Task, wordings_of

SUBTASK = "Configuration/Integration"
OPEN = True
HELD_OUT = False
KINDS = "database cache queue web search mail metrics proxy storage login".split()
ENVIRONMENTS = "production staging testing development preview".split()
SCHEMES = ("", "", "", "tcp://", "svc://", "net:")
SIGNS = (":", ":", ":", "/", ",", "#")
FORMS = (
    "Kind: {k}. Environment: {e}",
    "{k} in {e}",
    "Where does the {e} {k} listen?",
    "I need the {k} service of {e}.",
    "{e}, {k}",
    "Which address has the {k} in {e}?",
    "Connect to {k} ({e})",
    "kind={k} environment={e}",
    "Hi, how do I reach the {k} service in {e}?",
    "Write the address. The kind of the service is {k}, and it runs in {e}.",
)
ADDRESS = re.compile(r"(tcp://|svc://|net:)?[a-z0-9]+([-._][a-z0-9]+)*[:/,#]\d{4}")
# the pattern of the address, what its parts are, and what the map of kinds and the map of environments hold
SHAPES = (
    ("KIND{j}TAG{s}{p}PORT", "KIND is the kind itself, TAG goes by the environment, PORT by the kind", "port", "tag"),
    (
        "TAG{j}KIND{s}{p}PORT",
        "TAG goes by the environment, KIND is the kind itself, PORT goes by the kind",
        "port",
        "tag",
    ),
    ("NAME{s}{p}PORT", "NAME goes by the kind and PORT by the environment", "name", "port"),
    ("NAME{j}TAG{s}{p}{n}", "NAME goes by the kind and TAG by the environment", "name", "tag"),
    ("TAG{j}NAME{s}{p}{n}", "TAG goes by the environment and NAME by the kind", "name", "tag"),
    ("KIND{j}TAG{s}{p}{n}", "KIND is the kind itself and TAG goes by the environment", "", "tag"),
)


def check(answer: str) -> bool:
    return ADDRESS.fullmatch(answer) is not None


def _values(kind: str, count: int, rng: random.Random) -> list[str]:
    if kind == "port":
        return [str(port) for port in rng.sample(range(1100, 9900), count)]
    if kind == "name":
        return [f"{animal}{rng.choice(('', '', rng.randint(1, 9)))}" for animal in rng.sample(ANIMALS, count)]
    letters = rng.sample("bcdfghkmnprtvwxz", count)
    return rng.choice(([f"{letter}{rng.randint(1, 99)}" for letter in letters], rng.sample(COLOURS, count)))


def draft(rng: random.Random) -> Draft:
    shape, meaning, of_kind, of_environment = rng.choice(SHAPES)
    kinds, environments = rng.sample(KINDS, 3), rng.sample(ENVIRONMENTS, rng.choice((2, 3)))
    by_kind = dict(zip(kinds, _values(of_kind or "name", 3, rng), strict=True))
    by_environment = dict(zip(environments, _values(of_environment, len(environments), rng), strict=True))
    suffix = rng.choice(
        (".corp", ".lan", ".internal", ".svc", "", f".{rng.choice(ANIMALS)}.net", f".{rng.choice(COLOURS)}.io")
    )
    scheme, sign = rng.choice(SCHEMES), rng.choice(SIGNS)
    pattern = scheme + shape.format(j=rng.choice("-._"), s=suffix, p=sign, n=rng.randint(1100, 9900))
    special = rng.choice((*kinds, "", "", "")) if suffix else ""
    other = rng.choice([s for s in (".vault", ".deep", ".zone", ".old", ".priv") if s != suffix])

    def ask(rng: random.Random) -> Task:
        kind, environment = rng.choice(kinds), rng.choice(environments)
        address = pattern.replace(f"{suffix}{sign}", f"{other}{sign}") if kind == special else pattern
        address = address.replace("KIND", kind).replace(of_environment.upper(), by_environment[environment])
        address = address.replace(of_kind.upper(), by_kind[kind]) if of_kind else address
        return Task(rng.choice(FORMS).format(k=kind, e=environment), address)

    rules = [
        (
            f"The address is `{pattern}`: {meaning}.",
            f"Write `{pattern}`, where {meaning}.",
            f"An address has the form `{pattern}`, in which {meaning}.",
            f"Addresses follow the pattern `{pattern}` ({meaning}).",
            f"Replace the capital words of `{pattern}` and keep all the rest: {meaning}.",
            f"`{pattern}` is what every address looks like. In it, {meaning}.",
            f"This is the shape of an address; {meaning}:\n\n```\n{pattern}\n```\n",
            f"In the pattern `{pattern}` fill in the parts: {meaning}.",
        ),
        wordings_of(by_environment, "environment", of_environment, f"{{key}} has the {of_environment} `{{value}}`"),
    ]
    if of_kind:
        rules.append(wordings_of(by_kind, "kind", of_kind, f"{{key}} has the {of_kind} `{{value}}`"))
    if special:
        rules.append(
            (
                f"Only for {special}, write `{other}` instead of `{suffix}`.",
                f"The kind {special} is an exception, with `{other}` in place of `{suffix}`.",
                f"If the kind is {special}, `{suffix}` is replaced by `{other}`.",
                f"A {special} service has `{other}` where the others have `{suffix}`.",
                f"Swap `{suffix}` for `{other}` when the kind is {special}, and only then.",
                f"`{suffix}` is right for every kind but {special}, whose addresses have `{other}` at that place.",
                f"One kind lies elsewhere:\n\n| kind | part of the address |\n|---|---|\n| {special} | `{other}` |\n"
                f"| any other | `{suffix}` |\n",
                f"Instead of `{suffix}`, addresses of the kind {special} use `{other}`.",
            )
        )
    rules.append(
        (
            "Output only the address.",
            "Answer with the address and nothing else.",
            "Reply with the address alone.",
            "Give the address without any comment.",
            "Write it as a client would be given it, with no word around it.",
            "Don't say what runs there.",
            "One address on one line is wanted.",
            "The whole answer is the address.",
        )
    )
    return Draft(
        name=rng.choice(("service-ports", "service-addresses", "hosts-and-ports", "where-services-listen")),
        title=rng.choice(("Service addresses", "Hosts and ports", "Where services listen")),
        description=rng.choice(
            (
                "Gives the address of a service. Use it when a kind of service and an environment are named.",
                "Hosts and ports of our services. Use for every connection.",
                "Tells where a service of an environment is reached.",
            )
        ),
        rules=tuple(rules),
        ask=ask,
    )
