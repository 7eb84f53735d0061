"""Image references: registry host, team folder, version prefix and suffix of a container image."""

import random
import re

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Configuration/Integration"
OPEN = True
HELD_OUT = False
TEAMS = ["core", "ops", "base", "edge", "labs", "prod", "team", "infra"]
SUFFIXES = ("-slim", "-alpine", "-lts", "-full", ".final", "_arm", "-b7", "-x2")
FORMS = (
    "Service: {s}. Version: {v}",
    "{s} {v}",
    "Name the image of {s} at version {v}.",
    "We deploy {s}, version {v}. Which image?",
    "{v} of {s}",
    "Which image holds {s} {v}?",
    "Release {v} of {s} is ready. Its image?",
    "service={s} version={v}",
    "Hi, which image do I pull for version {v} of {s}?",
    "Write the image reference. The service is {s}, and its version is {v}.",
)
REFERENCE = re.compile(r"[a-z]+\.[a-z]+\.[a-z]+/[a-z]+(/[a-z]+)?:(v|r|rel-)?\d\.\d\.\d([-._][a-z0-9]+)?")


def check(answer: str) -> bool:
    return REFERENCE.fullmatch(answer) is not None


def draft(rng: random.Random) -> Draft:
    front, middle, end = (
        rng.choice(("hub", "reg", "img", *COLOURS)),
        rng.choice(ANIMALS),
        rng.choice(("io", "net", "dev")),
    )
    host = f"{front}.{middle}.{end}"
    team = rng.choice((*TEAMS, *COLOURS)) if rng.random() < 0.65 else ""
    team_first = rng.random() < 0.6
    version_prefix = rng.choice(("v", "r", "", "rel-"))
    suffix = rng.choice(SUFFIXES) if rng.random() < 0.6 else ""

    def ask(rng: random.Random) -> Task:
        service = rng.choice(NOUNS)
        version = f"{rng.randint(1, 9)}.{rng.randint(0, 9)}.{rng.randint(0, 9)}"
        folders = [team, service] if team_first else [service, team]
        path = "/".join([host, *filter(None, folders)])
        return Task(rng.choice(FORMS).format(s=service, v=version), f"{path}:{version_prefix}{version}{suffix}")

    folders = (f"{team}/SERVICE" if team_first else f"SERVICE/{team}") if team else "SERVICE"
    parts = "".join(f"{i}. `{part}`\n" for i, part in enumerate(f"{host}/{folders}".split("/"), 1))
    shapes = (
        f"With the service for SERVICE, this comes before the tag:\n\n```\n{host}/{folders}\n```\n",
        f"Join these parts by `/` (SERVICE stands for the service):\n\n{parts}",
    )
    if not team:
        place = (
            f"Start with `{host}/`, then the service.",
            f"The reference begins `{host}/SERVICE`.",
            f"The registry is `{host}`; a `/` and the service come next.",
            f"Images lie on `{host}`, one `/` before the service and no folder between.",
            f"In front of the service stands `{host}/`.",
            *shapes,
            f"The service follows directly on the registry, `{host}/`.",
        )
    elif team_first:
        place = (
            f"Start with `{host}/`, then `{team}/`, then the service.",
            f"The reference begins `{host}/{folders}`.",
            f"The registry is `{host}`. Put `/{team}/` between the registry and the service.",
            f"In the folder `{team}` of the registry `{host}` lies the service, so begin `{host}/{folders}`.",
            f"First the registry `{host}`, next our folder `{team}`, last the service, with `/` between them.",
            *shapes,
            f"The service comes right after `{host}/{team}/`.",
        )
    else:
        place = (
            f"Start with `{host}/`, then the service, then `/{team}`.",
            f"The reference begins `{host}/{folders}`.",
            f"The registry is `{host}`; a `/` and the service follow it. Put `/{team}` behind the service.",
            f"Each service is a folder of the registry `{host}` and holds our `{team}`, so begin `{host}/{folders}`.",
            f"First the registry `{host}`, next the service, last our `{team}`, with `/` between them.",
            *shapes,
            f"The service stands between `{host}/` and `/{team}`.",
        )
    return Draft(
        name=rng.choice(("image-references", "image-names", "container-images", "registry-paths")),
        title=rng.choice(("Image references", "How we name images", "Container images")),
        description=rng.choice(
            (
                "Writes the image reference of a service. Use it when a service and a version are given.",
                "Names the container image of a release. Use for every deployed service.",
            )
        ),
        rules=(
            place,
            (
                f"Then write `:{version_prefix}` and the version.",
                f"The tag follows as `:{version_prefix}VERSION`.",
                f"After `:` the version comes with `{version_prefix}` in front.",
                f"A colon opens the tag, and the tag is `{version_prefix}` with the version joined to it.",
                f"Tags are made of `:`, `{version_prefix}` and the version, in this order and without spaces.",
                f"The tag of version 1.2.3 begins `:{version_prefix}1.2.3`, and other versions are written likewise.",
                f"Add a colon, `{version_prefix}` and the version; no space stands anywhere between them.",
                f"Between the path and the version stands `:{version_prefix}`.",
            )
            if version_prefix
            else (
                "Then write `:` and the plain version.",
                "The tag follows as `:VERSION`.",
                "After `:` the version comes as given.",
                "A colon opens the tag, and the tag starts with the number itself.",
                "Put a colon and the version behind the path, with no letter before the number.",
                "The tag of version 1.2.3 begins `:1.2.3`, and other versions are written likewise.",
                "Add a colon and the version; no letter and no space stands between them.",
                "Between the path and the version stands only `:`.",
            ),
            (
                f"End with `{suffix}`, right behind the version.",
                f"The version is followed by `{suffix}` without a space.",
                f"Append `{suffix}` to the tag.",
                f"Every tag has the suffix `{suffix}` behind its version.",
                f"`{suffix}` is the last part of each reference, joined to the version.",
                f"Tags do not stop at the version: `{suffix}` is joined to it.",
                f"At its end the tag of version 1.2.3 reads `1.2.3{suffix}`.",
                f"Once the version is written, add `{suffix}` and stop.",
            )
            if suffix
            else (
                "Nothing follows the version.",
                "The tag has no suffix.",
                "Stop after the version.",
                "The version is the last part of the reference.",
                "Do not add anything such as `-slim` to the version.",
                "Tags stop at the version: no suffix is joined to it.",
                "At its end the tag of version 1.2.3 reads `1.2.3`.",
                "With the version the reference is complete.",
            ),
            (
                "Output only the reference.",
                "Answer with the reference and nothing else.",
                "Reply with the reference alone.",
                "Nothing but the reference is wanted.",
                "Give the reference and say no more.",
                "Write it as a deployment would read it, with no word around it.",
                "Don't describe the image; name it.",
                "The whole answer is the reference.",
            ),
        ),
        ask=ask,
    )
