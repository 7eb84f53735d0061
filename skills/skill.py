"""SKILL.md after the Agent Skills specification: lenient in, strict out.

`Skill.parse` makes a valid skill of nearly any text, `Skill.render` writes the canonical text, and `validate` tells a
person every problem of a text with its line and the way to mend it.
"""

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass, field, replace
from textwrap import dedent
from typing import Literal

import yaml

MAX_TEXT = 1_000_000  # characters of a whole SKILL.md
# Characters between the two '---' lines: the longest of 2,119 public skills has 2,965, and broken YAML takes up to 60
# microseconds each to read.
MAX_FRONTMATTER = 16 * 1024
MAX_DEPTH = 16  # nesting of YAML inside the frontmatter
MAX_NAME, MAX_DESCRIPTION, MAX_COMPATIBILITY = 64, 1024, 500  # characters, set by the specification
ADVISED_BODY_LINES, ADVISED_BODY_TOKENS = 500, 5000  # the specification's advice on length
CHARACTERS_A_TOKEN = 4  # a rough measure for English; the exact count needs a base model's tokenizer
BINARY_SHARE = 0.05  # a text with more unprintable characters than this share is some other kind of file

FIELDS = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_KEY_LINE = re.compile(r"([A-Za-z_][\w-]*)[ \t]*:(?:[ \t]+|$)")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_LINE_BREAKS_OF_YAML = re.compile(
    r"[\x85\u2028\u2029]"
)  # line breaks to YAML, but to no editor: they would shift lines
_TOOL = re.compile(r"(?:\([^()]*\)|[^\s,])+")  # Bash(git add:*) is one tool, though it holds a space
_KINDS = {
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:bool": "true or false",
    "tag:yaml.org,2002:timestamp": "a date",
    "tag:yaml.org,2002:null": "nothing",
}


class SkillError(ValueError):
    """Nothing can be made of a text, a name or a folder; the message is ready to be shown."""


@dataclass(frozen=True)
class Problem:
    """One problem of a SKILL.md: the line it stands on (1-based), what is wrong, and how to mend it."""

    line: int
    severity: Literal["error", "warning"]
    message: str
    fix: str


@dataclass(frozen=True)
class Skill:
    """A skill. One that `parse` made is valid; `validate(skill.render())` tells of one made by hand."""

    name: str
    description: str
    body: str
    license: str = ""
    compatibility: str = ""
    metadata: dict[str, str] = field(default_factory=dict, hash=False)
    allowed_tools: str = ""  # separated by spaces

    @staticmethod
    def parse(text: str) -> "Skill":
        """The skill in a text, repaired where the text is not to the specification.

        A bad name becomes a good one, what is missing comes from the body, what is over a limit moves to the body,
        and keys that the specification does not know move to the metadata.
        Raises SkillError for an empty, too large or binary text and for a frontmatter over its limit.
        """
        if problem := _hopeless(text):
            raise SkillError(f"{problem.message} {problem.fix}")
        source = _read(text)
        values = _by_field(source.entries)
        texts = {key: value.flat() for key, value in values.items()}
        heading, paragraph = _first_heading_and_paragraph(source.body)

        name = safe_name(texts.get("name") or heading or paragraph)
        description, rest = _fit(texts.get("description", ""), MAX_DESCRIPTION)
        compatibility, more_rest = _fit(texts.get("compatibility", ""), MAX_COMPATIBILITY)
        metadata = {key: texts[key] for key in values if key not in FIELDS}
        if "metadata" in values:
            is_map = values["metadata"].kind == "a map"
            metadata |= (
                {k: v.flat() for k, v in values["metadata"].pairs} if is_map else {"metadata": texts["metadata"]}
            )
        return Skill(
            name=name,
            description=description or _fit(paragraph or heading or name, MAX_DESCRIPTION)[0],
            body=_canonical_body("\n\n".join(part for part in (rest, more_rest, source.body) if part)),
            license=texts.get("license", ""),
            compatibility=compatibility,
            metadata={key: value for key, value in metadata.items() if key and value},
            allowed_tools=_tools(texts.get("allowed-tools", "")),
        )

    def render(self) -> str:
        """The canonical SKILL.md: known keys in the specification's order, empty ones left out, then the body."""
        fields = {"name": self.name, "description": self.description, "license": self.license}
        fields |= {"compatibility": self.compatibility, "metadata": self.metadata, "allowed-tools": self.allowed_tools}
        front = _dump({key: value for key, value in fields.items() if value or key in ("name", "description")})
        body = _canonical_body(self.body)
        return f"---\n{front}---\n" + (f"\n{body}\n" if body else "")


def is_valid_name(name: str) -> bool:
    """Whether a name is to the specification. It then holds no '/' and no '.': it can't climb out of a folder."""
    return len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None


def safe_name(text: str) -> str:
    """A valid name as near to the text as can be: 'Fix: the Build!' gives 'fix-the-build'."""
    if is_valid_name(text):
        return text
    letters = unicodedata.normalize("NFKD", text[: 4 * MAX_NAME]).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", letters).strip("-")
    if len(name) > MAX_NAME:
        name = name[: MAX_NAME + 1].rsplit("-", 1)[0][:MAX_NAME]  # whole words, if any fit
    if name:
        return name
    # Scripts that ASCII can't spell still get a name of their own each.
    text = text.strip()
    return f"skill-{text_sha256(text)[:8]}" if text else "untitled-skill"


def text_sha256(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hex."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def validate(text: str, folder_name: str | None = None) -> list[Problem]:
    """Every problem of a SKILL.md text, by line. Empty: the text is to the specification. Never raises.

    `folder_name` is the name of the folder that the file lies in; the specification wants the skill to have the same.
    """
    if problem := _hopeless(text):
        return [problem]
    problems = _check_characters(text)
    source = _read(text)
    problems += source.problems
    if source.has_frontmatter:
        problems += _check_entries(source, folder_name)
        problems += _check_body(source)
    return sorted(problems, key=lambda problem: problem.line)


# ---- reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Value:
    """A value of the frontmatter with the line it starts on; scalars keep the letters they were written with."""

    line: int
    kind: str  # "text", "a number", "true or false", "a date", "nothing", "a list" or "a map"
    text: str = ""
    items: tuple["_Value", ...] = ()
    pairs: tuple[tuple[str, "_Value"], ...] = ()

    def plain(self) -> str | list | dict:
        if self.kind == "a list":
            return [item.plain() for item in self.items]
        return {key: value.plain() for key, value in self.pairs} if self.kind == "a map" else self.text

    def flat(self) -> str:
        """The value as one string: lists of texts with commas, deeper things as JSON."""
        plain = self.plain()
        if isinstance(plain, list) and all(isinstance(item, str) for item in plain):
            plain = ", ".join(plain)
        return _clean(plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)).strip()


_Entries = dict[str, _Value]


@dataclass
class _Source:
    """What stands in a text: the frontmatter's entries in order, the body, and the problems met on the way."""

    entries: _Entries
    body: str
    body_line: int  # 1-based line the body starts on
    front_line: int  # 1-based line of the opening '---'
    has_frontmatter: bool
    problems: list[Problem]


class _Loader(yaml.SafeLoader):
    """Composes nodes with their lines. Refuses aliases and deep nesting: a small file could unfold into a huge one."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise yaml.MarkedYAMLError(problem="anchors (&) and aliases (*) are refused", problem_mark=event.start_mark)
        if self.depth == MAX_DEPTH:
            raise yaml.MarkedYAMLError(
                problem=f"it is nested more than {MAX_DEPTH} deep", problem_mark=event.start_mark
            )
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, as a person would."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def _dump(fields: dict) -> str:
    return yaml.dump(fields, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10**9)


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("", text)


def _normalise(text: str) -> str:
    """Plain line ends and no byte order mark; the number of lines stays."""
    return _clean(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))


def _canonical_body(body: str) -> str:
    return re.sub(r"\A(?:[ \t]*\n)+", "", body).rstrip()


def _hopeless(text: str) -> Problem | None:
    """The one problem of a text that can't be read at all, or None."""
    if len(text) > MAX_TEXT:
        message = f"The text has {len(text):,} characters; a SKILL.md may have at most {MAX_TEXT:,}."
        return Problem(1, "error", message, "Keep the instructions and move the rest to files beside it.")
    unprintable = len(_UNPRINTABLE.findall(text)) + text.count("\ufffd")
    if unprintable > BINARY_SHARE * len(text):
        message = f"This is not text: {unprintable:,} of {len(text):,} characters are unprintable."
        return Problem(1, "error", message, "Give a SKILL.md file, saved as plain text in UTF-8.")
    lines = _normalise(text).split("\n")
    if not any(line.strip() for line in lines):
        return Problem(1, "error", "The text is empty.", f"Start with:\n{_example('my-skill')}")
    start, end, _ = _fences(lines)
    size = sum(len(line) + 1 for line in lines[start + 1 : end])
    if size > MAX_FRONTMATTER:
        message = f"The frontmatter has {size:,} characters; it may have at most {MAX_FRONTMATTER:,}."
        return Problem(start + 1, "error", message, "Move what is not about the whole skill below the second '---'.")
    return None


def _fences(lines: list[str]) -> tuple[int, int, bool]:
    """(index of the opening '---' or -1, index after the frontmatter's last line, whether a closing '---' is there)."""
    start = next((index for index, line in enumerate(lines) if line.strip()), -1)
    if start < 0 or lines[start].rstrip() != "---":
        return -1, 0, False
    for index in range(start + 1, len(lines)):
        if lines[index].rstrip() == "---":
            return start, index, True
    # Never closed: the lines that look like frontmatter are taken for it.
    end = start + 1
    while end < len(lines) and (_KEY_LINE.match(lines[end]) or re.match(r"[ \t]+\S|- ", lines[end])):
        end += 1
    return start, end, False


def _read(text: str) -> _Source:
    lines = _normalise(text).split("\n")
    start, end, closed = _fences(lines)
    whole = _Source({}, "\n".join(lines), 1, 1, False, [])
    if start < 0:
        name = safe_name(_first_heading_and_paragraph(whole.body)[0] or "my-skill")
        fix = f"Put this before the text:\n{_example(name)}"
        whole.problems.append(Problem(1, "error", "There is no frontmatter.", fix))
        return whole

    front = [_LINE_BREAKS_OF_YAML.sub(" ", line) for line in lines[start + 1 : end]]
    entries, problems = _read_yaml(front, start + 2)
    if start > 0:
        problems.append(
            Problem(1, "warning", "Empty lines stand before the frontmatter.", "Start the file with '---'.")
        )
    if not closed:
        message = f"The frontmatter that line {start + 1} opens is never closed."
        problems.append(Problem(start + 1, "error", message, f"Put a line '---' after line {end}."))
    if not entries and any(line.strip() for line in front):
        # Prose between two rules, say: nothing is lost if all of it is taken for the body.
        message = "The frontmatter is not a list of 'key: value' lines."
        fix = "Write 'name: ...' and 'description: ...' between the two '---' lines."
        whole.problems = [*problems, Problem(start + 2, "error", message, fix)]
        return whole
    body_start = end + closed
    return _Source(entries, "\n".join(lines[body_start:]), body_start + 1, start + 1, True, problems)


def _by_field(entries: _Entries) -> _Entries:
    """The entries under the keys of the specification; another spelling (Name, allowed_tools) counts if need be."""
    values: _Entries = {}
    for key, value in entries.items():
        field_name = _field_name(key)
        if field_name == key or field_name not in entries:
            values[field_name] = value
    return values


def _field_name(key: str) -> str:
    lowered = key.lower().replace("_", "-")
    return lowered if lowered in FIELDS else key


def _read_yaml(lines: list[str], first_line: int) -> tuple[_Entries, list[Problem]]:
    """The entries of a frontmatter, none if it is no mapping. Broken YAML is read key by key, each error a problem."""
    try:
        return _compose(lines, first_line)
    except yaml.MarkedYAMLError as error:
        entries, problems = _recover(lines, first_line)
        if not any(problem.message.startswith(_NOT_YAML) for problem in problems):
            fix = "Start each key at the left edge, and indent what belongs to it."
            problems.append(_yaml_problem(error, first_line, fix))
        return entries, problems


def _compose(lines: list[str], first_line: int) -> tuple[_Entries, list[Problem]]:
    """The entries of a YAML mapping, none if it is something else. Raises yaml.MarkedYAMLError, and nothing else."""
    loader = _Loader("\n".join(lines))
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError:
        raise
    except (ValueError, OverflowError) as error:  # of chr() and int(), which take what the scanner gives them
        problem = "a number after '\\U' or '%YAML' is too large"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=loader.get_mark()) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise yaml.MarkedYAMLError(problem="it can't be read", problem_mark=loader.get_mark()) from error
    finally:
        loader.dispose()
    problems: list[Problem] = []
    return (dict(_value(node, first_line, problems).pairs) if node else {}), problems


def _value(node: yaml.Node, first_line: int, problems: list[Problem]) -> _Value:
    line = first_line + node.start_mark.line
    if isinstance(node, yaml.SequenceNode):
        return _Value(line, "a list", items=tuple(_value(item, first_line, problems) for item in node.value))
    if isinstance(node, yaml.ScalarNode):
        kind = _KINDS.get(node.tag, "text")
        return _Value(line, kind, "" if kind == "nothing" else node.value)
    pairs: _Entries = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            # Written as JSON in JSON in JSON, such keys in each other double with every level.
            raise yaml.MarkedYAMLError(problem="a key is a list or a map", problem_mark=key_node.start_mark)
        key = _value(key_node, first_line, problems)
        value = replace(_value(value_node, first_line, problems), line=key.line)
        _put(pairs, key.flat(), value, problems)
    return _Value(line, "a map", pairs=tuple(pairs.items()))


def _put(entries: _Entries, key: str, value: _Value, problems: list[Problem]) -> None:
    if key in entries:
        message = f"The key '{_short(key)}' is there twice, first on line {entries[key].line}."
        problems.append(Problem(value.line, "error", message, "Keep one of the two; here the last one counts."))
    entries[key] = value


def _recover(lines: list[str], first_line: int, in_metadata: bool = False) -> tuple[_Entries, list[Problem]]:
    """Reads broken YAML key by key; a value that is no YAML is taken as the text that stands there."""
    starts = [index for index, line in enumerate(lines) if _KEY_LINE.match(line)]
    entries: _Entries = {}
    problems: list[Problem] = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=False):  # no start, no end
        block, line = lines[start:end], first_line + start
        try:
            found, more = _compose(block, line)
        except yaml.MarkedYAMLError as error:
            match = _KEY_LINE.match(block[0])
            assert match
            if match[1] == "metadata" and not in_metadata and not block[0][match.end() :].strip():
                pairs, more = _recover(dedent("\n".join(block[1:])).split("\n"), line + 1, in_metadata=True)
                value = _Value(line, "a map", pairs=tuple(pairs.items()))
            else:
                words = [block[0][match.end() :].strip(), *(part.strip() for part in block[1:])]
                value = _Value(line, "text", _unquote(" ".join(word for word in words if word)))
                more = [_yaml_problem(error, line, f"Put the whole value in quotes: {_mended(match[1], value.text)}")]
            found = {match[1]: value}
        problems += more
        for key, value in found.items():
            _put(entries, key, value, problems)
    return entries, problems


_NOT_YAML = "The frontmatter is not valid YAML: "


def _yaml_problem(error: yaml.MarkedYAMLError, first_line: int, fix: str) -> Problem:
    # While scanning a quoted text or a key, the mark of the problem is where YAML gave up, the context where it began.
    began = error.context_mark if (error.context or "").startswith("while scanning") else None
    mark = began or error.problem_mark or error.context_mark
    said = error.problem or "it can't be read"
    if "mapping values are not allowed" in said:
        said = "the value holds ': ' and stands without quotes"
    elif "'\\t'" in said:
        said, fix = "a tab is used for indentation", "Indent with spaces."
    elif "anchors" in said:
        fix = "Write the value out, or in quotes if it only starts with '&' or '*'."
    elif "nested" in said:
        fix = "Make it flatter: metadata holds texts only."
    return Problem(first_line + (mark.line if mark else 0), "error", f"{_NOT_YAML}{said}.", fix)


def _unquote(text: str) -> str:
    text = re.sub(r"\A[|>][+-]? ", "", text)  # the sign of a block that was not indented
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _mended(key: str, text: str) -> str:
    """The line as it should be, cut short where it is long."""
    return _dump({key: text}).strip() if len(text) <= 200 else f"{key}: '{text[:60]} ...'"


def _tools(text: str) -> str:
    return " ".join(_TOOL.findall(text))


def _first_heading_and_paragraph(body: str) -> tuple[str, str]:
    """The first heading and the first paragraph of prose, each '' where there is none; code is passed over."""
    heading, paragraph, in_code = "", [], False
    for line in map(str.strip, _LINE_BREAKS_OF_YAML.sub(" ", body).split("\n")):
        if line.startswith(("```", "~~~")):
            in_code = not in_code
        is_prose = bool(line) and not in_code and not re.fullmatch(r"#+ .*|[-=*_ ]+|[`~]{3}.*|<!--.*", line)
        if not in_code and not heading and re.match(r"#+ ", line):
            heading = line.lstrip("#").strip()
        if is_prose:
            paragraph.append(line)
        elif paragraph:
            break
    return heading, " ".join(paragraph)


def _fit(text: str, limit: int) -> tuple[str, str]:
    """(the part that fits, the rest), cut after a sentence or else between words."""
    if len(text) <= limit:
        return text, ""
    cut = text.rfind(". ", limit // 2, limit) + 1 or text.rfind(" ", limit // 2, limit) + 1 or limit
    return text[:cut].strip(), text[cut:].strip()


# ---- checking ------------------------------------------------------------------------------------------------------


def _example(name: str) -> str:
    return f"---\nname: {name}\ndescription: What the skill does, and when to use it.\n---"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def _check_characters(text: str) -> list[Problem]:
    problems = []
    if text.startswith("\ufeff"):
        message = "The file starts with a byte order mark."
        problems.append(Problem(1, "warning", message, "Save it as UTF-8 without BOM."))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        if found := _UNPRINTABLE.findall(line):
            codes = ", ".join(f"U+{ord(character):04X}" for character in dict.fromkeys(found[:5]))
            message = f"The line holds {len(found)} unprintable character{'s' * (len(found) > 1)} ({codes})."
            problems.append(Problem(number, "error", message, "Delete what can't be seen, or type the line again."))
    return problems


def _check_entries(source: _Source, folder_name: str | None) -> list[Problem]:
    problems = []
    values = _by_field(source.entries)
    for key in ("name", "description"):
        if key not in values:
            problems.append(Problem(source.front_line, "error", f"'{key}' is missing.", f"Add a line '{key}: ...'."))
    for key, value in source.entries.items():
        known = _field_name(key)
        if key not in FIELDS:
            is_lost = known in ("name", "description") and known not in source.entries
            fix = (
                f"Write it '{known}'." if known in FIELDS else f"Move it below 'metadata:'. Known: {', '.join(FIELDS)}."
            )
            message = f"'{_short(key)}' is not a key of the specification."
            problems.append(Problem(value.line, "error" if is_lost else "warning", message, fix))
        if values.get(known) is value and known in FIELDS:
            problems += _check_field(known, value, folder_name)
    return problems


def _check_field(key: str, value: _Value, folder_name: str | None) -> list[Problem]:
    if key == "metadata":
        return _check_metadata(value)
    if key == "allowed-tools":
        return _check_tools(value)
    line, text = value.line, value.flat()
    if value.kind in ("a list", "a map"):
        fix = f"Write {_mended(key, safe_name(text) if key == 'name' else text)}"
        return [Problem(line, "error", f"'{key}' is {value.kind}; it must be a text.", fix)]
    if not text:
        fix = f"Write something after '{key}:'." if key in ("name", "description") else "Fill it in or delete the line."
        return [Problem(line, "error", f"'{key}' is empty.", fix)]
    problems = []
    if value.kind != "text":
        message = f"YAML takes the value of '{key}' for {value.kind}."
        problems.append(Problem(line, "warning", message, f'Put it in quotes: {key}: "{_short(text)}"'))
    if key == "name":
        return problems + _check_name(line, text, folder_name)
    limit = {"description": MAX_DESCRIPTION, "compatibility": MAX_COMPATIBILITY}.get(key)
    if limit and len(text) > limit:
        message = f"'{key}' has {len(text):,} characters; it may have at most {limit:,}."
        problems.append(Problem(line, "error", message, "Shorten it, and move the rest to the body."))
    return problems


def _check_name(line: int, name: str, folder_name: str | None) -> list[Problem]:
    problems = []
    faults = []
    if len(name) > MAX_NAME:
        faults.append(f"has {len(name)} characters (at most {MAX_NAME})")
    if any(character.isupper() for character in name):
        faults.append("has capital letters")
    if others := re.findall(r"[^a-z0-9-]", name.lower()):
        faults.append("has " + ", ".join(f"'{other}'" for other in dict.fromkeys(others[:10])))
    if name.startswith("-") or name.endswith("-"):
        faults.append("starts or ends with a hyphen")
    if "--" in name:
        faults.append("has two hyphens in a row")
    if faults:
        message = f"The name '{_short(name)}' {'; '.join(faults)}. Only a-z, 0-9 and single hyphens between them do."
        problems.append(Problem(line, "error", message, f"Write name: {safe_name(name)}"))
    if folder_name is not None and name != folder_name:
        message = f"The name '{_short(name)}' is not the name of its folder, '{_short(folder_name)}'."
        fix = f"Rename the folder to '{safe_name(name)}'"
        fix += f", or write name: {folder_name}" if is_valid_name(folder_name) else "."
        problems.append(Problem(line, "error", message, fix))
    return problems


def _check_metadata(value: _Value) -> list[Problem]:
    if value.kind != "a map":
        message = f"'metadata' is {value.kind}; it must be a map of texts."
        return [Problem(value.line, "error", message, "Write it as indented lines such as 'version: \"1.0\"'.")]
    problems = []
    for key, item in value.pairs:
        place = f"'{_short(key)}' in the metadata"
        if item.kind in ("a list", "a map"):
            fix = f"Write it as one text: {_mended(key, item.flat())}"
            problems.append(Problem(item.line, "error", f"{place} is {item.kind}; it must be a text.", fix))
        elif item.kind != "text":
            fix = f'Put it in quotes: {_short(key)}: "{_short(item.flat())}"'
            problems.append(Problem(item.line, "warning", f"YAML takes {place} for {item.kind}.", fix))
    return problems


def _check_tools(value: _Value) -> list[Problem]:
    key, tools = "allowed-tools", _tools(value.flat())
    if value.kind == "a map":
        message = f"'{key}' is a map; it must be a text."
        return [Problem(value.line, "error", message, f"Write the tools' names: {key}: Read Write")]
    if not tools:
        return [Problem(value.line, "error", f"'{key}' is empty.", "Name the tools or delete the line.")]
    if value.kind == "a list" or tools.split() != value.flat().split():
        found = "a list" if value.kind == "a list" else "separated by commas"
        message = f"'{key}' is {found}; the specification wants one text separated by spaces."
        return [Problem(value.line, "warning", message, f"Write {_mended(key, tools)}")]
    return []


def _check_body(source: _Source) -> list[Problem]:
    body = _canonical_body(source.body)
    if not body:
        fix = "Write the instructions below the second '---'."
        return [Problem(max(1, source.body_line - 1), "warning", "There are no instructions: the body is empty.", fix)]
    lines, tokens = body.count("\n") + 1, len(body) // CHARACTERS_A_TOKEN
    if lines <= ADVISED_BODY_LINES and tokens <= ADVISED_BODY_TOKENS:
        return []
    message = (
        f"The body has {lines:,} line{'s' * (lines != 1)} and about {tokens:,} tokens; the specification advises at "
        f"most {ADVISED_BODY_LINES} lines and {ADVISED_BODY_TOKENS:,} tokens."
    )
    return [Problem(source.body_line, "warning", message, "Move what is rarely needed to files in references/.")]
