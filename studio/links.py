"""Links that reproduce a comparison. All of one stands behind the '#', which a browser sends to no server.

A link may come from anybody: it is read in bounds, and what it says of texts and models is held against what is here.
"""

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode

from skills.library import SkillLibrary
from skills.skill import MAX_TEXT, SkillError, is_valid_name
from studio.service import MAX_PROMPT, AdapterInfo, Settings, StudioError

VERSION = "1"
MAX_LINK = 16_000  # characters behind the '#': what mail and chat programs carry without cutting it
MARK = 32  # hex digits of a SHA-256 that tell texts and models apart
MAX_FIELDS = 20

_MARK = re.compile(r"[0-9a-f]{8,64}")
_SETTINGS = {"temperature": float, "length": int, "seed": int, "strength": float}


class LinkError(ValueError):
    """A link that can't be made or read; the message is ready to be shown."""


@dataclass(frozen=True)
class Link:
    """A comparison: the skill by its name in the library or as a text, what it is asked, and what it was made from.

    The marks are the first hex digits of SHA-256 sums; '' where the link does not say.
    """

    prompt: str
    settings: Settings = field(default_factory=Settings)
    name: str = ""  # in the library; '' for a text of one's own
    text: str = ""  # one's own
    digest: str = ""  # of the skill's text
    checkpoint: str = ""  # of the hypernetwork
    base: str = ""
    answers: str = ""  # of the three answers

    def fragment(self) -> str:
        """The link from its '#' on. Raises LinkError where it would be too long."""
        values = {"link": VERSION, "skill": self.name} if self.name else {"link": VERSION, "text": _packed(self.text)}
        values["prompt"] = self.prompt.encode("utf-8", "replace").decode()
        given = self.settings
        values |= {"temperature": given.temperature, "length": given.max_new_tokens}
        values |= {"seed": given.seed, "strength": given.strength}
        marks = {"digest": self.digest, "checkpoint": self.checkpoint, "base": self.base, "answers": self.answers}
        values |= {name: mark for name, mark in marks.items() if mark}
        fragment = "#" + urlencode(values, quote_via=quote)
        if len(fragment) > MAX_LINK:
            what = "The prompt" if self.name else "The skill's text and the prompt"
            raise LinkError(
                f"{what} would make a link of {len(fragment):,} characters; {MAX_LINK:,} is the most. "
                f"{'Shorten it' if self.name else 'Download the skill, and send the file'}."
            )
        return fragment

    @classmethod
    def read(cls, fragment: str) -> "Link":
        """The link that begins with '#', or a whole address that ends in one. Raises LinkError."""
        given = fragment.partition("#")[2]
        if len(given) >= MAX_LINK:
            raise LinkError(f"The link has more than {MAX_LINK:,} characters. Ask for the skill as a file.")
        try:
            values = dict(parse_qsl(given, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
        except ValueError as error:
            raise LinkError(f"{_BROKEN} (it can't be read)") from error
        if values.get("link") != VERSION:
            raise LinkError("This is no link to a comparison, or one of another version of the studio.")
        prompt, name = values.get("prompt", ""), values.get("skill", "")
        if not prompt.strip() or len(prompt) > MAX_PROMPT:
            raise LinkError(f"{_BROKEN} (its prompt is missing or too long)")
        if bool(name) == bool(values.get("text")) or (name and not is_valid_name(name)):
            raise LinkError(f"{_BROKEN} (it names no skill and brings no text)")
        marks = {each: values.get(each, "") for each in ("digest", "checkpoint", "base", "answers")}
        if not all(mark == "" or _MARK.fullmatch(mark) for mark in marks.values()):
            raise LinkError(f"{_BROKEN} (a mark in it is none)")
        text = "" if name else _unpacked(values["text"])
        if text and marks["digest"] and not _sha256(text).startswith(marks["digest"]):
            raise LinkError(f"{_BROKEN} (its text is not the one that it was made from)")
        return cls(prompt, _settings(values), name, text, **marks)

    def skill_text(self, library: SkillLibrary) -> str:
        """The text of its skill as it is here. Raises LinkError where the library has none of this name."""
        if not self.name:
            return self.text
        try:
            return library.get(self.name).text
        except SkillError as error:
            raise LinkError(f"The link is to a skill that is not in the library here. {error}") from error

    def note(self, text: str) -> str:
        """What is to say of the text before it is compared: '' where it is the one that the link was made with."""
        here = _sha256(text)
        if not self.digest or here.startswith(self.digest):
            return ""
        return (
            f"The library's text of {self.name} is not the one that the link was made with ({self.digest[:8]} in the "
            f"link, {here[:8]} here). What follows is made with the text that is here now."
        )


def link_to(
    library: SkillLibrary, text: str, prompt: str, settings: Settings, info: AdapterInfo, answers: Sequence[str]
) -> Link:
    """The link to a comparison that is done.

    A skill of the library that was not edited goes by its name, any other text travels in the link.
    """
    named = next((entry.skill.name for entry in library.list() if entry.text == text), "")
    return Link(
        prompt,
        settings,
        named,
        "" if named else text,
        digest=info.sha256[:MARK],
        checkpoint=info.hypernetwork_fingerprint[:MARK],
        base=info.base_fingerprint[:MARK],
        answers=_mark_of(answers),
    )


@dataclass(frozen=True)
class Verdict:
    """Whether a comparison is the one that its link was made from, in words."""

    same: bool | None  # None: the link does not say which answers it was made from
    message: str


def judge(link: Link, info: AdapterInfo, answers: Sequence[str]) -> Verdict:
    """Hold a comparison that is done against what its link says of it."""
    claims = (
        (link.digest, info.sha256, f"the library's text of {info.skill_name} has changed"),
        (link.base, info.base_fingerprint, "it was made with another base"),
        (link.checkpoint, info.hypernetwork_fingerprint, "it was made with another hypernetwork"),
    )
    other = [
        f"{what} ({said[:8]} in the link, {here[:8]} here)"
        for said, here, what in claims
        if said and not here.startswith(said)
    ]
    why = "; ".join(other)
    if not link.answers:
        return Verdict(None, f"Not all is as in the link: {why}." if why else "Answered as the link asks.")
    if _mark_of(answers).startswith(link.answers):
        though = f", though not all is as it was: {why}" if why else ""
        return Verdict(True, f"These are the answers that the link was made from, letter by letter{though}.")
    if why:
        return Verdict(False, f"These are not the answers that the link was made from: {why}.")
    return Verdict(
        False,
        "These are not the answers that the link was made from, though text, models and settings are the same. Other "
        "processors round otherwise, and one other token is enough.",
    )


_BROKEN = "The link is damaged or was cut: ask for it again."


def _settings(values: dict[str, str]) -> Settings:
    default = Settings()
    defaults = (default.temperature, default.max_new_tokens, default.seed, default.strength)
    try:
        given = [
            kind(values[name]) if name in values else usual
            for (name, kind), usual in zip(_SETTINGS.items(), defaults, strict=True)
        ]
        settings = Settings(*given)
        settings.check()
    except (ValueError, OverflowError) as error:
        said = f" {error}" if isinstance(error, StudioError) else ""
        raise LinkError(f"{_BROKEN} (a setting in it is none){said}") from error
    return settings


def _packed(text: str) -> str:
    packed = zlib.compress(text.encode("utf-8", "replace"), 9)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _unpacked(packed: str) -> str:
    """Raises LinkError; unpacks no more than a skill may have."""
    try:
        data = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(data, MAX_TEXT).decode("utf-8")
    except (binascii.Error, zlib.error, ValueError) as error:
        raise LinkError(f"{_BROKEN} (its text can't be unpacked)") from error
    if not unpacker.eof or unpacker.unused_data:
        raise LinkError(f"{_BROKEN} (its text is not whole, or has more than {MAX_TEXT:,} bytes)")
    return text


def _mark_of(answers: Sequence[str]) -> str:
    return _sha256(json.dumps([*answers]))[:16]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
