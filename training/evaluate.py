"""The proof: what the base answers without the skill, with it in context, as parameters, and under the controls.

The controls tell an effect of the skill from an effect of any adapter: another skill's adapter (of the same family
where there is one, else of the same subtask), and the part that every adapter shares. The rivals are a LoRA that was
trained to read skills in the prompt, and one that was trained by gradient for the one skill.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jinja2 import TemplateError

from hypernet.adapter import Adapter
from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.hypernetwork import Hypernetwork, default_checkpoint
from hypernet.lora import LoraWeights, stack_skills
from training.examples import Example, answer_logits
from training.kept import Kept, key_of
from training.lines import DataError, Line, spread_out
from training.metrics import bert_scores, exact_match, token_f1
from training.own_lora import train_own_lora
from training.report import OWN, READER, summary
from training.tasks import Task

if TYPE_CHECKING:
    from training.judge import Judge  # needs an extra

MEANS = ("no skill", "in context", "parametric")  # the columns that ask for nothing but the skill
EXAMPLES = 3  # solved questions that stand before the question
ROWS_AT_ONCE = 64  # that are generated together
SKILLS_AT_ONCE = 16  # that are read, or scored, together
TOKENS_AT_ONCE = 32_768  # that are scored, or generated, together, padding counted
SKILLS_TRAINED_AT_ONCE = 2
TIMED = 4  # answers of a column
MAX_NEW_TOKENS = 48

Adapters = Callable[[list[str]], LoraWeights]  # texts of skills -> the adapter for each
Scores = dict[str, dict[str, list[float | None]]]  # column -> measure -> a value for each line, None for lack of one


@dataclass(frozen=True)
class Column:
    """One way to answer: what stands in the prompt, and which adapter the base runs under."""

    skill_in_prompt: bool = False
    examples: int = 0  # solved questions in the prompt, as earlier turns
    adapters: Adapters | None = None
    source: str | None = None  # fingerprint of what the adapters come from

    def prompt_ids(self, base: Base, line: Line) -> list[int]:
        """Tokens of the prompt, up to where the answer starts.

        Raises DataError where the base's chat template refuses the turns.
        """
        turns = [turn for task in line.others[: self.examples] for turn in _as_turns(task)]
        try:
            return base.chat_ids(line.prompt, line.skill if self.skill_in_prompt else None, (*turns, *line.messages))
        except TemplateError as error:
            raise DataError(
                f"The chat template of {base.name} refuses the messages before {line.prompt[:60]!r} ({error}). Change "
                "them, or take another base."
            ) from error

    def rows(self, base: Base, lines: list[Line]) -> list[Row]:
        """Lines to be answered, those to one skill under the same adapter, so that it is read once in their prompts."""
        skills = dict.fromkeys(line.skill for line in lines)
        made = {skill: self.adapters([skill]) if self.adapters else None for skill in skills}
        return [Row(self.prompt_ids(base, line), made[line.skill]) for line in lines]


Part = tuple[Column, list[int]]  # of a column, with the numbers of the lines that are asked


def evaluate(
    base: Base,
    hypernetwork: Hypernetwork,
    lines: list[Line],
    say: Callable[[str], None] = lambda _: None,
    *,
    reader: LoraWeights | None = None,
    ceiling: int = 0,
    bertscore: bool = False,
    judge: "Judge | None" = None,
    exact_only: bool = False,
    kept: Kept | None = None,
) -> dict:
    """Answer every line in every column, greedily; gives the report that `table` prints.

    `reader` is the LoRA of the column "tuned reader", which else is left out. For `ceiling` skills of each split a LoRA
    of their own is trained by gradient. With `exact_only` nothing is generated: one pass over prompt and right answer
    says whether greedy decoding gives it, many times faster, and exact match is the only measure. A column that `kept`
    has, of the same questions to the same base under adapters of the same source, is not asked again.
    Raises SkillTextError, HypernetworkError, DataError and JudgeError.
    """
    if exact_only and (bertscore or judge):
        raise DataError("BERTScore and a judge need answers in full. Leave --exact-only out.")
    if ceiling and base.quantization == "nf4":
        raise DataError("No LoRA can be trained through an NF4 base. Load it with quantization='dequantized'.")
    if judge:
        judge.check()
    kept = kept or Kept()
    splits: dict[str, list[Line]] = {}
    for line in lines:
        splits.setdefault(line.split, []).append(line)
    report = {
        "base": base.name,
        "base_fingerprint": base.fingerprint,
        "dtype": str(base.dtype).removeprefix("torch."),
        "hypernetwork_fingerprint": hypernetwork.fingerprint,
        "splits": {},
    }
    how = (base.fingerprint, base.dtype, exact_only, bertscore, judge and (judge.model, judge.prompt))
    for split, of_split in splits.items():
        made = _Made(base, hypernetwork, list(dict.fromkeys(line.skill for line in of_split)))
        columns = _columns(base, hypernetwork, of_split, made, reader)
        if ceiling:
            columns[OWN] = _own_column(base, of_split, made, ceiling, hypernetwork.fingerprint)
        rows = {}
        for name, parts in columns.items():
            found = []
            for column, asked in parts:
                of_part = [of_split[i] for i in asked]
                key = key_of(*how, column.source, name, of_part)
                row = kept.get(key)
                if row is None:
                    row = _measure(base, column, of_part, exact_only, bertscore, judge)
                    row |= {"seconds_per_adapter": made.seconds}
                    if None not in row["scores"].get("judge", ()):  # a grade that failed is asked for again
                        kept.add({key: row})
                found.append((asked, row))
                if len(parts) > 1:
                    say(f"{split}, {name}: {len(found)} of {len(parts)} parts")
            rows[name] = _together(found, len(of_split))
            exact = [hit for hit in rows[name]["scores"]["exact"] if hit is not None]
            say(f"{split}, {name}: {100 * sum(exact) / len(exact):.1f} % exact of {len(exact)}")
        report["splits"][split] = {
            "skills": len(made.texts),
            "seconds_per_adapter": rows["parametric"]["seconds_per_adapter"],
            "prompt_tokens": {name: row["prompt_tokens"] for name, row in rows.items()},
            "seconds": {name: row["seconds"] for name, row in rows.items() if row["seconds"]},
            **summary(of_split, {name: row["scores"] for name, row in rows.items()}),
        }
    return report


def answer_column(base: Base, lines: list[Line], made: Adapters, name: str) -> list[str | None]:
    """The answers of one of the columns MEANS, as in the table; None where the prompt does not fit the base."""
    column = _means(made)[name]
    texts, _ = _answers(base, column, lines)
    fits = [_fits(base, column.prompt_ids(base, line)) for line in lines]
    return [text if fit else None for text, fit in zip(texts, fits, strict=True)]


def find_reader(base: Base, checkpoint: str | Path | None = None) -> LoraWeights | None:
    """The tuned reader in the folder `reader` in or beside a checkpoint's (none given: the one that ships), or None.

    Raises AdapterError where it is damaged or belongs to another base.
    """
    folder = Path(checkpoint or default_checkpoint(base))
    found = [place / "reader" for place in (folder, folder.parent) if (place / "reader").is_dir()]
    return Adapter.load(found[0], base).weights.to(base.dtype) if found else None


def _digest(weights: LoraWeights) -> str:
    """SHA-256 of the values."""
    digest = hashlib.sha256()
    for factor in (factor for pair in weights.modules.values() for factor in pair):
        digest.update(memoryview(factor.detach().float().cpu().contiguous().numpy()))
    return digest.hexdigest()


# ---- the columns ---------------------------------------------------------------------------------------------------


class _Made:
    """The adapter for each of some texts, as `generate` gives them, made when the first is asked for."""

    def __init__(self, base: Base, hypernetwork: Hypernetwork, texts: list[str]) -> None:
        self.texts = texts
        self.seconds: float | None = None  # that making one took, once they are made
        self._base, self._hypernetwork = base, hypernetwork
        self._own: dict[str, LoraWeights] = {}  # what is a skill's own
        self._shared: LoraWeights | None = None

    def __call__(self, skills: list[str]) -> LoraWeights:
        if self._shared is None:
            self._make()
        return stack_skills([self._own[text] for text in skills]).join(self._shared)

    @torch.no_grad()
    def _make(self) -> None:
        base, started = self._base, time.perf_counter()
        for start in range(0, len(self.texts), SKILLS_AT_ONCE):
            part = self.texts[start : start + SKILLS_AT_ONCE]
            read = self._hypernetwork.read(base, part)
            made = self._hypernetwork.own(base, read)
            self._own |= {text: made.rows([i]).to(base.dtype) for i, text in enumerate(part)}
        self._shared = self._hypernetwork.shared().to(base.dtype)
        self.seconds = round((time.perf_counter() - started) / len(self.texts), 3)


def _means(made: Adapters) -> dict[str, Column]:
    """The columns MEANS: the base alone, and the two ways to give it a skill."""
    return dict(zip(MEANS, (Column(), Column(skill_in_prompt=True), Column(adapters=made)), strict=True))


def _columns(
    base: Base, hypernetwork: Hypernetwork, lines: list[Line], made: Adapters, reader: LoraWeights | None
) -> dict[str, list[Part]]:
    """The columns that every line is asked in, each in one part."""
    wrong = _wrong_skills(lines)
    with torch.no_grad():
        shared = hypernetwork.shared().to(base.dtype)
    means, source = _means(made), hypernetwork.fingerprint
    columns = {
        "no skill": means["no skill"],
        "in context": means["in context"],
        "in context with three examples": Column(skill_in_prompt=True, examples=EXAMPLES),
        "parametric": replace(means["parametric"], source=source),
        "wrong skill": Column(adapters=lambda skills: made([wrong[text] for text in skills]), source=source),
        "shared only": Column(adapters=lambda skills: shared.rows([0] * len(skills)), source=source),
    }
    if reader:
        columns[READER] = Column(
            skill_in_prompt=True, adapters=lambda skills: reader.rows([0] * len(skills)), source=_digest(reader)
        )
    return {name: [(column, list(range(len(lines))))] for name, column in columns.items()}


def _own_column(base: Base, lines: list[Line], made: Adapters, count: int, source: str) -> list[Part]:
    """The column of LoRA trained for one skill each, in parts of few skills: to train them is what takes long.

    Trained on questions that no line asks, so a skill that has none beside its lines' can't be taken.
    """
    asked = {(line.skill, line.prompt) for line in lines}
    questions = {
        line.skill: tuple(task for task in line.others if (line.skill, task.prompt) not in asked) for line in lines
    }
    texts = [text for text, tasks in questions.items() if tasks]
    if not texts:
        raise DataError(
            "No skill of this data has solved questions beside those that are asked, so no LoRA of its own can be "
            "trained. Leave --ceiling out, or use data that has them (--data families)."
        )
    texts = spread_out(texts, count)
    parts = []
    for start in range(0, len(texts), SKILLS_TRAINED_AT_ONCE):
        few = texts[start : start + SKILLS_TRAINED_AT_ONCE]
        own = cache(lambda few=few: train_own_lora(base, made(few[:1]), [questions[text] for text in few]))
        column = Column(
            adapters=lambda skills, few=few, own=own: own().rows([few.index(text) for text in skills]), source=source
        )
        parts.append((column, [i for i, line in enumerate(lines) if line.skill in few]))
    return parts


def _wrong_skills(lines: list[Line]) -> dict[str, str]:
    """For each skill the next one of its family; where it is alone there, of its subtask, or of all."""
    lines_of = {line.skill: line for line in lines}
    if len(lines_of) < 2:
        raise DataError("The data has a single skill, so there is no wrong skill as a control. Add lines of another.")
    others = {}
    for text, line in lines_of.items():
        known = [name for name in ("family", "subtask") if getattr(line, name)]
        rings = ([o for o in lines_of if getattr(lines_of[o], name) == getattr(line, name)] for name in known)
        ring = next((ring for ring in rings if len(ring) > 1), list(lines_of))
        others[text] = ring[(ring.index(text) + 1) % len(ring)]
    return others


def _as_turns(task: Task) -> list[dict[str, str]]:
    return [
        *task.messages,
        {"role": "user", "content": task.prompt},
        {"role": "assistant", "content": task.answer},
    ]


# ---- the answers ---------------------------------------------------------------------------------------------------


def _answers(base: Base, column: Column, lines: list[Line], exact_only: bool = False) -> tuple[list[str], int]:
    """A column's greedy answers, and how many tokens their prompts have together.

    A prompt over the context counts as no answer. With `exact_only` nothing is generated: where a right answer is what
    greedy decoding gives, one pass over prompt and answer shows it, and the others count as none.
    """
    prompts = [column.prompt_ids(base, line) for line in lines]
    fitting = [i for i, ids in enumerate(prompts) if _fits(base, ids)]
    texts = [""] * len(lines)
    if exact_only:
        for rank in range(1 + max((len(line.also) for line in lines), default=0)):
            open_ = [i for i in fitting if not texts[i] and rank <= len(lines[i].also)]
            rights = {i: (lines[i].answer, *lines[i].also)[rank] for i in open_}
            for i in _said(base, column, lines, prompts, rights):
                texts[i] = rights[i]
        return texts, sum(map(len, prompts))
    for part in _parts([i for group in _by_skill(fitting, prompts, lines) for i in group], prompts):
        rows = column.rows(base, [lines[i] for i in part])
        for i, answer in zip(part, answer_all(base, rows, Sampling(max_new_tokens=MAX_NEW_TOKENS)), strict=True):
            texts[i] = base.decode(answer.ids)
    return texts, sum(map(len, prompts))


def _seconds(base: Base, column: Column, lines: list[Line]) -> float | None:
    """Seconds that an answer takes, from its prompt to its end: the mean of some, each generated alone.

    None where none of their prompts fits the base.
    """
    timed = [row for row in column.rows(base, spread_out(lines, TIMED)) if _fits(base, row.prompt_ids)]
    started = time.perf_counter()
    for row in timed:
        answer_all(base, [row], Sampling(max_new_tokens=MAX_NEW_TOKENS))
    return round((time.perf_counter() - started) / len(timed), 4) if timed else None


def _fits(base: Base, prompt_ids: list[int]) -> bool:
    return len(prompt_ids) + MAX_NEW_TOKENS < base.context_length  # an answer has an end, too


@torch.no_grad()
def _said(
    base: Base, column: Column, lines: list[Line], prompts: list[list[int]], rights: dict[int, str]
) -> Iterator[int]:
    """The lines whose right answer, as given, is what the base says greedily."""
    ids = {i: [*base.encode(right), base.end_id] for i, right in rights.items()}
    # a longer answer than may be generated, its end not counted, is right in no column
    for part in _batches([i for i in ids if len(ids[i]) <= MAX_NEW_TOKENS + 1], prompts, lines):
        skills = list(dict.fromkeys(lines[i].skill for i in part))
        examples = [Example(skills.index(lines[i].skill), prompts[i], ids[i]) for i in part]
        weights = column.adapters(skills) if column.adapters else None
        exact = answer_logits(base, examples, weights).exact(len(part))
        yield from (i for i, hit in zip(part, exact.tolist(), strict=True) if hit)


def _batches(index: list[int], prompts: list[list[int]], lines: list[Line]) -> Iterator[list[int]]:
    """Lines to score together, those of a skill behind one another: limited in skills and in tokens."""
    part, skills = [], 0
    for group in _by_skill(index, prompts, lines):
        longest = max(len(prompts[i]) for i in group) + MAX_NEW_TOKENS
        most = max(1, TOKENS_AT_ONCE // longest)
        for piece in (group[start : start + most] for start in range(0, len(group), most)):
            if part and (skills == SKILLS_AT_ONCE or longest * (len(part) + len(piece)) > TOKENS_AT_ONCE):
                yield part
                part, skills = [], 0
            part, skills = part + piece, skills + 1
    if part:
        yield part


def _parts(index: list[int], prompts: list[list[int]]) -> Iterator[list[int]]:
    """Lines to generate together: limited in rows and in tokens."""
    part, longest = [], 0
    for i in index:
        longest = max(longest, len(prompts[i]) + MAX_NEW_TOKENS)
        if part and (len(part) == ROWS_AT_ONCE or longest * (len(part) + 1) > TOKENS_AT_ONCE):
            yield part
            part, longest = [], len(prompts[i]) + MAX_NEW_TOKENS
        part.append(i)
    if part:
        yield part


def _by_skill(index: list[int], prompts: list[list[int]], lines: list[Line]) -> list[list[int]]:
    """Lines by their skill, skills of like length side by side, so that little is padding; the longest last."""
    of_skill: dict[str, list[int]] = {}
    for i in index:
        of_skill.setdefault(lines[i].skill, []).append(i)
    return sorted(of_skill.values(), key=lambda group: max(len(prompts[i]) for i in group))


def _measure(
    base: Base, column: Column, lines: list[Line], exact_only: bool, bertscore: bool, judge: "Judge | None"
) -> dict:
    """Tokens in a prompt and seconds of an answer, and each measure's value for every line."""
    answers, tokens = _answers(base, column, lines, exact_only)
    right = [(line.answer, *line.also) for line in lines]
    pairs = list(zip(answers, right, strict=True))
    scores: dict[str, list[float | None]] = {
        "exact": [max(exact_match(answer, r) for r in rights) for answer, rights in pairs]
    }
    if not exact_only:
        scores["f1"] = [max(token_f1(answer, r) for r in rights) for answer, rights in pairs]
        scores["checks"] = [
            float(all(check.holds(answer) for check in line.checks)) if line.checks else None
            for line, answer in zip(lines, answers, strict=True)
        ]
    if bertscore:
        scores["bertscore"] = bert_scores(answers, right)
    if judge:
        scores["judge"] = judge.grades(list(zip(lines, answers, strict=True)))
    seconds = None if exact_only else _seconds(base, column, lines)
    return {"prompt_tokens": round(tokens / len(lines), 1), "seconds": seconds, "scores": scores}


def _together(parts: list[tuple[list[int], dict]], lines: int) -> dict:
    """A column's parts as one, with None as the value of lines that none of them asked."""
    asked = [i for numbers, _ in parts for i in numbers]
    scores = {}
    for measure in parts[0][1]["scores"]:
        of_line = dict(zip(asked, (value for _, row in parts for value in row["scores"][measure]), strict=True))
        scores[measure] = [of_line.get(i) for i in range(lines)]
    tokens = sum(len(numbers) * row["prompt_tokens"] for numbers, row in parts) / len(asked)
    seconds = [row["seconds"] for _, row in parts if row["seconds"]]
    return {
        "prompt_tokens": round(tokens, 1),
        "seconds": round(sum(seconds) / len(seconds), 4) if seconds else None,
        "seconds_per_adapter": parts[0][1]["seconds_per_adapter"],
        "scores": scores,
    }
