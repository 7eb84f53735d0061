"""The table: what the base answers without the skill, with it in context, as parameters, and under the controls.

The controls tell an effect of the skill from an effect of any adapter: another skill's adapter (of the same family
where there is one), and the part that every adapter shares.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.hypernetwork import Hypernetwork
from hypernet.lora import LoraWeights
from skills.library import SkillLibrary
from training.metrics import exact_match, paired_interval, token_f1
from training.tasks import FAMILIES, sample_skill

COLUMNS = ("no skill", "in context", "parametric", "wrong skill", "shared only")
ROWS_AT_ONCE = 32
MAX_NEW_TOKENS = 48
SKILLS_AT_ONCE = 8


class DataError(ValueError):
    """Lines that can't be evaluated; the message names the line and the fix."""


@dataclass(frozen=True)
class Line:
    """A question to a skill, and the right answer."""

    skill: str
    prompt: str
    answer: str
    subtask: str = ""
    family: str = ""
    messages: tuple[dict, ...] = field(default=())  # earlier turns


def read_lines(path: Path) -> list[Line]:
    """Lines of a JSONL file.

    Raises DataError for a line that is no object or lacks a text.
    """
    lines = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, raw in enumerate(file, 1):
                if not raw.strip():
                    continue
                item = json.loads(raw)
                texts = [item.get(name) for name in ("skill", "prompt", "answer")] if isinstance(item, dict) else [None]
                if not all(isinstance(text, str) and text for text in texts):
                    raise DataError(f"{path}:{number}: needs the texts skill, prompt and answer.")
                names, turns = [item.get("subtask", ""), item.get("family", "")], item.get("messages", [])
                if not all(isinstance(name, str) for name in names):
                    raise DataError(f"{path}:{number}: subtask and family must be texts.")
                if not isinstance(turns, list) or not all(map(_is_turn, turns)):
                    raise DataError(
                        f"{path}:{number}: messages must be a list of turns with the texts role and content."
                    )
                lines.append(Line(*texts, *names, tuple(turns)))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{number}: is no JSON ({error.msg}). Write one object a line.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read as a text file: {error}.") from error
    if not lines:
        raise DataError(f"{path} has no lines.")
    return lines


def _is_turn(item: object) -> bool:
    return isinstance(item, dict) and all(isinstance(item.get(name), str) for name in ("role", "content"))


def family_lines(skills: int = 5, tasks: int = 7, seed: str = "evaluate") -> list[Line]:
    """Questions to new skills of every family; the seed is never that of a training step."""
    rng = random.Random(seed)
    drawn = [sample_skill(family, rng, tasks) for family in FAMILIES for _ in range(skills)]
    return [Line(s.text, t.prompt, t.answer, s.subtask, s.family) for s in drawn for t in s.tasks]


def library_lines() -> list[Line]:
    """The evals of the skills that ship: written by hand, none of them trained on."""
    return [
        Line(entry.text, ev.prompt, ev.expected_output, entry.subtask, entry.skill.name)
        for entry in SkillLibrary().list()
        for ev in entry.evals
    ]


def evaluate(
    base: Base, hypernetwork: Hypernetwork, lines: list[Line], say: Callable[[str], None] = lambda _: None
) -> dict:
    """Answer every line in every column, greedily; gives the report that `table` prints.

    Raises SkillTextError, HypernetworkError and DataError.
    """
    texts = list(dict.fromkeys(line.skill for line in lines))
    adapters: dict[str, LoraWeights] = {}
    for start in range(0, len(texts), SKILLS_AT_ONCE):
        part = texts[start : start + SKILLS_AT_ONCE]
        weights = hypernetwork.generate(base, part)
        adapters |= {text: weights.rows([i]) for i, text in enumerate(part)}
    shared = hypernetwork.shared().to(base.dtype)
    wrong = _wrong_skills(lines)
    scores: dict[str, list[tuple[float, float]]] = {}
    prompt_tokens = {}
    for column in COLUMNS:
        rows = []
        for line in lines:
            skill_text = line.skill if column == "in context" else None
            weights = {
                "parametric": adapters[line.skill],
                "wrong skill": adapters[wrong[line.skill]],
                "shared only": shared,
            }.get(column)
            rows.append(Row(base.chat_ids(line.prompt, skill_text, line.messages), weights))
        prompt_tokens[column] = round(sum(len(row.prompt_ids) for row in rows) / len(rows), 1)
        answers = _answers(base, rows)
        scores[column] = [
            (exact_match(a, line.answer), token_f1(a, line.answer)) for a, line in zip(answers, lines, strict=True)
        ]
        say(f"{column}: {100 * sum(s[0] for s in scores[column]) / len(lines):.1f} % exact")
    groups = {"all": list(range(len(lines)))}
    for i, line in enumerate(lines):
        for name in (line.subtask, line.family):
            if name:
                groups.setdefault(name, []).append(i)
    return {
        "base": base.name,
        "base_fingerprint": base.fingerprint,
        "hypernetwork_fingerprint": hypernetwork.fingerprint,
        "skills": len(texts),
        "prompt_tokens": prompt_tokens,
        "groups": {name: _summary(scores, index) for name, index in groups.items()},
    }


def table(report: dict) -> str:
    """The report as a Markdown table: exact match in percent, F1 of the parametric and in-context columns."""
    head = "| | n | " + " | ".join(COLUMNS) + " | parametric - in context (95 %) | F1 in context -> parametric |"
    lines = [head, "|---|" + "---:|" * (len(COLUMNS) + 3)]
    for name, group in report["groups"].items():
        exact = " | ".join(f"{100 * group['exact'][column]:.1f}" for column in COLUMNS)
        low, high = (100 * bound for bound in group["interval"])
        f1 = f"{100 * group['f1']['in context']:.1f} -> {100 * group['f1']['parametric']:.1f}"
        lines.append(f"| {name} | {group['n']} | {exact} | {low:+.1f} to {high:+.1f} | {f1} |")
    tokens = ", ".join(f"{column} {count:.0f}" for column, count in report["prompt_tokens"].items())
    return "\n".join([*lines, "", f"Exact match in percent, greedy. Prompt tokens on average: {tokens}."])


def _wrong_skills(lines: list[Line]) -> dict[str, str]:
    """For each skill another one: the next of the same family, or the next of all."""
    by_family: dict[str, list[str]] = {}
    for line in lines:
        if line.skill not in by_family.setdefault(line.family, []):
            by_family[line.family].append(line.skill)
    everything = list(dict.fromkeys(line.skill for line in lines))
    if len(everything) < 2:
        raise DataError("The data has a single skill, so there is no wrong skill as a control. Add lines of another.")
    others = {}
    for family in by_family.values():
        ring = family if len(family) > 1 else everything
        for skill in family:
            others[skill] = ring[(ring.index(skill) + 1) % len(ring)]
    return others


def _answers(base: Base, rows: list[Row]) -> list[str]:
    """Greedy answers of all rows, rows of like length together; a prompt over the context counts as no answer."""
    room = base.context_length - MAX_NEW_TOKENS
    fitting = [i for i, row in enumerate(rows) if len(row.prompt_ids) <= room]
    order = sorted(fitting, key=lambda i: len(rows[i].prompt_ids))
    texts = [""] * len(rows)
    for start in range(0, len(order), ROWS_AT_ONCE):
        part = order[start : start + ROWS_AT_ONCE]
        answers = answer_all(base, [rows[i] for i in part], Sampling(max_new_tokens=MAX_NEW_TOKENS))
        for i, answer in zip(part, answers, strict=True):
            texts[i] = base.decode(answer.ids)
    return texts


def _summary(scores: dict[str, list[tuple[float, float]]], index: list[int]) -> dict:
    def mean(column: str, which: int) -> float:
        return sum(scores[column][i][which] for i in index) / len(index)

    exact = {column: [scores[column][i][0] for i in index] for column in ("parametric", "in context")}
    return {
        "n": len(index),
        "exact": {column: round(mean(column, 0), 4) for column in COLUMNS},
        "f1": {column: round(mean(column, 1), 4) for column in COLUMNS},
        "interval": [round(bound, 4) for bound in paired_interval(exact["parametric"], exact["in context"])],
    }
