"""Accumulation: skills merged one after another into one adapter, and what is left of each (arXiv 2606.30015)."""

from collections.abc import Callable

from hypernet.base import Base
from hypernet.hypernetwork import Hypernetwork
from hypernet.lora import LoraWeights, calibrated, stack_skills
from training.properties.combine import ema_in_order
from training.properties.material import new_skills, own_parts, seeded, with_shared
from training.properties.scoring import hits, kept, markdown, mean, percent, questions

SERIES = 4  # of skills, each merged in its order
COUNTS = (1, 2, 4, 8, 16)
BETAS = (0.5, 0.8)  # of the EMA: what stays of the old at each step
CALIBRATED = "calibrated"  # rank concatenation with the norm calibrated, the paper's for skills at once


def ways(betas: tuple[float, ...]) -> dict[str, Callable[[LoraWeights], LoraWeights]]:
    """By name, how own parts in their order become one."""
    merges = {f"EMA {beta:g}": lambda own, beta=beta: ema_in_order(own, beta) for beta in betas}
    return {CALIBRATED: calibrated, "concatenated": LoraWeights.summed, **merges}


def measure(
    base: Base,
    hypernetwork: Hypernetwork,
    limit: int | None,
    say: Callable[[str], None],
    counts: tuple[int, ...] = COUNTS,
    betas: tuple[float, ...] = BETAS,
) -> dict:
    """Retention of the merged skills, of all and of each in its place: exact match as a share of that alone."""
    series, length = min(limit or SERIES, SERIES), max(counts)
    rng = seeded("accumulation")
    skills = [skill for _ in range(series) for skill in new_skills(rng, length)]
    own = own_parts(base, hypernetwork, [skill.text for skill in skills])
    alone = _by_skill(skills, hits(base, questions(base, skills), with_shared(base, hypernetwork, own)))
    found: dict[str, list[dict]] = {}
    for name, way in ways(betas).items():
        for count in counts:
            members = [[length * s + place for place in range(count)] for s in range(series)]
            merged = stack_skills([way(own.rows(of_series)) for of_series in members])
            order = [i for of_series in members for i in of_series]
            asked = [skills[i] for i in order]
            examples = questions(base, asked, adapter=[i // length for i in order])
            scores = _by_skill(asked, hits(base, examples, with_shared(base, hypernetwork, merged)))
            by_number = dict(zip(order, scores, strict=True))

            def retention(numbers: list[int], scores: dict = by_number) -> float | None:
                return kept([h for i in numbers for h in scores[i]], [h for i in numbers for h in alone[i]])

            found.setdefault(name, []).append(
                {
                    "merged": count,
                    "right alone": int(sum(hit for i in order for hit in alone[i])),
                    "mean": retention(order),
                    "each": [retention([of_series[place] for of_series in members]) for place in range(count)],
                }
            )
            say(f"accumulation: {name}, {count} merged")
    total = [hit for of_skill in alone for hit in of_skill]
    return {"series": series, "questions": len(total), "alone": mean(total), "ways": found}


def _by_skill(skills: list, scores: list[float]) -> list[list[float]]:
    """The scores of each skill's questions."""
    rest = iter(scores)
    return [[next(rest) for _ in skill.tasks] for skill in skills]


def section(report: dict) -> str:
    """The report in Markdown."""
    names = list(report["ways"])
    head = ["merged", "right alone", *(f"{name}: {part}" for name in names for part in ("mean", "first", "last"))]
    rows = []
    for points in zip(*report["ways"].values(), strict=True):
        shares = [share for point in points for share in (point["mean"], point["each"][0], point["each"][-1])]
        rows.append([str(points[0]["merged"]), str(points[0]["right alone"]), *map(percent, shares)])
    kept_by = {name: report["ways"][name][-1]["mean"] for name in names}
    said = ", ".join(f"{name} {percent(share)} %" for name, share in kept_by.items())
    return (
        f"{markdown(head, rows)}\n\nOf what each skill reaches alone ({percent(report['alone'])} % exact), "
        f"{report['ways'][names[0]][-1]['merged']} merged ones keep: {said}."
    )
