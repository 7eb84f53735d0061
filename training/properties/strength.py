"""Strength: how exact match on new skills moves as the whole adapter is scaled, and where it is best."""

from collections.abc import Callable

from hypernet.base import Base
from hypernet.hypernetwork import Hypernetwork
from training.properties.material import new_skills, own_parts, seeded, with_shared
from training.properties.scoring import hits, markdown, mean, percent, questions, verdict

SKILLS = 64
ALPHAS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5)
GOAL = 0.1  # how far the best strength may be from the hypernetwork's own, 1


def measure(base: Base, hypernetwork: Hypernetwork, limit: int | None, say: Callable[[str], None]) -> dict:
    """Exact match at each strength, and the base's without an adapter."""
    skills = new_skills(seeded("strength"), min(limit or SKILLS, SKILLS))
    examples = questions(base, skills)
    weights = with_shared(base, hypernetwork, own_parts(base, hypernetwork, [skill.text for skill in skills]))
    curve = {}
    for alpha in ALPHAS:
        curve[alpha] = mean(hits(base, examples, weights.scaled(alpha)))
        say(f"strength: {percent(curve[alpha])} % exact at {alpha}")
    return {
        "skills": len(skills),
        "questions": len(examples),
        "base": mean(hits(base, examples, None)),
        "curve": [{"alpha": alpha, "exact": exact} for alpha, exact in curve.items()],
        "best": max(curve, key=lambda alpha: (curve[alpha], -abs(alpha - 1))),  # of equals the one that was meant
    }


def section(report: dict) -> str:
    """The report in Markdown."""
    curve = {point["alpha"]: point["exact"] for point in report["curve"]}
    shown = markdown(["strength", *map(str, curve)], [["exact match", *map(percent, curve.values())]])
    best, behind = report["best"], curve[report["best"]] - curve[1.0]
    said = (
        f"the best strength is {best} with {percent(curve[best])} %, and "
        f"1 is {percent(behind)} points behind; the goal is a best one within {GOAL} of 1 (n = {report['questions']})."
    )
    return f"{shown}\n\n{verdict(abs(best - 1) <= GOAL + 1e-9, said)}"
