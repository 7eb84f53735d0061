"""The markup of the page's parts, as pure functions: plain values in, HTML out.

Skills, prompts and answers are untrusted. Every text passes through `escape` here, so markup in it is shown, never run.
"""

import time
from collections.abc import Sequence
from html import escape

from skills.archive import EVALS
from skills.scan import Finding, Severity
from skills.skill import Problem
from studio.fidelity import COLUMNS, UNKNOWN, Fidelity
from studio.intake import Arrival
from studio.service import (
    CUT_OFF,
    MAX_SHARE,
    PANES,
    STACK_PANES,
    AdapterInfo,
    Comparison,
    Examination,
    Overlap,
    PaneView,
    Status,
)
from studio.sharing import Brought
from studio.wording import counted

NBSP = "\u00a0"  # keeps a number and its unit on one line
MAX_PROBLEMS = 20  # shown at once; the rest is counted
MAX_QUOTE = 80  # characters of a line that is quoted beside its problem
MAX_FINDINGS = 40  # shown at once; the gravest come first
MAX_LEFT = 8  # names of files that are told

# How grave a finding is -> its word, and the look of its line
SEVERITIES: dict[Severity, tuple[str, str]] = {
    "block": ("Blocked", "error"),
    "ask": ("Check this", "warning"),
    "note": ("Note", "note"),
}

_EMPTY_PANES = (
    "The model alone: it gets your prompt and nothing else.",
    "The model gets the whole text of the skill, then your prompt.",
    "The model gets your prompt only. The skill is in the adapter.",
)
_EMPTY_STACK_PANES = (
    _EMPTY_PANES[0],
    "The model gets the texts of all skills, one after another, then your prompt.",
    "The model gets your prompt only. All skills are in one adapter, by their weights.",
)


def model_state(status: Status) -> str:
    """The line that says whether the base model is there."""
    message = f"Ready: {status.message}" if status.state == "ready" else status.message
    return f'<p class="line" data-state="{status.state}">{escape(message)}</p>'


def activity(message: str, state: str = "idle") -> str:
    """The line that says what is going on; `state` is idle, busy, done or failed."""
    return f'<p class="line" data-state="{state}">{escape(message)}</p>' if message else ""


def notice(message: str) -> str:
    """A message that says what was wrong."""
    return f'<p class="problem" data-severity="error">{escape(message)}</p>'


def live_line(examination: Examination, text: str) -> str:
    """Length of the skill, its problems with their lines, and what keeps an adapter from being made."""
    problems = examination.problems
    length = f"{len(text):,} characters" if examination.tokens is None else f"{examination.tokens:,} tokens"
    is_new = bool(examination.blocking) and not any(each.message in examination.blocking for each in problems)
    warnings = sum(problem.severity != "error" for problem in problems)
    errors = len(problems) - warnings + is_new
    counts = [counted(number, kind) for number, kind in ((errors, "error"), (warnings, "warning")) if number]
    verdict = ", ".join(counts) or "meets the specification"
    grave = [finding for finding in examination.findings if finding.severity != "note"]
    if grave:
        verdict += f", {counted(len(grave), 'scan finding')}"
    blocked = any(finding.severity == "block" for finding in grave)
    state = "error" if errors or blocked else "warning" if problems or grave else "valid"
    parts = [f'<p class="length"><b>{length}</b> <span data-severity="{state}">{verdict}</span></p>']
    if is_new:
        parts.append(notice(examination.blocking))
    if problems:
        lines = text.splitlines()
        items = "".join(_problem(problem, lines) for problem in problems[:MAX_PROBLEMS])
        hidden = len(problems) - MAX_PROBLEMS
        parts.append(f"<ul>{items}{f'<li>and {hidden:,} more</li>' if hidden > 0 else ''}</ul>")
    if grave:
        parts.append(_findings(grave))
    return "".join(parts)


def asked(arrival: Arrival) -> str:
    """What was found in a skill that has come in, and whether it can be opened."""
    grave = [finding for finding in arrival.findings if finding.severity != "note"]
    said = {
        "block": "was not opened: it contains what no skill should. Nothing was done with it.",
        "ask": "is not open yet. Check this first; nothing was done with it so far.",
    }[arrival.gravest]
    severity = "error" if arrival.gravest == "block" else "warning"
    what = f"<b>{escape(arrival.name)}</b> from {_source(arrival)}"
    head = f'<p class="problem" data-severity="{severity}">{what} {said}</p>'
    notes = arrival.findings[len(grave) :]
    return head + _findings(grave) + _folded(notes, "further note") + _not_taken(arrival)


def opened(arrival: Arrival) -> str:
    """What has come in with a skill that was opened: examples, notes of the scan, files that are left."""
    examples = f", with {counted(len(arrival.evals), 'example')}" if arrival.evals else ""
    said = f"Opened <b>{escape(arrival.name)}</b> from {_source(arrival)}{examples}."
    found = arrival.findings
    clean = "" if found else " The scan found nothing."
    return f'<p class="line" data-state="done">{said}{clean}</p>' + _folded(found, "scan finding") + _not_taken(arrival)


def beside(brought: Brought, kept: bool, keeps: bool) -> str:
    """What the skill in the editor has beside its text, and how long.

    `kept`: it is in the visitor's part of the library; `keeps`: it could be.
    """
    others = [name for name in brought.files if name != EVALS]
    if not others and not brought.evals:
        return ""
    names = brought.files or (EVALS,)
    save = f"not saved yet: press Save to keep {'it' if len(names) == 1 else 'them'}."
    where = (
        "kept with it."
        if kept
        else (save if keeps else "not kept: this server keeps no skills.")
        + (" A reload keeps only the text and its examples." if others else "")
    )
    bundle = "Download gives the text alone, the bundle under Share all of it."
    return f'<p class="hint">Beside the text: {_names(names)}, {where} {bundle}</p>'


def expected_line(expected: str | None, has_examples: bool, edited: bool = False) -> str:
    """What the panes are compared with, or why there is nothing; `edited`: the skill has examples of the text as it
    ships, which was changed."""
    if expected is not None and edited:
        said = "You changed this skill, so the answers are not judged. As it ships, it asks for"
        return f'<p class="expected"><span>{said}</span> <code>{escape(expected)}</code></p>'
    if expected is not None:
        return f'<p class="expected"><span>Expected answer</span> <code>{escape(expected)}</code></p>'
    reason = "This prompt is your own" if has_examples else "This skill brings no examples"
    return f'<p class="expected"><span>{reason}, so there is no expected answer to compare with.</span></p>'


def from_link(message: str, same: bool | None) -> str:
    """What is to say of a comparison that a link asks for; `same`: whether the link was made from these answers."""
    state = {True: "done", False: "failed", None: "idle"}[same]
    return f'<p class="line" data-state="{state}">{escape(message)}</p>'


def panes(comparison: Comparison | None, stacked: bool = False) -> str:
    """The three panes side by side, for one skill or for several at once; None: before anything was asked."""
    titles, empty = (STACK_PANES, _EMPTY_STACK_PANES) if stacked else (PANES, _EMPTY_PANES)
    views = comparison.panes if comparison else (None,) * len(PANES)
    answering = comparison is not None and comparison.phase == "answering"
    bodies = zip(titles, empty, views, strict=True)
    return f'<div class="panes">{"".join(_pane(title, empty, view, answering) for title, empty, view in bodies)}</div>'


def fidelity(found: Fidelity | None, has_examples: bool = True, edited: bool = False) -> str:
    """How a skill does on its examples: a row of marks for each column, and what they mean; None: not checked.

    `edited`: the examples are of the text as it ships, which was changed.
    """
    if found is None:
        return "" if has_examples else f'<p class="hint">{UNKNOWN}</p>'
    rows = "".join(_marks(title, column, found) for title, column in zip(PANES, COLUMNS, strict=True))
    whose = " of the skill as it ships, which you changed" if edited else ""
    heading = f"<h3>{escape(found.skill_name)} on {counted(found.n, 'example')}{whose}</h3>"
    verdict = ""
    if found.verdict:
        kind = ' data-severity="warning"' if found.beyond else ""
        verdict = f'<p class="verdict"{kind}>{escape(found.verdict)}</p>'
    note = f'<p class="note">{escape(found.note)}</p>' if found.note else ""
    return f'<section class="fidelity">{heading}<table><tbody>{rows}</tbody></table>{verdict}{note}</section>'


def adapter_card(info: AdapterInfo | None, saved: int | None, problem: str = "") -> str:
    """Where the adapter came from and what it costs; `saved`: prompt tokens that it spares each call."""
    if info is None:
        return '<p class="hint">No adapter yet. Compare makes one from the text of the skill.</p>'
    made = "just now" if info.fresh else "earlier, from this same text"
    mixed = ", ".join(f"{escape(name)} ({share:g})" for name, share in info.shares)
    facts = [
        ("Stacked from", mixed)
        if mixed
        else ("Made from", f"{escape(info.skill_name)} <code>{escape(info.sha256[:12])}</code>"),
        ("Made in", f"{_seconds(info.seconds)}, {made}"),
        ("Size", f"{size(info.size_bytes)}, rank {info.rank}"),
        ("Text", f"{info.tokens:,} tokens"),
    ]
    if saved is not None:
        facts.append(("Saved per call", f"{saved:,} prompt tokens"))
    facts.append(("For", f"{escape(info.base_name)} <code>{escape(info.base_fingerprint[:12])}</code>"))
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return f"<dl>{rows}</dl>" + (notice(problem) if problem else "")


def stack(parts: Sequence[tuple[str, str, float]]) -> str:
    """The (key, name, weight) of each skill of a stack, the one in the editor without a name; none: one is alone."""
    if not parts:
        return (
            '<p class="hint">Each skill gets a weight, and you see how far they overlap before they are mixed. '
            "The last pane then runs on one adapter for all of them, the middle one on all their texts.</p>"
        )
    rows = []
    for key, name, share in parts:
        said = escape(name) if name else "The skill in the editor"
        id_ = escape(key)
        drop = (
            f'<button type="button" class="drop" data-do="remove" data-id="{id_}" aria-label="Remove {said}" '
            'title="Remove from the stack">✕</button>'
        )
        rows.append(
            f'<li><span class="name">{said}</span>'
            f'<input type="range" min="0" max="{MAX_SHARE:g}" step="0.1" value="{share:g}" data-do="share" '
            f'data-id="{id_}" aria-label="Weight of {said}"><output>{share:.1f}</output>{drop if name else ""}</li>'
        )
    return f'<ul class="choices">{"".join(rows)}</ul>'


def overlaps(found: Sequence[Overlap]) -> str:
    """How far each pair of a stack points the same way: a bar, the number, and what it means."""
    rows = "".join(
        f"<li><span>{escape(each.first)}, {escape(each.second)}</span>"
        f'<span class="bar" aria-hidden="true" style="--part: {100 * min(1.0, max(0.0, each.cosine)):.0f}%"></span>'
        f"<span><b>{each.cosine:.2f}</b>: {escape(each.words)}</span></li>"
        for each in found
    )
    return f'<ul class="overlaps">{rows}</ul>' if rows else ""


def stale_check(stale: bool) -> str:
    """A warning that the check on show and the editor hold different texts."""
    text = "This check is of an earlier text. Press Check on its examples for the new one."
    return f'<p class="problem" data-severity="warning">{text}</p>' if stale else ""


def stale_line(stale: bool) -> str:
    """A warning that the adapter and the editor hold different texts."""
    text = "This adapter was made from an earlier text. Compare makes a new one."
    return f'<p class="problem" data-severity="warning">{text}</p>' if stale else ""


def when(seconds: float | None) -> str:
    """A moment, for people."""
    return time.strftime("%d %b, %H:%M", time.localtime(seconds)) if seconds else ""


def size(count: int) -> str:
    """Bytes, for people."""
    return f"{count / 1e6:.1f}{NBSP}MB" if count >= 1e6 else f"{count / 1e3:.1f}{NBSP}kB"


def _source(arrival: Arrival) -> str:
    source = arrival.source
    return f"<code>{escape(source if len(source) <= MAX_QUOTE else source[: MAX_QUOTE - 1] + '…')}</code>"


def _not_taken(arrival: Arrival) -> str:
    """Which files of a skill the studio does not take."""
    if not arrival.not_taken:
        return ""
    return f'<p class="hint">Left out, because each bundle makes them again: {_names(arrival.not_taken)}.</p>'


def _names(names: Sequence[str]) -> str:
    listed = ", ".join(f"<code>{escape(name[:MAX_QUOTE])}</code>" for name in names[:MAX_LEFT])
    return listed + (f" and {len(names) - MAX_LEFT:,} more" if len(names) > MAX_LEFT else "")


def _folded(findings: Sequence[Finding], what: str) -> str:
    if not findings:
        return ""
    return f"<details><summary>{counted(len(findings), what)}</summary>{_findings(findings)}</details>"


def _findings(findings: Sequence[Finding]) -> str:
    items = "".join(map(_finding, findings[:MAX_FINDINGS]))
    hidden = len(findings) - MAX_FINDINGS
    return f"<ul>{items}{f'<li>and {hidden:,} more</li>' if hidden > 0 else ''}</ul>"


def _finding(finding: Finding) -> str:
    kind, severity = SEVERITIES[finding.severity]
    place = [escape(finding.path[:MAX_QUOTE])] if finding.path not in ("", "SKILL.md") else []
    place += [f"line {finding.line}"] if finding.line else []
    head = f"<b>{', '.join([kind, *place])}</b> {escape(finding.message)}"
    return f'<li class="problem" data-severity="{severity}">{head}<span class="fix">{escape(finding.fix)}</span></li>'


def _problem(problem: Problem, lines: list[str]) -> str:
    line = lines[problem.line - 1].strip() if 0 < problem.line <= len(lines) else ""
    quote = line if len(line) <= MAX_QUOTE else line[: MAX_QUOTE - 1] + "…"
    head = f"<b>{problem.severity.capitalize()}, line {problem.line}</b> {escape(problem.message)}"
    quoted = f" <code>{escape(quote)}</code>" if quote else ""
    fix = f'<span class="fix">{escape(problem.fix)}</span>'
    return f'<li class="problem" data-severity="{problem.severity}">{head}{quoted}{fix}</li>'


def _pane(title: str, empty: str, view: PaneView | None, answering: bool) -> str:
    if view is None:
        return f'<section class="pane"><h3>{escape(title)}</h3><p class="hint">{empty}</p></section>'
    chip = ""
    if view.passed is not None:
        verdict = "passes" if view.passed else "differs"
        chip = f'<span class="chip" data-verdict="{verdict}">{verdict}</span>'
    caret = '<span class="caret" aria-hidden="true"></span>' if answering and not view.done else ""
    nothing = '<span class="hint">An empty answer.</span>' if view.done and not view.text else ""
    more = " Raise Length under Settings." if view.note == CUT_OFF else ""
    note = f'<p class="note">{escape(view.note)}{more}</p>' if view.note else ""
    label = f'tabindex="0" aria-label="{escape(title)}: answer"'
    answer = f'<pre class="answer" {label}>{escape(view.text)}{nothing}{caret}</pre>'
    details = f"{answer}{note}{_cost(view)}{_diff(view)}"
    return f'<section class="pane"><h3>{escape(title)}{chip}</h3>{details}</section>'


def _marks(title: str, column: str, found: Fidelity) -> str:
    """A row: the column's name, a mark for each example, and how many pass."""
    passed = found.passed.get(column, ())
    marks = []
    for number, prompt in enumerate(found.prompts, 1):
        state = "open" if number > len(passed) else "passes" if passed[number - 1] else "differs"
        said = f"{number}. {prompt}\nAnswer: {found.answers[column][number - 1]}" if state != "open" else prompt
        marks.append(f'<span class="mark" data-verdict="{state}" title="{escape(said)}"></span>')
    share = f"{sum(passed)} of {found.n}" if found.n and len(passed) == found.n else "…"
    which = ", ".join(str(number) for number, right in enumerate(passed, 1) if right) or "none"
    label = f"Examples that pass: {which}"
    return (
        f'<tr><th scope="row">{escape(title)}</th>'
        f'<td><span class="marks" role="img" aria-label="{label}">{"".join(marks)}</span></td><td>{share}</td></tr>'
    )


def _diff(view: PaneView) -> str:
    if all(kind == "same" for kind, _ in view.diff):
        return ""
    tags = {"same": "span", "add": "ins", "del": "del"}
    words = "".join(f"<{tags[kind]}>{escape(text)}</{tags[kind]}>" for kind, text in view.diff)
    # Where nothing is shared, the diff says no more than the two texts do: it stays folded.
    is_open = " open" if any(kind == "same" and text.strip() for kind, text in view.diff) else ""
    summary = "<summary>Word diff: expected and given answer</summary>"
    return f'<details class="diff"{is_open}>{summary}<pre>{words}</pre></details>'


def _cost(view: PaneView) -> str:
    costs = [counted(view.prompt_tokens, "prompt token")] if view.prompt_tokens else []
    if view.first_token_seconds is not None:
        costs.append(f"first token in {_seconds(view.first_token_seconds)}")
    if view.tokens_per_second is not None:
        costs.append(f"{view.tokens_per_second:.1f}{NBSP}tokens/s")
    return f'<p class="cost">{" · ".join(costs)}</p>' if costs else ""


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f}{NBSP}s" if seconds < 10 else f"{seconds:.0f}{NBSP}s"
