"""A judge: any model behind an OpenAI-compatible endpoint that grades answers from 0 to 100.

What it is asked stands in judge.yaml. A reply that is no grade and an endpoint that fails cost a grade, not the run.
"""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import yaml

from training.lines import Line

PROMPT = Path(__file__).with_suffix(".yaml")
AT_ONCE = 8  # requests
TRIES = 2  # to get a grade out of an endpoint that answers
TIMEOUT = 60.0  # seconds of a request
FAILURES = (openai.OpenAIError, ValueError)  # the latter for a body that is not JSON
GRADE = re.compile(r"(?<![\w.-])(\d{1,3}(?:\.\d+)?)(?![\w.]*\d)")


class JudgeError(ValueError):
    """The endpoint can't be used; the message says what it said."""


class Judge:
    """Grades answers; the key comes from OPENAI_API_KEY, for endpoints that want one."""

    def __init__(self, url: str, model: str, retries: int = 2) -> None:
        """`retries` is how often a request that failed is sent again."""
        key = os.environ.get("OPENAI_API_KEY") or "none"  # the client wants one, a local endpoint does not
        self.model = model
        self._client = openai.OpenAI(base_url=url, api_key=key, max_retries=retries, timeout=TIMEOUT)
        self.prompt = yaml.safe_load(PROMPT.read_text(encoding="utf-8"))

    def check(self) -> None:
        """Ask once, so that a wrong address or key is known before a long run. Raises JudgeError."""
        try:
            self._ask(Line("Answer in capitals.", "Say yes.", "YES"), "YES")
        except FAILURES as error:
            raise JudgeError(
                f"The judge {self.model} at {self._client.base_url} can't be asked ({error}). "
                "Check --judge-url, --judge-model and the environment's OPENAI_API_KEY."
            ) from error

    def grades(self, answered: list[tuple[Line, str]]) -> list[float | None]:
        """A grade from 0 to 1 for each answer; None where the judge gave none."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda pair: self._grade(*pair), answered))

    def _grade(self, line: Line, answer: str) -> float | None:
        if answer.strip() in {right.strip() for right in (line.answer, *line.also)}:
            return 1.0  # nothing to ask
        for _ in range(TRIES):
            try:
                grade = read_grade(self._ask(line, answer))
            except FAILURES:
                return None  # the client has tried again already
            if grade is not None:
                return grade
        return None

    def _ask(self, line: Line, answer: str) -> str:
        values = {"skill": line.skill, "prompt": line.prompt, "right": line.answer, "answer": answer}
        # replaced in one pass, so that braces and names in a skill stay as they are
        user = re.sub(r"\{(skill|prompt|right|answer)\}", lambda match: values[match[1]], self.prompt["user"])
        turns = [{"role": "system", "content": self.prompt["system"]}, {"role": "user", "content": user}]
        reply = self._client.chat.completions.create(model=self.model, messages=turns, **self.prompt["options"])
        try:
            content = reply.choices[0].message.content
        except (AttributeError, LookupError, TypeError):  # what is no chat completion comes as it is
            return ""
        return content if isinstance(content, str) else ""


def read_grade(reply: str) -> float | None:
    """The grade in a reply as a share of 100: the number that it begins with, or its only one; else None."""
    reply = re.sub(r"/\s*100\b", "", reply).lstrip("*#` \n")
    begins = GRADE.match(reply)
    numbers = {begins[1]} if begins else set(GRADE.findall(reply))
    grade = float(numbers.pop()) if len(numbers) == 1 else 101.0
    return grade / 100 if grade <= 100 else None
