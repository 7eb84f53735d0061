"""The public endpoints, for programs and, as MCP tools, for agents: validate, generate, compare and check.

They say the same as the page and go through the same service; everything else of the page is private.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from uuid import uuid4

import gradio as gr

from skills.evals import Eval, parse_evals
from skills.skill import SkillError, is_valid_name
from studio.service import PANES, Settings, Studio, StudioError
from studio.views.compare_panel import MODEL
from studio.views.gpu import on_gpu


def register(studio: Studio) -> None:
    """Adds the endpoints to the page that is being built."""

    @on_gpu
    def model_generate(session: str, skill: str) -> dict:
        info = asdict(studio.generate(session, skill))
        files = {"file": studio.adapter_zip(session, skill), "gguf": None}
        if info["snippet_llama_cpp"]:
            files["gguf"] = studio.adapter_gguf(session, skill)
        return info | {
            name: path and {"path": str(path), "meta": {"_type": "gradio.FileData"}} for name, path in files.items()
        }

    @on_gpu
    def model_compare(
        session: str, skill: str, prompt: str, settings: Settings, expected: str | None
    ) -> Iterator[dict]:
        with closing(studio.compare(session, skill, prompt, settings, expected)) as comparisons:
            for comparison in comparisons:
                panes = [{"pane": title} | asdict(view) for title, view in zip(PANES, comparison.panes, strict=True)]
                adapter = asdict(comparison.adapter) if comparison.adapter else None
                yield {"phase": comparison.phase, "message": comparison.message, "adapter": adapter, "panes": panes}

    @on_gpu
    def model_check(session: str, skill: str, evals: tuple[Eval, ...]) -> Iterator[dict]:
        with closing(studio.check(session, skill, evals)) as checks:
            for check in checks:
                found = check.fidelity
                counted = {"n": found.n, "passes": found.passes, "kept": found.kept}
                yield {"phase": check.phase, "message": check.message} | counted | asdict(found)

    def validate(skill: str) -> dict:
        """Check the text of a SKILL.md against the Agent Skills specification. Fast, and needs no model.

        Args:
            skill: The whole text of a SKILL.md: name and description between two '---' lines, then the body.

        Returns:
            valid: Whether no error was found.
            problems: Each with line, severity (error or warning), message and fix.
            tokens: Length of the text in tokens of the base model, null while that loads.
            blocking: Why no adapter can be made of the text, '' where one can.
        """
        examination = studio.examine(skill)
        problems = [asdict(problem) for problem in examination.problems]
        return {
            "valid": all(problem.severity != "error" for problem in examination.problems),
            "problems": problems,
            "tokens": examination.tokens,
            "blocking": examination.blocking,
        }

    def generate(skill: str, request: gr.Request) -> dict:
        """Turn the text of a skill into a LoRA adapter for the base model, in one pass of the hypernetwork (seconds).

        Args:
            skill: The whole text of a SKILL.md, at most 8,192 tokens. Check it with `validate` first.

        Returns:
            file: The adapter as a zip in the format of PEFT.
            gguf: The adapter for llama.cpp; null where that does not know the base's architecture.
            sha256: SHA-256 of the text it was made from.
            base_name, base_fingerprint: The only model it fits.
            snippet_peft, snippet_vllm, snippet_llama_cpp: Code that loads it.
            rank, size_bytes, seconds: Its rank, its size and how long it took to make.
        """
        try:
            studio.wait()
            return model_generate(_session(request), skill)
        except StudioError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def compare(
        skill: str,
        prompt: str,
        request: gr.Request,
        temperature: float = 0.0,
        max_new_tokens: int = 64,
        seed: int = 0,
        strength: float = 1.0,
        expected: str = "",
    ) -> Iterator[dict]:
        """Answer a prompt three ways: without the skill, with its text in the prompt, and with the skill as an adapter.

        Args:
            skill: The whole text of a SKILL.md, at most 8,192 tokens.
            prompt: What to ask the model.
            temperature: 0 takes the likeliest token each time; higher is more varied.
            max_new_tokens: The most tokens that each answer may have.
            seed: Makes answers above temperature 0 repeatable.
            strength: Scale of the adapter: 1 as it was made, 0 the model alone.
            expected: The right answer, if known: each answer is then held against it. Leave it empty otherwise.

        Returns:
            phase: 'done' in the last result; the ones before hold the answers as far as they are written.
            panes: In that order, each with its name (pane), text, note and cost; with `expected`, also passed and diff.
            adapter: What the adapter was made from, its size and its cost.
        """
        settings = Settings(temperature, max_new_tokens, seed, strength)
        try:
            studio.wait()
            with closing(model_compare(_session(request), skill, prompt, settings, expected or None)) as results:
                yield from results
        except StudioError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def check(skill: str, request: gr.Request, evals: list[dict] | None = None) -> Iterator[dict]:
        """Find out how well a skill does on its own examples: without it, with its text in the prompt, as an adapter.

        Ask this before an adapter is used in place of the text. Takes seconds to minutes. At most 32 examples are
        answered. Assertions are such as {"kind": "contains", "value": "x"}; without any, an answer must be the expected
        one.

        Args:
            skill: The whole text of a SKILL.md, at most 8,192 tokens; or the name of a skill of the studio's library.
            evals: Examples with prompt, expected_output and, if you like, assertions; null for a library skill's own.

        Returns:
            phase: 'done' in the last result; the ones before hold the columns as far as they are answered.
            verdict: In words, what the numbers mean and what to do; '' until the last result.
            n: How many examples are answered, 0 where the skill has none: then the verdict says what to add.
            passes, passed, answers: For 'no skill', 'in context' and 'parametric' how many pass, which, and the texts.
            kept: Share of the in-context effect that the adapter keeps, null where reading the skill has none.
            beyond: Whether the skill is too much for this base. Then use another base; the adapter will not help.
            note: What the numbers leave out.
        """
        try:
            text, given = _with_evals(studio, skill, evals)
            if given:
                studio.wait()
            with closing(model_check(_session(request), text, given)) as results:
                yield from results
        except (StudioError, SkillError) as error:
            raise gr.Error(str(error), print_exception=False) from error

    gr.api(validate, api_name="validate", queue=False, api_visibility="public")
    gr.api(generate, api_name="generate", api_visibility="public", **MODEL)
    gr.api(compare, api_name="compare", api_visibility="public", **MODEL)
    gr.api(check, api_name="check", api_visibility="public", **MODEL)


def _session(request: gr.Request) -> str:
    """The caller's session; one that nobody can guess where the caller has none."""
    return request.session_hash or uuid4().hex


def _with_evals(studio: Studio, skill: str, evals: list[dict] | None) -> tuple[str, tuple[Eval, ...]]:
    """(text, evals) of a skill, given as text or by name; an eval needs no id and no assertions. Raises SkillError."""
    own: tuple[Eval, ...] = ()
    if is_valid_name(skill):
        entry = studio.library.get(skill)
        skill, own = entry.text, entry.evals
    if not evals:
        return skill, own
    filled = [
        {"id": number, "assertions": [{"kind": "equals", "value": ev.get("expected_output")}]} | ev
        if isinstance(ev, dict)
        else ev
        for number, ev in enumerate(evals, 1)
    ]
    return skill, parse_evals(json.dumps({"skill_name": "skill", "evals": filled}).encode(), "evals")
