"""The markup of the sharing tab, as pure functions: plain values in, HTML out.

Everything that comes from the Hub or out of a bundle is untrusted. Every text passes through `escape` here, and only
web addresses become links.
"""

from collections.abc import Iterable, Sequence
from html import escape

from skills.archive import SkillFiles
from skills.scan import Finding
from studio.bundle import Mismatch, Verification
from studio.hub import Pushed, Shared
from studio.sharing import Incoming
from studio.views.render import SEVERITIES, size
from studio.wording import counted

MAX_FINDINGS = 30  # shown at once; the rest is counted
MAX_FILES = 60
MAX_TEXT = 20_000  # characters of a skill that are shown before it is opened
ADAPTER_TAG = "base_model:adapter:"  # the Hub makes it of a card's metadata

NOT_SIGNED_IN = (
    "A push goes to your own account, with your own token. It is used for the click that you make and kept nowhere."
)
NO_LIST = "Search shows here what people have shared. Nothing is asked of the Hub before you press it."
NOTHING_FOUND = "Nobody has shared a skill of that name. Try a part of it, or leave the field empty for all."
NOTHING_PULLED = (
    "A skill that you pull is shown here with everything that a careful person would want to know of it. You decide "
    "after that whether to open it."
)


def open_skill(source: SkillFiles | None, checked: bool, problem: str = "") -> str:
    """What a bundle of the skill in the editor holds, or why there is none of it."""
    if source is None:
        return f'<p class="problem" data-severity="error">{escape(problem)}</p>'
    others = len(source.files) - 1
    parts = ["SKILL.md", *([counted(others, "other file")] if others else []), "the adapter", "a model card"]
    held = f"{', '.join(parts[:-1])} and {parts[-1]}"
    evaluation = (
        "The card has the evaluation on the skill's own examples."
        if checked
        else "The card has no evaluation yet. To add one, press Check on its examples under Compare."
        if source.evals
        else "The skill has no examples, so the card has no evaluation."
    )
    return (
        f'<p class="subject"><bdi>{escape(source.skill.name)}</bdi></p><p class="hint">The bundle holds {held}. '
        f"{evaluation}</p>"
    )


def link(url: str, text: str) -> str:
    """A link that opens beside the page; the text alone where the address is none of the web."""
    if not url.startswith(("https://", "http://")):
        return escape(text)
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{escape(text)}</a>'


def account(name: str) -> str:
    """Whose token it is."""
    return f'<p class="line" data-state="done">Your account is <b><bdi>{escape(name)}</bdi></b>.</p>'


def pushed(done: Pushed, home: str) -> str:
    """What a push made; `home` is the address of the repository."""
    at = f"<code>{escape(done.commit[:12])}</code>"
    if done.is_pull_request:
        what = f"{link(done.url, 'A pull request')} waits at {link(home, done.repository)}, commit {at}."
    elif done.is_same:
        what = f"{link(home, done.repository)} already holds exactly this: {link(done.url, 'commit')} {at}."
    else:
        how = "Created" if done.is_new else "Pushed a new revision of"
        what = f"{how} {link(home, done.repository)}: {link(done.url, 'commit')} {at}."
    return f'<p class="outcome" data-state="done">{what}</p>'


def found(repositories: Sequence[Shared] | None) -> str:
    """What people have shared; None: before anything was asked."""
    if not repositories:
        return f'<p class="hint">{NO_LIST if repositories is None else NOTHING_FOUND}</p>'
    return f'<ul class="choices">{"".join(map(_shared, repositories))}</ul>'


def incoming(pulled: Incoming | None) -> str:
    """A skill that was pulled: what it is, what speaks against it, its text and its files."""
    if pulled is None:
        return f'<p class="hint">{NOTHING_PULLED}</p>'
    kind = "a bundle with its adapter" if pulled.kind == "bundle" else "a skill without an adapter"
    files = "".join(
        f"<li><code>{escape(name)}</code> {size(each)}</li>" for name, each in sorted(pulled.sizes.items())[:MAX_FILES]
    )
    hidden = len(pulled.sizes) - MAX_FILES
    text = pulled.text[:MAX_TEXT] + ("\n…" if len(pulled.text) > MAX_TEXT else "")
    return (
        f'<section class="pulled"><h3><bdi>{escape(pulled.skill.name)}</bdi></h3>'
        f'<p class="quiet"><bdi>{escape(pulled.repository)}</bdi> at commit <code>{escape(pulled.commit[:12])}</code>: '
        f"{kind}.</p><p><bdi>{escape(pulled.skill.description)}</bdi></p>"
        f"{mismatches(pulled.mismatches)}{findings(pulled.findings, nothing=NOTHING_FOUND_IN_IT)}"
        f'<details><summary>SKILL.md, {len(pulled.text):,} characters</summary><pre tabindex="0">{escape(text)}</pre>'
        f"</details><details><summary>{counted(len(pulled.sizes), 'file')}</summary><ul>{files}"
        f"{f'<li>and {hidden:,} more</li>' if hidden > 0 else ''}</ul></details></section>"
    )


NOTHING_FOUND_IN_IT = "The scan found nothing to look at. That does not prove it harmless: read it before you use it."


def findings(of: Sequence[Finding], nothing: str = "") -> str:
    """What the scan found, the gravest first, with lines and reasons."""
    if not of:
        return f'<p class="hint">{nothing}</p>' if nothing else ""
    items = "".join(map(_finding, of[:MAX_FINDINGS]))
    hidden = len(of) - MAX_FINDINGS
    return f'<ul class="findings">{items}{f"<li>and {hidden:,} more</li>" if hidden > 0 else ""}</ul>'


def mismatches(of: Iterable[Mismatch]) -> str:
    """In what a bundle is not what it says."""
    items = "".join(
        f'<li class="problem" data-severity="error"><b>{escape(each.path)}</b> {escape(each.message)}</li>'
        for each in of
    )
    return f'<ul class="findings">{items}</ul>' if items else ""


def verification(outcome: Verification) -> str:
    """Whether a bundle's adapter is the one of its text, and all that differs."""
    state = "done" if outcome.ok else "failed"
    return f'<p class="outcome" data-state="{state}">{escape(outcome.sentence)}</p>{mismatches(outcome.mismatches)}'


def _shared(each: Shared) -> str:
    facts = [counted(each.downloads, "download"), counted(each.likes, "like"), each.updated[:10]]
    base = next((tag.removeprefix(ADAPTER_TAG) for tag in each.tags if tag.startswith(ADAPTER_TAG)), "")
    about = f'<span class="quiet">for {escape(base)}</span>' if base else ""
    private = '<span class="chip">private</span>' if each.private else ""
    return (
        f'<li><button type="button" class="name" data-do="look" data-id="{escape(f"{each.repository}@{each.commit}")}">'
        f"<bdi>{escape(each.repository)}</bdi></button>{private}{about}"
        f'<span class="quiet">{escape(" · ".join(filter(None, facts)))}</span></li>'
    )


def _finding(finding: Finding) -> str:
    word, severity = SEVERITIES[finding.severity]
    place = f"{finding.path}, line {finding.line}" if finding.line else finding.path
    head = f"<b>{word}{': ' if place else ''}<bdi>{escape(place)}</bdi></b>"
    fix = f'<span class="fix">{escape(finding.fix)}</span>'
    return f'<li class="problem" data-severity="{severity}">{head} {escape(finding.message)}{fix}</li>'
