"""Image references: registry host, team folder, version prefix and suffix of a container image."""

import random

from training.tasks.content import ANIMALS, COLOURS, NOUNS
from training.tasks.wording import Draft, Task

SUBTASK = "Configuration/Integration"
TEAMS = ["core", "ops", "base", "edge", "labs", "prod", "team", "infra"]
SUFFIXES = ("-slim", "-alpine", "-lts", "-full", ".final", "_arm", "-b7", "-x2")


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
        return Task(f"Service: {service}. Version: {version}", f"{path}:{version_prefix}{version}{suffix}")

    folders = f"{team}/SERVICE" if team_first else f"SERVICE/{team}"
    if not team:
        place = (f"Start with `{host}/`, then the service.", f"The reference begins `{host}/SERVICE`.")
    elif team_first:
        place = (
            f"Start with `{host}/`, then `{team}/`, then the service.",
            f"The reference begins `{host}/{folders}`.",
            f"The registry is `{host}`. Put `/{team}/` between the registry and the service.",
        )
    else:
        place = (
            f"Start with `{host}/`, then the service, then `/{team}`.",
            f"The reference begins `{host}/{folders}`.",
            f"The registry is `{host}`; a `/` and the service follow it. Put `/{team}` behind the service.",
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
            )
            if version_prefix
            else (
                "Then write `:` and the plain version.",
                "The tag follows as `:VERSION`.",
                "After `:` the version comes as given.",
            ),
            (
                f"End with `{suffix}`, right behind the version.",
                f"The version is followed by `{suffix}` without a space.",
                f"Append `{suffix}` to the tag.",
            )
            if suffix
            else ("Nothing follows the version.", "The tag has no suffix.", "Stop after the version."),
            (
                "Output only the reference.",
                "Answer with the reference and nothing else.",
                "Reply with the reference alone.",
            ),
        ),
        ask=ask,
    )
