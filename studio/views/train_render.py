"""The markup of the training tab, as pure functions: plain values in, HTML out.

Skills, examples, answers and logs are untrusted. Every text passes through `escape` here, so markup in it is shown,
never run. What a click or an edit means stands in `data-do` and `data-id`; `wiring.ACTIONS` sends it to the server.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import NamedTuple

from skills.evals import SENTENCES
from studio.examples import SPLITS, Example, Fault
from studio.hub import Pushed
from studio.jobs import Job
from studio.views.render import NBSP, when
from studio.views.share_render import link
from studio.wording import counted

MAX_FAULTS = 12  # shown at once; the rest is counted
MAX_POINTS = 160  # of a line in the plot: more than its pixels tell apart
MAX_SAMPLES, MAX_HISTORY = 4, 4  # prompts whose answers are shown while they change, and answers of each
MAX_ANSWERS = 12  # side by side in a report; the rest is counted
MAX_TURNS, MAX_TURN = 60, 4_000  # turns of an example that are shown, and characters of each; the rest is counted
SHORT = 90  # seconds, with bfloat16: a training of less has hardly begun when it ends
MEASURED_TOO = 48  # questions of the shipped kinds that are measured beside the kept-out examples
SECONDS_A_QUESTION = 0.4  # to measure one, on two cores with the default base and bfloat16
ROLES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


class Measure(NamedTuple):
    """A row of the report."""

    name: str
    form: Callable[[float], str]  # of a value
    form_change: Callable[[float], str]  # of the difference of two
    better: bool | None  # whether more of it is; None: it is only a control


def _percent(value: float) -> str:
    return f"{value:.0f}{NBSP}%"


def _points(value: float) -> str:
    return f"{value:.0f}{NBSP}point{'' if round(value) == 1 else 's'}"


def _loss(value: float) -> str:
    return f"{value:.3f}"


MEASURES = {  # by their key in a report
    "exact": Measure("Exact match", _percent, _points, True),
    "checks": Measure("Checks passed", _percent, _points, True),
    "f1": Measure("Token F1", _percent, _points, True),
    "loss": Measure("Loss", _loss, _loss, False),
    "wrong_skill": Measure("With another skill's adapter (should be low)", _percent, _points, None),
}
PARTS = {  # by their name in a report: the heading in the table, and the name in the plot
    "own skills": ("Your skills, on prompts that were kept out", "Your skills"),
    "families": ("The kinds of skills that shipped", "Shipped kinds"),
    "neutral text": ("Text that has nothing to do with skills", "Other text"),
}

CLONE = "git clone https://huggingface.co/spaces/{space} parametric-skills\ncd parametric-skills\n"
START = """python3 -m venv .venv
.venv/bin/pip install -r requirements.txt
.venv/bin/python app.py"""

NO_SKILLS = (
    "Add the skill that is open in the editor, or one of the library. Then give it some examples: prompts, each with "
    "the answer that the skill asks for."
)
NO_JOBS = (
    "A training shows here how it goes: the loss on what it learns from and on what it never sees, and answers as they "
    "change. Afterwards you see what became better and what became worse, and keep the result or throw it away. The "
    "hypernetwork that shipped is never changed."
)


@dataclass(frozen=True)
class SkillRow:
    """A skill in the list of those that can be trained on."""

    sha256: str
    name: str
    examples: int
    chosen: bool


def off(why: str, space: str = "") -> str:
    """The tab where nothing can be trained, and how to train elsewhere; `space` is the Space that this is, or ''."""
    where, start = "On your own machine, in a copy of this repository:", START
    if space:
        where, start = "On your own machine:", CLONE.format(space=space) + START
    return (
        f'<h2>Training is not available here</h2><p>{escape(why)}</p><p class="hint">{where}</p>'
        f"<pre>{escape(start)}</pre>"
    )


# ---- before the start ----


def skills(rows: Sequence[SkillRow], shown: str) -> str:
    """The list of a person's skills; `shown` is the digest of the one whose examples stand below."""
    if not rows:
        return f'<p class="hint">{NO_SKILLS}</p>'
    items = []
    for row in rows:
        name, id_ = escape(row.name), escape(row.sha256)
        current = ' aria-current="true"' if row.sha256 == shown else ""
        items.append(
            f"<li{current}>"
            f'<input type="checkbox" data-do="choose" data-id="{id_}" aria-label="Train on {name}"'
            f"{' checked' if row.chosen else ''}>"
            f'<button type="button" class="name" data-do="show" data-id="{id_}">{name}</button>'
            f'<span class="quiet">{counted(row.examples, "example")}</span>'
            f'<button type="button" class="drop" data-do="drop" data-id="{id_}" data-sure="Remove?" '
            f'aria-label="Remove {name} and its examples" title="Remove the skill and its examples">✕</button></li>'
        )
    return f'<ul class="choices">{"".join(items)}</ul>'


def examples(skill_name: str, found: Sequence[Example]) -> str:
    """The table of a skill's examples, each cell a field, and a row for a new one."""
    head = "<tr><th>Prompt</th><th>Right answer</th><th>Use</th><th><span>Delete</span></th></tr>"
    rows = "".join(_example(number, example) for number, example in enumerate(found, 1))
    new = (
        '<tr class="new">'
        '<td><textarea rows="2" data-field="prompt" aria-label="Prompt of a new example" '
        'placeholder="A new prompt"></textarea></td>'
        '<td><textarea rows="2" data-field="answer" aria-label="Right answer of a new example" '
        'placeholder="The answer that the skill asks for"></textarea></td>'
        '<td colspan="2"><button type="button" class="add" data-do="add">Add</button></td></tr>'
    )
    title = f"<h3>Examples of {escape(skill_name)}</h3>"
    kinds = '<p class="hint">A file may be JSONL, evals.json, CSV (prompt, answer) or an OpenCode export.</p>'
    return (
        f'{title}<div class="scroll fields"><table><thead>{head}</thead><tbody>{rows}{new}</tbody></table></div>{kinds}'
    )


def _example(number: int, example: Example) -> str:
    id_ = f'data-id="{example.id}"'

    def field(name: str, label: str, value: str) -> str:
        return _field(name, str(example.id), f"{label} of example {number}", value, rows=2)

    options = "".join(
        f'<option value="{value}"{" selected" if value == example.split else ""}>{name}</option>'
        for value, name in SPLITS.items()
    )
    remarks = [counted(len(example.messages), "earlier turn")] if example.messages else []
    remarks += [counted(len(example.steps), "step") + " with tools"] if example.steps else []
    remarks += [counted(len(example.checks), "check")] if example.checks else []
    remarks = remarks or ["Turns and checks"]
    note = (
        f'<button type="button" class="more" data-do="detail" {id_} '
        f'aria-label="Open of example {number}: {", ".join(remarks)}">{", ".join(remarks)}</button>'
    )
    return (
        f"<tr><td>{field('prompt', 'Prompt', example.prompt)}</td><td>{field('answer', 'Right answer', example.answer)}"
        f'{note}</td><td><select data-do="split" {id_} aria-label="Use of example {number}">{options}</select></td>'
        f'<td><button type="button" class="drop" data-do="remove" {id_} data-sure="Delete?" '
        f'aria-label="Delete example {number}" title="Delete">✕</button></td></tr>'
    )


def detail(number: int, example: Example) -> str:
    """What the table only counts of an example, each text a field: its turns before the answer, and its checks."""
    first = len(example.chat) - 1 - MAX_TURNS
    hidden = f'<p class="quiet">{counted(first, "turn")} before</p>' if first > 0 else ""
    turns = "".join(_turn(example, n) for n in range(max(first, 0), len(example.chat) - 1))
    return (
        f'<section class="sample detail fields"><h4>Example {number}'
        '<button type="button" class="drop" data-do="close" aria-label="Close" title="Close">✕</button></h4>'
        f"{hidden}<dl>{_system(example)}{turns}</dl>{_new_exchange(example)}{_checks(example)}</section>"
    )


def _system(example: Example) -> str:
    first = example.chat[0]
    text = first["content"] if first["role"] == "system" else ""
    if len(text) > MAX_TURN:
        return ""  # shown among the turns, cut
    field = _field("system", str(example.id), "System message", text, "None: nothing stands before the chat")
    return f"<div><dt>System</dt><dd>{field}</dd></div>"


def _turn(example: Example, n: int) -> str:
    """A turn before the answer: what is said in it, and the tools that are called."""
    turn = example.chat[n]
    id_, role = f"{example.id} {len(example.chat)} {n}", ROLES[turn["role"]]
    if len(turn["content"]) > MAX_TURN:
        hidden = len(turn["content"]) - MAX_TURN
        said = [_said(f"{turn['content'][:MAX_TURN]} … and {hidden:,} characters more")]
    elif role == "System":
        return ""
    elif n == len(example.messages):  # the table has the field
        said = [_said(example.prompt)]
    else:
        said = [_field("turn", id_, f"{role}, turn {n + 1}", turn["content"], "Nothing is said")]
    for k, call in enumerate(turn.get("tool_calls", ())):
        name, text = call["function"]["name"], json.dumps(call["function"]["arguments"], ensure_ascii=False)
        field = _field("call", f"{id_} {k}", f"Arguments of {name}, turn {n + 1}", text)
        said.append(_said(f"calls {name} with") + (field if len(text) <= MAX_TURN else _said(text[:MAX_TURN])))
    is_earlier_prompt = role == "User" and n < len(example.messages)
    taken_with = "and what follows it" if role == "User" else "and what came of it"
    drop = (
        f'<button type="button" class="drop" data-do="remove turn" data-id="{id_}" data-sure="Remove?" '
        f'aria-label="Remove turn {n + 1} {taken_with}" title="Remove it {taken_with}">✕</button>'
        if is_earlier_prompt or turn.get("tool_calls")
        else ""
    )
    return f"<div><dt>{role}</dt><dd>{''.join(said)}</dd>{drop}</div>"


def _said(text: str) -> str:
    return f'<span class="said">{escape(text)}</span>'


def _new_exchange(example: Example) -> str:
    new = f'data-id="{example.id} {len(example.chat)}"'  # of another form once the turns are there
    return (
        f'<div class="form"><textarea rows="1" data-field="prompt" {new} aria-label="An earlier prompt" '
        f'placeholder="An earlier prompt"></textarea><textarea rows="1" data-field="answer" {new} '
        'aria-label="What was answered to it" placeholder="What was answered to it"></textarea>'
        f'<button type="button" class="add" data-do="exchange" data-id="{example.id}">Add turns</button></div>'
    )


def _checks(example: Example) -> str:
    listed = "".join(
        f'<li>{escape(said)}<button type="button" class="drop" data-do="uncheck" '
        f'data-id="{example.id} {escape(said)}" data-sure="Remove?" aria-label="Remove the check: {escape(said)}" '
        'title="Remove the check">✕</button></li>'
        for said in (check.text() for check in example.checks)
    )
    kinds = "".join(
        f'<option value="{kind}">{escape(said.format("…", s="s"))}</option>' for kind, said in SENTENCES.items()
    )
    return (
        f'<p class="quiet">Checks of the answer{"" if listed else ": none, so that the right answer alone passes"}</p>'
        f'<ul>{listed}</ul><div class="form"><select data-field="kind" aria-label="Kind of check">{kinds}</select>'
        f'<input data-field="value" data-id="{example.id} {len(example.checks)}" '
        'aria-label="Text, pattern or number that is meant" placeholder="Text, pattern or number">'
        f'<button type="button" class="add" data-do="check" data-id="{example.id}">Add check</button></div>'
    )


def _field(what: str, id_: str, label: str, text: str, hint: str = "", rows: int = 1) -> str:
    """A text that is sent when it was edited."""
    # the line break after the tag is dropped by the browser; without it, one of the text's own would be
    return (
        f'<textarea rows="{rows}" data-do="{what}" data-id="{id_}" aria-label="{escape(label)}" '
        f'placeholder="{hint}">\n{escape(text)}</textarea>'
    )


def faults(found: Sequence[Fault], numbers: dict[int, int]) -> str:
    """What is wrong with the chosen skills and examples; errors keep a training from starting.

    `numbers` are the examples' in their table, by id.
    """
    ordered = sorted(found, key=lambda fault: fault.severity != "error")
    items = "".join(
        f'<li class="problem" data-severity="{fault.severity}"><b>{_place(fault, numbers)}</b> '
        f"{escape(fault.message)}</li>"
        for fault in ordered[:MAX_FAULTS]
    )
    hidden = len(found) - MAX_FAULTS
    return f"<ul>{items}{f'<li>and {hidden:,} more</li>' if hidden > 0 else ''}</ul>" if found else ""


def _place(fault: Fault, numbers: dict[int, int]) -> str:
    kind = fault.severity.capitalize()
    return kind if fault.example is None else f"{kind}, {escape(fault.skill_name)} {numbers.get(fault.example, '')}"


def estimate(minutes: float, kept_out: int, before: int) -> str:
    """How long a training will take: `kept_out` are the examples that it is judged by, `before` the trainings, of all
    people, that come first."""
    from training.refit import MEASURING, RefitConfig, usual_minutes  # imports torch

    examples, seconds = counted(kept_out, "kept-out example"), 60 * minutes
    usual = usual_minutes()
    slower = usual / RefitConfig.minutes
    measured = f"measuring {examples} before and after"
    if slower * SECONDS_A_QUESTION * (kept_out + MEASURED_TOO) > MEASURING * seconds:
        measured = f"measuring, before and after, as many of {examples} as there is time for"
    said = f"Takes at most {duration(seconds)}, including {measured}; it stops earlier once it no longer improves."
    if seconds < slower * SHORT:
        said += f" Reading and measuring leave few steps to learn in: give it {usual:g} minutes or more."
    others = "training" if before == 1 else f"{before:,} trainings"
    queue = f" It starts after the {others} already waiting or running on this server." if before else ""
    return f'<p class="hint">{said}{queue}</p>'


# ---- the trainings ----


def in_use(job: Job | None, problem: str = "") -> str:
    """The line at the top of the page while a visitor's own hypernetwork generates; '' while the shipped one does."""
    if problem:
        return f'<p class="line" data-state="failed">{escape(problem)}</p>'
    if job is None:
        return ""
    return f'<p class="line">Adapters come from <b>your hypernetwork</b>, trained on {escape(job.title)}.</p>'


def jobs(found: Sequence[Job], shown: str) -> str:
    """The list of a person's trainings; one alone needs no list."""
    if len(found) < 2:
        return ""
    items = []
    for job in found:
        current = ' aria-current="true"' if job.id == shown else ""
        items.append(
            f'<li{current}><button type="button" class="name" data-do="job" data-id="{escape(job.id)}">'
            f'{escape(job.title)}</button><span class="quiet">{when(job.created)}</span>{_chip(job)}</li>'
        )
    return f'<ul class="choices">{"".join(items)}</ul>'


def state(job: Job | None, days: float = math.inf, gigabytes: float = math.inf) -> str:
    """What is announced of a training: its name and how it stands; one that has ended is kept for so many days.

    Where `gigabytes`, of all trainings, are limited too, it may be deleted sooner.
    """
    if job is None:
        return f'<p class="hint">{NO_JOBS}</p>'
    said = {
        "queued": f"It is {_in_queue(job.place or 1)} and starts by itself. You may close the page.",
        "running": (
            "It finishes its step, then measures the best state so far."
            if job.finishing
            else "It goes on when you close the page."
        ),
        "stopping": "It finishes its step and saves.",
        "stopped": "What it learned is saved. Resume goes on from there.",
        "failed": (
            "Resume goes on from what it had saved. If it fails again, discard it and start a new one with fewer or "
            "shorter examples."
        ),
        "finished": "",
    }[job.state]
    if job.state in ("stopped", "failed", "finished") and not math.isinf(days):
        kept = f"{days:g} days" if math.isinf(gigabytes) else f"up to {days:g} days, less where room is short"
        said += f" Unless it is in use, this server keeps it for {kept}."
    return f'<h3>{escape(job.title)}{_chip(job)}</h3><p class="quiet">{said}</p>'


def progress(job: Job, curve: Sequence[dict]) -> str:
    """How a training goes: step, speed, time left, the plot of the loss, and answers as they change."""
    lines = [line for line in curve if _number(line.get("step")) is not None]
    failure = f'<pre class="log" tabindex="0" aria-label="How it ended">{escape(job.message)}</pre>'
    parts = [failure] if job.state == "failed" and job.message else []
    last = {key: _last(lines, key) for key in ("step", "tokens_per_second", "left_seconds", "seconds")}
    facts = []
    if last["step"] is not None:
        facts.append(("Step", f"{last['step']:,.0f}"))
    elif job.state == "running":
        facts.append(("Step", "reading the skills"))
    if last["tokens_per_second"] is not None:
        facts.append(("Speed", f"{last['tokens_per_second']:,.0f} tokens/s"))
    if last["seconds"] is not None:
        facts.append(("Trained for", duration(last["seconds"])))
    if job.state == "running" and last["left_seconds"] is not None:
        facts.append(("Time left", duration(last["left_seconds"])))
    if facts:
        parts.append(f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{value}</dd></div>' for name, value in facts)}</dl>")
    return "".join([*parts, plot(lines), _samples(lines)])


def plot(lines: Sequence[dict]) -> str:
    """The loss on what is learned from and on what is kept out, by step; '' before there is a point."""
    learned, kept = _series(lines, "loss"), _series(lines, "kept_out")
    if not (learned or kept):
        return ""
    end = max(step for step, _ in (*learned, *kept)) or 1
    ticks = _ticks(max(value for _, value in (*learned, *kept)))
    top = ticks[-1]

    def place(points: Iterable[tuple[float, float]]) -> list[str]:
        return [f"{100 * step / end:.2f},{100 - 100 * min(max(value / top, 0), 1):.2f}" for step, value in points]

    # Stretched to any width; strokes keep their width, and a line of no length with round ends is a dot.
    grid = "".join(f'<path class="grid" d="M0,{100 - 100 * tick / top:.2f}H100"/>' for tick in ticks)
    drawn = f'<polyline class="learned" points="{" ".join(place(learned))}"/>'
    drawn += f'<polyline class="kept" points="{" ".join(place(kept))}"/>'
    drawn += f'<path class="kept dots" d="{"".join(f"M{at}h0" for at in place(kept))}"/>'
    legend = []
    said = [f"Loss by training step, 0 to {end:,.0f}."]
    for name, kind, points in (("learned from", "learned", learned), ("kept out", "kept", kept)):
        if points:
            change = f"{points[0][1]:.2f} → {points[-1][1]:.2f}" if len(points) > 1 else f"{points[0][1]:.2f}"
            legend.append(f'<span class="{kind}">Loss, {name} <b>{change}</b></span>')
            said.append(f"On what is {name}: {change}.")
    heights = "".join(f'<span style="bottom:{100 * tick / top:.2f}%">{tick:g}</span>' for tick in ticks)
    middle = f"<span>{end / 2:,.0f}</span>" if end >= 10 else ""
    return (
        f"<figure><figcaption>{''.join(legend)}</figcaption>"
        f'<div class="area" role="img" aria-label="{" ".join(said)}"><div class="heights">{heights}</div>'
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">{grid}{drawn}</svg>'
        f'<div class="steps"><span>step 0</span>{middle}<span>{end:,.0f}</span></div></div></figure>'
    )


def _samples(lines: Sequence[dict]) -> str:
    """Kept-out prompts with their answers as they changed, the newest first."""
    histories: dict[tuple[str, str], list[tuple[float, str]]] = {}
    expected: dict[tuple[str, str], str] = {}
    for line in lines:
        for sample in line.get("samples") or ():
            key = (str(sample.get("skill", "")), str(sample.get("prompt", "")))
            expected[key] = str(sample.get("expected", ""))
            histories.setdefault(key, []).append((line["step"], str(sample.get("answer", ""))))
    cards = []
    for key, history in list(histories.items())[:MAX_SAMPLES]:
        # an answer that stays the same is told once, with the step at which it came
        changes = [next(same) for _, same in groupby(history, key=lambda point: point[1])]
        rows = "".join(
            _answer(f"Step {step:,.0f}", answer, expected[key]) for step, answer in reversed(changes[-MAX_HISTORY:])
        )
        cards.append(
            f'<section class="sample"><h4>{escape(key[0])}</h4><p class="asked">{escape(key[1])}</p>'
            f"<dl>{_answer('Expected', expected[key])}{rows}</dl></section>"
        )
    title = "<h3>Answers to prompts that were kept out</h3>"
    return f'{title}<div class="samples">{"".join(cards)}</div>' if cards else ""


# ---- afterwards ----


def report(found: dict) -> str:
    """What became better and what became worse: a sentence, a plot, a table, and answers side by side."""
    parts = [part for part in found.get("parts") or () if isinstance(part, dict)]
    rows = "".join(map(_part, parts))
    head = "<tr><th></th><th>Before</th><th>After</th><th>Change</th></tr>"
    table = f'<table class="figures"><thead>{head}</thead>{rows}</table>' if rows else ""
    sentence = found.get("sentence")
    verdict = f'<p class="verdict">{escape(str(sentence))}</p>' if sentence else ""
    steps, seconds = _number(found.get("steps")), _number(found.get("seconds"))
    took = f'<p class="quiet">{steps:,.0f} steps in {duration(seconds)}</p>' if steps and seconds else ""
    return f"{verdict}{took}{_spans(parts)}{table}{_side_by_side(found.get('answers') or ())}"


def _part(part: dict) -> str:
    """A part of the report: a row for each measure."""
    number = _number(part.get("n"))
    name = str(part.get("name", ""))
    title = escape(PARTS.get(name, (name,))[0])
    size = f' <span class="quiet">n = {number:,.0f}</span>' if number is not None else ""
    rows = []
    for measure, before, after in _measured(part):
        form, better, change = measure.form, measure.better, after - before
        shown = measure.form_change(abs(change))
        none = shown == measure.form_change(0)
        kind = "same" if none or better is None else "better" if (change > 0) == better else "worse"
        sign = "" if none else "+" if change > 0 else "\u2212"
        rows.append(
            f'<tr><th scope="row">{measure.name}</th><td>{form(before)}</td><td>{form(after)}</td>'
            f'<td data-change="{kind}">{sign}{shown}</td></tr>'
        )
    return f'<tbody><tr class="part"><th colspan="4">{title}{size}</th></tr>{"".join(rows)}</tbody>'


def _measured(part: dict) -> list[tuple[Measure, float, float]]:
    """(measure, before, after) of the measures that a part has both values of."""
    before, after = part.get("before") or {}, part.get("after") or {}
    pairs = {key: (_number(before.get(key)), _number(after.get(key))) for key in MEASURES}
    return [(MEASURES[key], *pair) for key, pair in pairs.items() if None not in pair]


def _spans(parts: Sequence[dict]) -> str:
    """The plot of before and after: for each share in percent a line from the one to the other."""
    rows = []
    for part in parts:
        name = str(part.get("name", ""))
        short = escape(PARTS.get(name, (name,))[-1])
        for measure, before, after in _measured(part):
            if not measure.better:
                continue
            form, label = measure.form, measure.name[0].lower() + measure.name[1:]
            low, high = sorted(min(max(value, 0), 100) for value in (before, after))
            kind = "better" if after > before else "worse" if after < before else "same"
            rows.append(
                f'<div class="row"><span>{short}: {label}</span>'
                f'<div class="track" role="img" aria-label="{form(before)} before, {form(after)} after" '
                f'data-change="{kind}"><i class="span" style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
                f'<i class="before" style="left:{min(max(before, 0), 100):.1f}%"></i>'
                f'<i class="after" style="left:{min(max(after, 0), 100):.1f}%;background:currentColor"></i></div>'
                f"<b>{form(after)}</b></div>"
            )
    legend = '<figcaption><span>before</span><span class="is">after</span></figcaption>'
    return f'<figure class="spans">{legend}{"".join(rows)}</figure>' if rows else ""


def pushed(done: Pushed) -> str:
    """Where on the Hub a hypernetwork is now."""
    how = "in a new repository" if done.is_new else "as a new revision"
    return f'<p class="line" data-state="done">Pushed {how}: {link(done.url, done.repository)}</p>'


def _side_by_side(answers: Sequence[dict]) -> str:
    cards = []
    for answer in [answer for answer in answers if isinstance(answer, dict)][:MAX_ANSWERS]:
        skill, prompt, expected, before, after = (
            str(answer.get(key, "")) for key in ("skill", "prompt", "expected", "before", "after")
        )
        cards.append(
            f'<section class="sample"><h4>{escape(skill)}</h4><p class="asked">{escape(prompt)}</p><dl>'
            f"{_answer('Expected', expected)}{_answer('Before', before, expected)}{_answer('After', after, expected)}"
            "</dl></section>"
        )
    hidden = len(answers) - MAX_ANSWERS
    more = f'<p class="quiet">and {hidden:,} more in its report.json</p>' if hidden > 0 else ""
    title = "<h3>Answers before and after, to prompts that were kept out</h3>"
    return f'{title}<div class="samples">{"".join(cards)}</div>{more}' if cards else ""


def _answer(label: str, text: str, expected: str | None = None) -> str:
    """A line of a card; where it can be, with the mark of an answer that is the expected one or not."""
    verdict = "" if expected is None else "passes" if text.strip() == expected.strip() else "differs"
    mark = f' data-verdict="{verdict}"' if verdict else ""
    said = f'<span class="unseen">{"as expected" if verdict == "passes" else "differs"}: </span>' if verdict else ""
    return f"<div{mark}><dt>{label}</dt><dd>{said}{escape(text) or '<i>nothing</i>'}</dd></div>"


# ---- small things ----


def duration(seconds: float) -> str:
    """A time for people: seconds below two minutes, minutes below two hours."""
    if seconds < 120:
        return f"{max(seconds, 0):.0f}{NBSP}s"
    if seconds < 7200:
        return f"{seconds / 60:.0f}{NBSP}min"
    return f"{seconds / 3600:.1f}{NBSP}h"


def _chip(job: Job) -> str:
    said = f"waiting, {_in_queue(job.place)}" if job.place else job.state
    return f'<span class="chip" data-job="{job.state}">{said}</span>'


def _in_queue(number: int) -> str:
    return "next in the queue" if number == 1 else f"number {number} in the queue"


def _number(value: object) -> float | None:
    """A number that can be drawn, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _last(lines: Sequence[dict], key: str) -> float | None:
    return next((found for line in reversed(lines) if (found := _number(line.get(key))) is not None), None)


def _series(lines: Sequence[dict], key: str) -> list[tuple[float, float]]:
    """(step, value) in the order of steps; of a step that was run twice, the later; means where there are too many."""
    by_step = {line["step"]: value for line in lines if (value := _number(line.get(key))) is not None}
    points = sorted(by_step.items())
    size = math.ceil(len(points) / MAX_POINTS)
    if size < 2:
        return points
    first, rest = points[0], points[1:]  # step 0 stays what it was
    groups = [rest[start : start + size] for start in range(0, len(rest), size)]
    return [first, *((group[-1][0], sum(value for _, value in group) / len(group)) for group in groups)]


def _ticks(highest: float) -> list[float]:
    """Round values from 0 to just above the highest, three to six of them."""
    rough = max(highest, 1e-6) / 4
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [round(step * i, 10) for i in range(math.ceil(max(highest, 1e-6) / step - 1e-9) + 1)]
