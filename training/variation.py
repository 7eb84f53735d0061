"""A skill's text in other words and layouts, so that a hypernetwork learns what it says and not how it looks.

Only what no answer depends on is changed: marks of lists, heading levels, stock phrases in running text, the
frontmatter, and a sentence of noise before or after. Code, quotes, tables and what looks like a template stay.
"""

import random
import re

from skills.skill import Skill, SkillError
from training.tasks.wording import NOISE

_PHRASES = (
    ("must", "has to"),
    ("always", "every time"),
    ("never", "at no time"),
    ("do not", "don't"),
    ("answer with", "reply with"),
    ("when", "whenever"),
    ("instead of", "in place of"),
)
# what stands there must come out letter by letter: code, quotes, table rows, indented lines
_CODE = re.compile(r"(```.*?```|`[^`\n]*`|\"[^\"\n]*\"|^(?:[ \t]*\||[ ]{4}|\t)[^\n]*)", re.DOTALL | re.MULTILINE)
# a phrase that another word follows, and that is not itself the word that is talked about
_IN_TEXT = r"(?<![\w-])(?<!\bword )(?<!\bwords ){}(?= [a-z])"
_NO_TEMPLATE = r"(?=[^\n]*[a-z])(?![^\n]*[<{\[])"  # a line in words: neither capitals alone nor a placeholder


def vary(text: str, rng: random.Random) -> str:
    """The skill's text told differently; the same state of `rng` gives the same text."""
    try:
        skill = Skill.parse(text)
        body = skill.body
        is_told = not body.strip() or rng.random() < 0.5  # without a body the frontmatter is all that it says
        head = text[: len(text) - len(body)] if text.endswith(body) and is_told else ""
    except SkillError:
        head, body = "", text
    pieces = _CODE.split(body)
    pieces[::2] = [_reworded(piece, rng) for piece in pieces[::2]]
    noise = rng.choice(NOISE)
    told = rng.choice(("{body}", "{body}", "{noise}\n\n{body}", "{body}\n\n{noise}"))
    return head + told.format(body="".join(pieces).strip("\n"), noise=noise) + "\n"


def _reworded(prose: str, rng: random.Random) -> str:
    for phrase, other in _PHRASES:
        if rng.random() < 0.3:
            prose = re.sub(_IN_TEXT.format(re.escape(phrase)), other, prose)
    if rng.random() < 0.5:
        prose = re.sub(rf"^[-*] {_NO_TEMPLATE}", rng.choice(("- ", "* ", "+ ")), prose, flags=re.MULTILINE)
    if rng.random() < 0.3:
        prose = re.sub(rf"^#{_NO_TEMPLATE}", "##", prose, flags=re.MULTILINE)
    return prose
