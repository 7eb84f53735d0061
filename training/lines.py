"""What an evaluation asks: questions to skills with their right answers, generated, from the library or from files.

Four splits are drawn, each by how it is made: `known` (new skills of the families and wordings of training),
`wordings` (wordings and layouts kept from training), `families` (whole families kept from it) and `combinations`
(steps of the grammar that training never puts together).
"""

import gzip
import json
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from skills.evals import Assertion, EvalError
from skills.library import SkillLibrary
from training.conversation import FIELDS
from training.tasks import GRAMMAR, HELD_OUT, KNOWN, Style, Task, TaskSkill, grammar, sample_skill
from training.tasks.wording import render

SPLITS = ("known", "wordings", "families", "combinations")
LEAST = 500  # questions of a split, where nobody says how many skills
QUESTIONS = 3  # asked of a skill
FURTHER = 16  # solved questions of a skill beside those that are asked, where there are so many


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
    messages: tuple[dict, ...] = ()  # earlier turns
    checks: tuple[Assertion, ...] = ()  # what must hold of any right answer
    also: tuple[str, ...] = ()  # further answers that are right
    others: tuple[Task, ...] = ()  # other questions to the same skill, solved
    split: str = "lines"


def family_lines(split: str = "known", skills: int | None = None, questions: int = QUESTIONS) -> list[Line]:
    """Questions to new skills of a split, equally many skills a family; without `skills`, at least LEAST questions.

    The seed is never that of a training step.
    """
    families = {"families": HELD_OUT, "combinations": (GRAMMAR,)}.get(split, (*KNOWN, GRAMMAR))
    rng, lines, rounds = random.Random(f"evaluate/{split}"), [], 0
    while rounds < skills if skills else len(lines) < LEAST:
        rounds += 1
        for family in families:
            drawn = _draw(split, family, rng, questions + FURTHER)
            # where a family has few different questions, half of them stay for the examples
            asked = min(questions, len(drawn.tasks) // 2)
            others = drawn.tasks[asked:]
            lines += [
                Line(drawn.text, t.prompt, t.answer, drawn.subtask, family, t.messages, others=others, split=split)
                for t in drawn.tasks[:asked]
            ]
    return lines


def _draw(split: str, family: str, rng: random.Random, questions: int) -> TaskSkill:
    if split != "combinations":
        return sample_skill(family, rng, questions, Style("wordings" if split == "wordings" else "known"))
    draft = grammar.draft(rng, kept=True)
    text = render(draft, rng)
    drawn: dict[str, Task] = {}
    for _ in range(4 * questions):
        task = draft.ask(rng)
        if task.prompt not in text:  # a worked example on the page is no question
            drawn.setdefault(task.prompt, task)
        if len(drawn) == questions:
            break
    return TaskSkill(family, "", text, tuple(drawn.values()))


def library_lines() -> list[Line]:
    """The evals of the skills that ship: written by hand, none of them trained on."""
    return _with_others(
        [
            Line(
                entry.text,
                ev.prompt,
                ev.expected_output,
                entry.subtask,
                entry.skill.name,
                checks=ev.assertions,
                split="library",
            )
            for entry in SkillLibrary().list()
            for ev in entry.evals
        ]
    )


def read_lines(path: Path) -> list[Line]:
    """Lines of a JSONL file: objects with the texts skill, prompt and answer.

    They may have the texts subtask and family, earlier turns as messages, and assertions as checks.
    Raises DataError for a line that is none.
    """
    lines = []
    for number, item in objects(path):
        place = f"{path}:{number}"
        texts = [item.get(name) for name in ("skill", "prompt", "answer")]
        if not all(isinstance(text, str) and text.strip() for text in texts):
            raise DataError(f"{place}: needs the texts skill, prompt and answer.")
        names, turns = [item.get("subtask", ""), item.get("family", "")], item.get("messages", [])
        if not all(isinstance(name, str) for name in names):
            raise DataError(f"{place}: subtask and family must be texts.")
        if not isinstance(turns, list) or not all(map(_is_turn, turns)):
            raise DataError(
                f"{place}: messages must be a list of turns with the texts role ({', '.join(FIELDS)}) and content."
            )
        checks = item.get("checks", [])
        if not isinstance(checks, list) or not all(isinstance(check, dict) for check in checks):
            raise DataError(f'{place}: checks must be a list of assertions such as {{"kind": "json"}}.')
        try:
            assertions = tuple(Assertion(check.get("kind", ""), check.get("value")) for check in checks)
        except EvalError as error:
            raise DataError(f"{place}: {error}") from error
        lines.append(Line(*texts, *names, tuple(turns), assertions))
    return _with_others(lines)


def read_instructions(path: Path) -> list[Line]:
    """Tasks that nobody here wrote, of a JSONL file: objects with a definition and instances of {input, output: [..]}.

    The definition is the skill, each task a family; any of the outputs is right. Raises DataError for a line that is
    no such task.
    """
    lines = []
    for number, item in objects(path):
        place = f"{path}:{number}"
        definition, instances = item.get("definition"), item.get("instances")
        if not isinstance(definition, str) or not definition.strip():
            raise DataError(f"{place}: needs the text definition.")
        if not isinstance(instances, list) or not instances or not all(map(_is_instance, instances)):
            raise DataError(f"{place}: instances must be a list of objects with the text input and the texts output.")
        asked, others = instances[:QUESTIONS], instances[QUESTIONS : QUESTIONS + FURTHER]
        solved = tuple(Task(other["input"], other["output"][0]) for other in others)
        name = str(item.get("task") or f"task {number}")
        for instance in asked:
            right, *also = instance["output"]
            line = Line(definition, instance["input"], right, "", name, also=tuple(also), others=solved)
            lines.append(replace(line, split="instructions"))
    return lines


def spread_out(items: Sequence, count: int | None) -> list:
    """At most so many of the items, evenly spread over their order; None: all."""
    count = len(items) if count is None else min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def objects(path: Path) -> Iterator[tuple[int, dict]]:
    """The objects of a JSONL file, gzipped or not, each with the number of its line, from 1.

    Raises DataError for a file that can't be read or has no lines, and for a line that is no object.
    """
    number, empty = 0, True
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            for number, raw in enumerate(file, 1):
                if not raw.strip():
                    continue
                empty, item = False, json.loads(raw)
                if not isinstance(item, dict):
                    raise DataError(f"{path}:{number}: is no object. Write one object a line.")
                yield number, item
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{number}: is not JSON ({error.msg}). Write one object a line.") from error
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise DataError(f"{path} can't be read as a text file: {error}.") from error
    if empty:
        raise DataError(f"{path} has no lines.")


def _is_turn(item: object) -> bool:
    if not isinstance(item, dict) or not all(isinstance(item.get(name), str) for name in ("role", "content")):
        return False
    return item["role"] in FIELDS


def _is_instance(item: object) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("input"), str) or not item["input"]:
        return False
    outputs = item.get("output")
    # an empty answer would be right in every column, since nothing is what stands where none was given
    return isinstance(outputs, list) and bool(outputs) and all(isinstance(o, str) and o.strip() for o in outputs)


def _with_others(lines: list[Line]) -> list[Line]:
    """Each line with the other lines of its skill as solved questions."""
    of_skill: dict[str, list[Task]] = {}
    for line in lines:
        of_skill.setdefault(line.skill, []).append(Task(line.prompt, line.answer, line.messages))
    return [
        replace(line, others=tuple(islice((t for t in of_skill[line.skill] if t.prompt != line.prompt), FURTHER)))
        for line in lines
    ]
