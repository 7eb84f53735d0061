"""Stacks: two and three skills of different families at once, as parameters against all their texts in the prompt."""

from collections.abc import Callable

from hypernet.base import Base
from hypernet.hypernetwork import Hypernetwork
from hypernet.lora import LoraWeights, calibrated, stack_skills
from training.examples import to_example
from training.properties.combine import averaged
from training.properties.material import new_skills, own_parts, seeded, with_shared
from training.properties.scoring import hits, kept, markdown, mean, percent, questions, verdict
from training.tasks import TaskSkill

SIZES = (2, 3)
STACKS = 24  # of each size
WAYS = {"calibrated": calibrated, "concatenated": LoraWeights.summed, "averaged": averaged}
IN_CONTEXT = "all in context"
GOAL = 0.85  # share of what each skill reaches alone that the calibrated stack keeps


def measure(base: Base, hypernetwork: Hypernetwork, limit: int | None, say: Callable[[str], None]) -> dict:
    """Exact match on every skill's questions, alone and in its stack."""
    report = {}
    for size in SIZES:
        report[str(size)] = _measure_size(base, hypernetwork, size, min(limit or STACKS, STACKS))
        say(f"stacks: {size} skills at once")
    return report


def _measure_size(base: Base, hypernetwork: Hypernetwork, size: int, count: int) -> dict:
    rng = seeded(f"stacks/{size}")
    stacks = [new_skills(rng, size) for _ in range(count)]
    skills = [skill for stack in stacks for skill in stack]
    own = own_parts(base, hypernetwork, [skill.text for skill in skills])
    alone = hits(base, questions(base, skills), with_shared(base, hypernetwork, own))
    context_alone = _in_context(base, [[skill] for skill in skills])
    together = questions(base, skills, adapter=[i // size for i in range(len(skills))])
    scores = {}
    for name, way in WAYS.items():
        combined = [way(own.rows([*range(size * i, size * (i + 1))])) for i in range(count)]
        scores[name] = hits(base, together, with_shared(base, hypernetwork, stack_skills(combined)))
    scores[IN_CONTEXT] = _in_context(base, stacks)
    return {
        "stacks": count,
        "questions": len(together),
        "alone": mean(alone),
        "in context alone": mean(context_alone),
        "ways": {
            name: {"exact": mean(s), "kept": kept(s, context_alone if name == IN_CONTEXT else alone)}
            for name, s in scores.items()
        },
    }


def _in_context(base: Base, stacks: list[list[TaskSkill]]) -> list[float]:
    """The base without an adapter, with the texts of all skills of the stack in the prompt."""
    examples = []
    for number, stack in enumerate(stacks):
        text = "\n\n".join(skill.text for skill in stack)
        examples += [to_example(base, number, task, text) for skill in stack for task in skill.tasks]
    return hits(base, examples, None)


def section(report: dict) -> str:
    """The report in Markdown."""
    names = [*WAYS, IN_CONTEXT]
    head = ["skills at once", "n", "alone", *names, *(f"{name}: kept" for name in names)]
    rows, verdicts = [], []
    for size, of_size in report.items():
        ways = of_size["ways"]
        numbers = [of_size["alone"], *(ways[n]["exact"] for n in names), *(ways[n]["kept"] for n in names)]
        rows.append([size, str(of_size["questions"]), *map(percent, numbers)])
        stack = ways["calibrated"]
        rival = ways[IN_CONTEXT]["exact"]
        holds = (stack["kept"] or 0.0) >= GOAL and stack["exact"] > rival
        said = (
            f"{size} skills in a calibrated stack keep {percent(stack['kept'])} % of what each reaches alone "
            f"(goal {percent(GOAL)} %), with {percent(stack['exact'])} % exact against {percent(rival)} % with all "
            "texts in the prompt."
        )
        verdicts.append(verdict(holds, said))
    return f"{markdown(head, rows)}\n\n" + "\n".join(verdicts)
