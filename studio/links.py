"""Links that reproduce a comparison. All of one stands behind the '#', which a browser sends to no server.

A link may come from anybody: it is read in bounds, and what it says of texts and models is compared with what is here.
"""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote, urlencode

from skills.library import SkillLibrary
from skills.scan import in_order
from skills.skill import MAX_TEXT, SkillError, is_valid_name, text_sha256
from studio import intake
from studio.intake import Arrival
from studio.service import MAX_PROMPT, AdapterInfo, Part, Settings, Source, StudioError, check_stack

VERSION = "1"
MAX_LINK = 16_000  # characters behind the '#': what mail and chat programs carry without cutting it
MARK = 32  # hex digits of a SHA-256 that tell texts and models apart
MAX_FIELDS = 20

_MARK = re.compile(r"[0-9a-f]{8,64}")
_SETTINGS = {"temperature": float, "length": int, "seed": int, "strength": float}


class LinkError(ValueError):
    """A link that can't be made or read; the message is ready to be shown."""


@dataclass(frozen=True)
class LinkedSkill:
    """A skill of a link: by its name in the library, or as a text."""

    name: str = ""  # in the library; '' for a text of one's own
    text: str = ""  # one's own
    digest: str = ""  # the first hex digits of the SHA-256 of its text; '' where the link does not say
    share: float = 1.0  # how much of it goes into a stack

    def here(self, library: SkillLibrary) -> str:
        """Its text as it is here. Raises LinkError where the library has none of its name."""
        if not self.name:
            return self.text
        try:
            return library.get(self.name).text
        except SkillError as error:
            raise LinkError(f"The link is to a skill that is not in the library here. {error}") from error

    def change(self, text: str) -> tuple[str, str] | None:
        """The digests in the link and of the text here, in short, where they differ."""
        here = text_sha256(text)
        return None if here.startswith(self.digest) else (self.digest[:8], here[:8])


@dataclass(frozen=True)
class Link:
    """A comparison: of what skill, or of what stack of several, what it is asked, and what it was made from.

    The marks are the first hex digits of SHA-256 sums; '' where the link does not say.
    """

    prompt: str
    skills: tuple[LinkedSkill, ...]
    settings: Settings = field(default_factory=Settings)
    checkpoint: str = ""  # of the hypernetwork
    base: str = ""
    answers: str = ""  # of the three answers

    def fragment(self) -> str:
        """The link from its '#' on. Raises LinkError where it would be too long."""
        first, *more = self.skills
        values: dict[str, object] = {"link": VERSION}
        if more:
            values["with"] = [_stacked(each) for each in self.skills]
        else:
            values |= {"skill": first.name} if first.name else {"text": _packed(first.text)}
        values["prompt"] = self.prompt.encode("utf-8", "replace").decode()
        given = self.settings
        values |= {"temperature": given.temperature, "length": given.max_new_tokens}
        values |= {"seed": given.seed, "strength": given.strength}
        marks = {"checkpoint": self.checkpoint, "base": self.base, "answers": self.answers}
        if not more:
            marks = {"digest": first.digest, **marks}
        values |= {name: mark for name, mark in marks.items() if mark}
        fragment = "#" + urlencode(values, doseq=True, quote_via=quote)
        if len(fragment) > MAX_LINK:
            own = sum(not each.name for each in self.skills)
            what = "The prompt" if not own else f"Your own {'text' if own == 1 else 'texts'} and the prompt"
            way_out = f"Download the {'skill' if own == 1 else 'skills'}, and send the file{'s' * (own > 1)}"
            raise LinkError(
                f"{what} would make a link of {len(fragment):,} characters; {MAX_LINK:,} is the most. "
                f"{way_out if own else 'Shorten it'}."
            )
        return fragment

    @classmethod
    def read(cls, fragment: str) -> "Link":
        """The link that begins with '#', or a whole address that ends in one. Raises LinkError."""
        given = fragment.partition("#")[2]
        if len(given) >= MAX_LINK:
            raise LinkError(f"The link has more than {MAX_LINK:,} characters. Ask for the skill as a file.")
        try:
            pairs = parse_qsl(given, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
        except ValueError as error:
            raise LinkError(_broken("it can't be read")) from error
        values = dict(pairs)
        if values.get("link") != VERSION:
            raise LinkError("This is not a link to a comparison, or it is from another version of the studio.")
        prompt = values.get("prompt", "")
        if not prompt.strip() or len(prompt) > MAX_PROMPT:
            raise LinkError(_broken("its prompt is missing or too long"))
        marks = {each: _mark(values.get(each, "")) for each in ("checkpoint", "base", "answers")}
        stack = tuple(_unstacked(each) for name, each in pairs if name == "with")
        single = values.get("skill", ""), values.get("text", ""), values.get("digest", "")
        if stack and (any(single) or len(stack) == 1):
            raise LinkError(_broken("it names one skill and is to several"))
        return cls(prompt, stack or (_linked(*single),), _settings(values), **marks)

    def source(self, library: SkillLibrary) -> Source:
        """Its skill, or the several of its stack, with the texts that they have here.

        Raises LinkError where the library has none of a name, and for a stack that can't be made.
        """
        parts = tuple(Part(each.here(library), each.share) for each in self.skills)
        if len(parts) == 1:
            return parts[0].text
        try:
            check_stack(parts)
        except StudioError as error:
            raise LinkError(f"The link is to a stack that can't be made. {error}") from error
        return parts

    def arrival(self) -> Arrival | None:
        """The texts that it brings along, with what the scan found in all of them; None where it brings none.

        Raises IntakeError for one that is no skill.
        """
        came = [intake.take_text("the link", each.text) for each in self.skills if each.text]
        if len(came) < 2:
            return came[0] if came else None
        names = ", ".join(each.name for each in came)
        found = [replace(finding, path=f"{each.name}/{finding.path}") for each in came for finding in each.findings]
        return replace(came[0], name=names, findings=tuple(in_order(found)))

    def note(self, skill: Source) -> str:
        """What is to say of its texts before they are compared: '' where they are those that it was made with."""
        said = [
            f"The library's text of {name} is not the one that the link was made with ({there} in the link, {here} "
            "here). "
            for name, there, here in self._changed(skill)
        ]
        return "".join(said) + "What follows is made with the text that is here now." if said else ""

    def judge(self, skill: Source, info: AdapterInfo, answers: Sequence[str]) -> "Verdict":
        """Compare what a comparison that is done gave with what the link says of it."""
        other = [
            f"the library's text of {name} has changed ({there} in the link, {here} here)"
            for name, there, here in self._changed(skill)
        ]
        claims = (
            (self.base, info.base_fingerprint, "it was made with another base"),
            (self.checkpoint, info.hypernetwork_fingerprint, "it was made with another hypernetwork"),
        )
        other += [
            f"{what} ({said[:8]} in the link, {here[:8]} here)"
            for said, here, what in claims
            if not here.startswith(said)
        ]
        why = "; ".join(other)
        if not self.answers:
            return Verdict(None, f"Not all is as in the link: {why}." if why else "Answered as the link asks.")
        if _mark_of(answers).startswith(self.answers):
            though = f", though not all is as it was: {why}" if why else ""
            return Verdict(True, f"These are the answers that the link was made from, letter for letter{though}.")
        if why:
            return Verdict(False, f"These are not the answers that the link was made from: {why}.")
        return Verdict(
            False,
            "These are not the answers that the link was made from, though text, models and settings are the same. "
            "Different processors round differently, and a single different token changes the answer.",
        )

    def _changed(self, skill: Source) -> list[tuple[str, str, str]]:
        """(name, digest in the link, digest here) of the skills of the library whose text is another by now."""
        pairs = zip(self.skills, _parts(skill), strict=True)
        return [(each.name, *change) for each, part in pairs if (change := each.change(part.text))]


@dataclass(frozen=True)
class Verdict:
    """Whether a comparison is the one that its link was made from, in words."""

    same: bool | None  # None: the link does not say which answers it was made from
    message: str


def link_to(
    library: SkillLibrary, skill: Source, prompt: str, settings: Settings, info: AdapterInfo, answers: Sequence[str]
) -> Link:
    """The link to a comparison that is done.

    A skill of the library that was not edited goes by its name, any other text travels in the link.
    """
    names = {entry.text: entry.skill.name for entry in library.list()}
    skills = []
    for part in _parts(skill):
        name = names.get(part.text, "")
        skills.append(LinkedSkill(name, "" if name else part.text, text_sha256(part.text)[:MARK], part.share))
    return Link(
        prompt,
        tuple(skills),
        settings,
        checkpoint=info.hypernetwork_fingerprint[:MARK],
        base=info.base_fingerprint[:MARK],
        answers=_mark_of(answers),
    )


def _broken(why: str) -> str:
    return f"The link is damaged or was cut ({why}). Ask for it again."


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
        raise LinkError(f"{_broken('a setting is invalid')}{said}") from error
    return settings


def _parts(skill: Source) -> tuple[Part, ...]:
    return (Part(skill),) if isinstance(skill, str) else skill


def _stacked(skill: LinkedSkill) -> str:
    """One skill of a stack: `name:weight:digest`, or `:weight:digest:text` for a text of one's own."""
    known = f"{skill.name}:{skill.share}:{skill.digest}"
    return known if skill.name else f"{known}:{_packed(skill.text)}"


def _unstacked(given: str) -> LinkedSkill:
    """Raises LinkError; whether the weight can be is the stack's to say."""
    name, weight, digest, text, *more = (*given.split(":"), "", "", "")
    try:
        share = float(weight)
    except ValueError as error:
        raise LinkError(_broken("a weight is invalid")) from error
    if any(more):
        raise LinkError(_broken("a skill of its stack is invalid"))
    return replace(_linked(name, text, digest), share=share)


def _linked(name: str, packed: str, digest: str) -> LinkedSkill:
    """Raises LinkError for what names no skill and brings none, and for a text that is not the one it is said to be."""
    if bool(name) == bool(packed) or (name and not is_valid_name(name)):
        raise LinkError(_broken("it names no skill and brings no text"))
    made = LinkedSkill(name, _unpacked(packed) if packed else "", _mark(digest))
    if made.text and made.change(made.text):
        raise LinkError(_broken("its text is not the one that it was made from"))
    return made


def _mark(given: str) -> str:
    """Raises LinkError for what can't be the beginning of a SHA-256."""
    if given and not _MARK.fullmatch(given):
        raise LinkError(_broken("a checksum is invalid"))
    return given


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
        raise LinkError(_broken("its text can't be unpacked")) from error
    if not unpacker.eof or unpacker.unused_data:
        raise LinkError(_broken(f"its text is not whole, or has more than {MAX_TEXT:,} bytes"))
    return text


def _mark_of(answers: Sequence[str]) -> str:
    return text_sha256(json.dumps([*answers]))[:16]
