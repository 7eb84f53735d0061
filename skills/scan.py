"""What an imported skill is warned about, before anything is generated from it or written to a disk.

`scan_text` reads one text, `scan_files` all files of a skill; nothing is run or unpacked. The rules find what is usual
in attacks and rare in ordinary skills. That a skill has no findings does not prove it harmless.
"""

import base64
import binascii
import io
import ipaddress
import re
import unicodedata
import zipfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

MAX_FILES = 1000  # of a skill
MAX_ENTRIES = 50_000  # files of an archive, which may be that of a whole repository
MAX_SIZE = 256_000_000  # bytes of all files of a skill: an adapter of a large base and its copy for llama.cpp fit in
TOO_MUCH = f"There are more than {MAX_FILES:,} files or {MAX_SIZE / 1e6:,.0f} MB; what is more was not read."
MAX_RATIO = 200  # of a file's size to its packed size; text packs 3 to 20 times smaller, zeros 1,000 times
RATIO_FROM = 1_000_000  # bytes from which a file's ratio counts: what is small is no bomb
MAX_PATH, MAX_FOLDERS = 200, 12  # characters of a path inside a skill, folders in each other
MAX_SCANNED = 1_000_000  # characters of a text that are looked at
MAX_SCANNED_IN_ALL = 2_000_000  # characters of all texts of a skill together; each takes 2 to 10 microseconds
MAX_ALIKE = 20  # findings of a kind and severity in one file: a flood of notes must not bury the rest
HIDDEN_IN_A_ROW, HIDDEN_IN_ALL = 8, 40  # invisible characters that can carry a message; a slip leaves one or two
BLANK_LINES, BLANK_COLUMNS = 60, 200  # what pushes a text out of sight
MAX_ELEMENT = 2000  # characters of hidden markup that count as hidden where it is not closed
ENCODED = 120  # letters of Base64 in a row that are decoded and looked at

Severity = Literal["note", "ask", "block"]
SEVERITIES: tuple[Severity, ...] = ("block", "ask", "note")  # the gravest first
KINDS = (
    *("path", "symlink", "bomb", "damaged"),  # what the files are
    *("program", "script", "settings", "evals"),  # what is in the files beside SKILL.md
    *("hidden", "lookalike", "comment", "encoded"),  # what a reader does not see
    *("orders", "runs", "reach", "address", "tools", "secret"),  # what the texts say
)


@dataclass(frozen=True)
class Finding:
    """One thing that a careful person would want to know of a skill.

    `block`: it must not be imported; `ask`: only after a yes; `note`: good to know. `kind` is one of KINDS.
    """

    path: str  # inside the skill, or as it was written where that leads out of it; "" for all files together
    line: int  # 1-based; 0: the file as a whole
    kind: str
    severity: Severity
    message: str
    fix: str


class Report:
    """Collects findings: of those alike the first MAX_ALIKE, and a count of the others."""

    def __init__(self) -> None:
        self._findings: list[Finding] = []
        self._alike: Counter[tuple[str, str, Severity]] = Counter()

    def add(self, path: str, line: int, kind: str, severity: Severity, message: str, fix: str) -> None:
        """Takes a finding in. Those of whole files are alike if only their paths differ."""
        group = (path if line else "", kind, severity)
        self._alike[group] += 1
        if self._alike[group] <= MAX_ALIKE:
            self._findings.append(Finding(path, line, kind, severity, message, fix))

    def findings(self) -> list[Finding]:
        """The gravest first, then by path and line."""
        more = [
            Finding(
                path, 0, kind, severity, f"There are {count - MAX_ALIKE:,} more of this kind.", "Look for yourself."
            )
            for (path, kind, severity), count in self._alike.items()
            if count > MAX_ALIKE
        ]
        return in_order([*sorted(self._findings, key=lambda each: (each.path, each.line)), *more])


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The gravest first, else as they were."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def scan_text(text: str, path: str = "SKILL.md") -> list[Finding]:
    """The findings of a text, the gravest first, then by line. Never raises."""
    report = Report()
    _scan_text(report, text, path, MAX_SCANNED)
    return report.findings()


def scan_files(files: Mapping[str, bytes]) -> list[Finding]:
    """The findings of all files of a skill, by their paths inside it: the gravest first. Never raises.

    Of all texts together MAX_SCANNED_IN_ALL characters are looked at, those of SKILL.md first.
    """
    report, left = Report(), MAX_SCANNED_IN_ALL
    size = sum(map(len, files.values()))
    holds_too_many = sum(data.count(ZIP_ENTRY) for data in files.values()) > MAX_ENTRIES
    if len(files) > MAX_FILES or size > MAX_SIZE:
        report.add("", 0, "bomb", "block", TOO_MUCH, "Ask its author for a smaller one.")
    for path, data in sorted(files.items(), key=lambda item: item[0] != "SKILL.md")[:MAX_FILES]:
        if fault := fault_of_path(path):
            report.add(path, 0, "path", "block", f"The path {shown(path)} {fault}.", "Ask its author for a plain name.")
        _check_file(report, path, data, holds_too_many)
        if (text := text_of(path, data, left)) is not None:
            left = max(0, left - _scan_text(report, text, path, left))
    return report.findings()


def fault_of_path(path: str) -> str:
    """What is wrong with the path of a file inside a skill; '' for one that stays there on every system."""
    parts = path.split("/")
    if ".." in parts or "\\" in path or path.startswith("/") or re.match("[A-Za-z]:", path):
        return "leads out of the folder, or does on some systems"
    if "" in parts or "." in parts:
        return "has an empty part"
    if len(path) > MAX_PATH or len(parts) > MAX_FOLDERS:
        return f"has more than {MAX_PATH} characters, or more than {MAX_FOLDERS} folders in each other"
    if any(map(_NO_NAME.fullmatch, parts)) or not path.replace("\u200d", "").isprintable():
        return "is a name that some systems refuse or show otherwise than it is"
    return ""


def text_of(path: str, data: bytes, most: int = MAX_SCANNED) -> str | None:
    """The text in a file, decoded leniently; None where it is some other kind of file.

    Cut where it is far too long: a little after `most` or MAX_SCANNED characters, or later.
    """
    size = 4 * min(most, MAX_SCANNED) + 8  # bytes: a character takes up to four, a mark before the first up to three
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data[:size].decode("utf-16", "replace")
    if b"\0" in data[:8192] and not path.lower().endswith((*_MARKDOWN, *_SCRIPTS)):
        return None
    return data[:size].decode("utf-8-sig", "replace")


def shown(text: str, most: int = 80) -> str:
    """The text in quotes as a message can show it: cut, and what can't be seen written as a code."""
    text = " ".join(text[: 4 * most].split())
    return repr(text if len(text) <= most else text[: most - 1] + "…")


ZIP_ENTRY = b"PK\x01\x02"  # what each entry of a ZIP file's list of contents begins with
_NO_NAME = re.compile(r"(?i)(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?|.*[<>:\"|?*].*|.*[. ]|.*[\x00-\x1f].*", re.DOTALL)
_MARKDOWN = (".md", ".mdx", ".mdc", ".markdown")


class _Text:
    """A text whose findings are reported by their offset; `comments` are spans that a page does not show."""

    def __init__(self, report: Report, path: str, text: str) -> None:
        self.report, self.path, self.text = report, path, text
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.comments: list[tuple[int, int]] = []

    def line(self, offset: int) -> int:
        return bisect_right(self.starts, offset)

    def line_text(self, offset: int) -> str:
        """The first 1,000 characters of the line: a text may be one line, and asked for at every word."""
        line = self.line(offset)
        start, end = self.starts[line - 1], self.starts[line] if line < len(self.starts) else len(self.text)
        return self.text[start : min(end, start + 1000)]

    def add(self, offset: int, kind: str, severity: Severity, message: str, fix: str) -> None:
        self.report.add(self.path, self.line(offset), kind, severity, message, fix)

    def is_commented(self, offset: int) -> bool:
        return _is_within(self.comments, offset, len(self.text))


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order, those that overlap as one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            start, before = merged.pop()
            end = max(before, end)
        merged.append((start, end))
    return merged


def _is_within(spans: list[tuple[int, int]], offset: int, end: int) -> bool:
    """Whether an offset lies in one of the spans, which are in order and apart; `end` is that of the text."""
    index = bisect_right(spans, (offset, end)) - 1
    return index >= 0 and offset < spans[index][1]


def _scan_text(report: Report, text: str, path: str, left: int) -> int:
    """Adds the findings of a text's first `left` characters, at most MAX_SCANNED; how many it had to go through."""
    size = min(len(text), left, MAX_SCANNED)
    if size < len(text):
        message = f"Only its first {size:,} characters were looked at."
        if not size:
            message = f"It was not looked at: of a skill's texts only {MAX_SCANNED_IN_ALL:,} characters are."
        report.add(path, 0, "hidden", "ask", message, "Read the rest of it yourself." if size else "Read it yourself.")
    text = text[:size].replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    source = _Text(report, path, text)
    _find_out_of_sight(source)
    if not source.text.isascii():
        _find_invisible(source)
        _find_bidirectional(source)
        _find_lookalikes(source)
        # Without disguise: an order with invisible letters in it, or some of another alphabet, is still an order.
        source = _Text(report, path, _undisguised(source.text))
    if path.lower().endswith(_MARKDOWN):
        _find_comments(source)
    _find_by_rules(source)
    _find_fetched_code(source)
    _find_addresses(source)
    _find_secrets(source)
    _find_encoded(source)
    if path.rpartition("/")[2] == "SKILL.md":
        _find_tools(source)
    return max(size, len(source.text))  # plain letters can be twice as many


# ---- what a reader does not see ------------------------------------------------------------------------------------

_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"  # of a glyph's variant: one after a letter or an emoji is ordinary
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u2065\u206a-\u206f\u3164\ufeff"
    "\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
) + _SELECTORS
_HIDDEN_RUN = re.compile(f"[{_INVISIBLE}]+")
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,6}\U000e007f")  # England, Scotland, Wales …
_BIDI = "\u202a-\u202e\u2066-\u2069"  # embeddings, overrides and isolates
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
# Cyrillic and Greek letters that nobody can tell from Latin ones. Small alpha, nu and rho are left to mathematics.
_LOOKALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u0405"
    "\u03bf\u039f\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u03a1\u03a4\u03a5\u03a7",
    "aeopcyxijshdqwABEKMHOPCTXIJSoOABEZHIKMNPTYX",
)
_ALIKE = "".join(map(chr, _LOOKALIKES))
_MIXED = re.compile(f"(?<!\\w)(?:[A-Za-z]+[{_ALIKE}]|[{_ALIKE}]+[A-Za-z])[A-Za-z{_ALIKE}]*(?!\\w)")


def _undisguised(text: str) -> str:
    """The text as it is meant to be taken: the same lines, plain letters, nothing invisible."""
    text = re.sub(f"[{_INVISIBLE}{_BIDI}]+", "", text).translate(_LOOKALIKES)
    # no letter in disguise is more than two, and NFKC writes some signs out as whole sentences
    long = [letter for letter in set(text) if len(unicodedata.normalize("NFKC", letter)) > 2]
    return unicodedata.normalize("NFKC", text.translate(dict.fromkeys(map(ord, long), " ")))


def _find_invisible(source: _Text) -> None:
    text, scattered = source.text, 0
    fix = "Delete what can't be seen, or type the words again."
    for match in _HIDDEN_RUN.finditer(text):
        run, start, end = match[0], match.start(), match.end()
        before, after = text[max(0, start - 1) : start], text[end : end + 1]
        if any("\U000e0020" <= each <= "\U000e007e" for each in run):
            if not _FLAG.fullmatch(text, max(0, start - 1), end):
                tags = "".join(chr(ord(each) - 0xE0000) for each in run if "\U000e0020" <= each <= "\U000e007e")
                message = f"The text {shown(tags)} stands here in letters that only a model reads."
                source.add(start, "hidden", "block", message, fix)
            continue
        if _is_ordinary(run, before, after):
            continue
        scattered += len(run)
        count = f"{len(run)} invisible character{'s' * (len(run) > 1)} ({_codes(run)})"
        if len(run) >= HIDDEN_IN_A_ROW:
            source.add(start, "hidden", "block", f"{count} in a row can carry a message.", fix)
        elif run != "\u00ad" and (before + after).isascii() and before.isalnum() and after.isalnum():
            word = shown(text[max(0, start - 10) : end + 10])
            source.add(start, "hidden", "ask", f"A word is split by {count}: {word}.", fix)
        else:
            source.add(start, "hidden", "note", f"The line holds {count}.", fix)
    if scattered >= HIDDEN_IN_ALL:
        message = f"{scattered:,} invisible characters are spread over the text; they can carry a message."
        source.add(0, "hidden", "ask", message, fix)


def _is_ordinary(run: str, before: str, after: str) -> bool:
    """Whether an invisible run is part of an emoji or of a script that is written with it."""
    if not before:
        return run == "\ufeff"  # the byte order mark
    if len(run) == 1 and re.match(f"[{_SELECTORS}]", run):
        return not (before.isspace() or (before.isascii() and before.isalpha()))
    if _RIGHT_TO_LEFT.match(before) or _RIGHT_TO_LEFT.match(after):
        return run in ("\u200c", "\u200d", "\u200e", "\u200f", "\u061c")
    return run in ("\u200c", "\u200d", "\ufe0f\u200d") and not before.isascii() and not after.isascii()


def _find_bidirectional(source: _Text) -> None:
    is_right_to_left: dict[int, bool] = {}  # by line
    for match in re.finditer(f"[{_BIDI}]", source.text):
        line = source.line(match.start())
        if line not in is_right_to_left:
            is_right_to_left[line] = _RIGHT_TO_LEFT.search(source.line_text(match.start())) is not None
        is_expected = match[0] not in "\u202d\u202e" and is_right_to_left[line]
        message = f"{_codes(match[0])} changes the order in which the text is shown: it may read otherwise than it is."
        fix = "Delete it, or type the line again."
        source.add(match.start(), "hidden", "note" if is_expected else "block", message, fix)


def _find_lookalikes(source: _Text) -> None:
    for match in _MIXED.finditer(source.text):
        word = match[0]
        if len(word) > 2:
            codes = _codes("".join(letter for letter in word if not letter.isascii()))
            message = f"{shown(word)} is not the word it seems: some letters are of another alphabet ({codes})."
            source.add(match.start(), "lookalike", "ask", message, f"Write {shown(word.translate(_LOOKALIKES))}.")


def _find_out_of_sight(source: _Text) -> None:
    fix = "Read on there, and delete the blanks."
    for match in re.finditer(rf"(?<!\n)\n(?:[ \t]*\n){{{BLANK_LINES},}}(?=[^\n])", source.text):
        message = "A text follows so many empty lines that it may be meant to be overlooked."
        source.add(match.end(), "hidden", "ask", message, fix)
    for match in re.finditer(rf"(?<![ \t])[ \t]{{{BLANK_COLUMNS},}}(?=[^ \t\n|])", source.text):
        message = "A text stands so far to the right that it may be meant to be overlooked."
        source.add(match.end(), "hidden", "ask", message, fix)
    for match in re.finditer("[\x1b\x9b\b]", source.text):
        message = f"The control character {_codes(match[0])} can change or hide what a terminal shows."
        source.add(match.start(), "hidden", "ask", message, "Delete it.")


def _find_comments(source: _Text) -> None:
    """The comments of a Markdown text. Those in a block of code are there to be read."""
    text, end = source.text, 0
    fences = _fences(text)
    for match in re.finditer(r"<!--|^ {0,3}\[[^\]\n]{1,60}\]: ?(?:#|<>) ?[\"'(]", text, re.MULTILINE):
        start = match.start()
        if start < end or _is_within(fences, start, len(text)):
            continue
        close = "-->" if match[0] == "<!--" else "\n"
        closed = text.find(close, match.end())
        end = closed + len(close) if closed >= 0 else len(text)
        inner = text[match.end() : end - len(close) if closed >= 0 else end]
        source.comments.append((start, end))
        if closed < 0 and close == "-->":
            message = "A comment opens and never ends: a page shows nothing of what follows, a model reads it."
            source.add(start, "comment", "ask", message, "End it with '-->', or delete it.")
        elif inner.strip():
            message = f"A comment, which a page does not show and a model reads: {shown(inner)}."
            source.add(start, "comment", "note", message, "Read it, and delete it if it is no use.")
    _find_markup(source, fences)
    source.comments = _merged(source.comments)


def _find_markup(source: _Text, fences: list[tuple[int, int]]) -> None:
    """Markup in a Markdown text that hides what it holds, or runs something where a page shows it."""
    comments, end = source.comments.copy(), 0
    for match in _TAG.finditer(source.text):
        start = match.start()
        if start < end or any(_is_within(spans, start, len(source.text)) for spans in (comments, fences)):
            continue
        if _HIDING.search(match[0]):
            close = source.text.find(f"</{match[1]}", match.end(), match.end() + MAX_ELEMENT)
            end = close if close >= 0 else match.end() + MAX_ELEMENT
            source.comments.append((start, end))
            inner = shown(source.text[match.end() : end])
            message = f"Markup hides from a page what a model reads: {inner}."
            source.add(start, "hidden", "ask", message, "Show it, or delete it.")
        elif match[1].lower() in _ACTIVE_TAGS or _ON_EVENT.search(match[0]):
            message = f"The markup {shown(match[0])} runs code where a page shows it."
            source.add(start, "address", "ask", message, "Delete it, or put it into a block of code.")


_TAG = re.compile(r"(?<!`)<([A-Za-z][\w-]{0,20})(?=[\s>/])([^<>]{0,500})>")
_HIDING = re.compile(
    r"\bstyle\s{0,3}=[^>]{0,200}?(?:display\s{0,3}:\s{0,3}none|visibility\s{0,3}:\s{0,3}hidden|"
    r"(?:font-size|opacity|max-height)\s{0,3}:\s{0,3}0(?![\d.]{0,4}[1-9]))|\shidden(?=[\s=>/])",
    re.IGNORECASE,
)
_ACTIVE_TAGS = frozenset("script iframe object embed".split())
_ON_EVENT = re.compile(r"\son[a-z]{3,20}\s{0,3}=", re.IGNORECASE)


def _fences(text: str) -> list[tuple[int, int]]:
    """(start, end) of the blocks of code of a Markdown text, in order; one that is never closed is none."""
    fences, opened, start = [], "", 0
    for match in re.finditer(r"^[ \t]*(`{3,}|~{3,})([^\n]*)", text, re.MULTILINE):
        if not opened:
            opened, start = match[1], match.start()
        elif match[1].startswith(opened) and not match[2].strip():
            fences.append((start, match.end()))
            opened = ""
    return fences


def _find_encoded(source: _Text) -> None:
    for match in re.finditer(rf"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/]{{{ENCODED},}}", source.text):
        letters = match[0][:4000]
        try:
            data = base64.b64decode(letters[: len(letters) // 4 * 4])
        except binascii.Error:
            continue
        readable = data.decode("utf-8", "ignore")
        if len(readable) < 0.9 * len(data) or not readable.replace("\n", "").isprintable():
            continue  # a picture, a checksum, a key
        inner = Report()
        _find_by_rules(_Text(inner, "", readable))
        _find_fetched_code(_Text(inner, "", readable))
        message = f"The letters are Base64 of a text: {shown(readable)}."
        source.add(match.start(), "encoded", "block" if inner.findings() else "ask", message, "Write the text itself.")


def _codes(text: str) -> str:
    return ", ".join(f"U+{ord(character):04X}" for character in dict.fromkeys(text[:40]))


# ---- what the texts say --------------------------------------------------------------------------------------------

# Every repetition below is bounded and every pattern starts with a word: the time grows with the text, not faster.
_GAP = r"[\s>*#\"'\u2019`,]{1,8}"  # between two words: also the end of a line, and the marks that begin the next one


def _sentences(*patterns: str) -> re.Pattern[str]:
    """Patterns in which ' ' is what stands between two words, and '…' the same with up to four words in it.

    A word has one apostrophe at most, between letters: a run of them would else be parted into words and gaps in
    millions of ways.
    """
    word = "[a-z0-9]{1,30}(?:['\u2019][a-z0-9]{1,30})?"
    pattern = "|".join(patterns).replace("…", f"{_GAP}(?:{word}{_GAP}){{0,4}}?").replace(" ", _GAP)
    return re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE)


def _commands(*patterns: str) -> re.Pattern[str]:
    """Patterns in which ' ' is a few blanks or none, and '…' up to 200 characters of the same line."""
    return re.compile("|".join(patterns).replace("…", r"[^\n]{0,200}?").replace(" ", r"[^\S\n]{0,4}"), re.IGNORECASE)


class _Rule(NamedTuple):
    kind: str
    severity: Severity
    message: str
    pattern: re.Pattern[str]


# German, French, Spanish, Portuguese, Italian, Dutch, Russian; then Chinese, Japanese, Korean, which put no blanks.
_ELSEWHERE = re.compile(
    r"\b(?:"
    r"(?:ignorier|vergiss|missacht)\w{0,3}\s(?:\w{1,12}\s){0,3}?(?:vorherig|bisherig|obig|früher|anderen)\w{0,3}\s"
    r"(?:anweisung|regel|befehl|instruktion)|"
    r"(?:ignor|oubli)\w{0,4}\s(?:\w{1,12}\s){0,3}?(?:instructions|consignes|règles|directives)\s"
    r"(?:précédentes|antérieures|ci-dessus)|"
    r"(?:ignor|olvid|esque[çc])\w{0,4}\s(?:\w{1,12}\s){0,3}?(?:instrucciones|instruções|órdenes|reglas|regras)\s"
    r"(?:\w{1,12}\s)?(?:anteriores|previas|prévias)|"
    r"(?:ignora|dimentica)\w{0,3}\s(?:\w{1,12}\s){0,3}?(?:istruzioni|regole)\s(?:precedenti|anteriori)|"
    r"(?:negeer|vergeet)\s(?:\w{1,12}\s){0,3}?(?:vorige|eerdere|voorgaande)\s(?:instructies|regels)|"
    r"(?:игнориру|забуд)\w{0,4}\s(?:\w{1,12}\s){0,3}?(?:предыдущ|прежн)\w{0,4}\s(?:инструкци|указани|команд|правил))"
    r"|(?:忽略|无视|無視|忘记|忘掉)[^\n。]{0,8}(?:之前|以上|先前|前面|此前|上述)[^\n。]{0,8}(?:指令|指示|提示|规则|命令|說明|说明)"
    r"|(?:以前|これまで|上記|前)の[^\n。]{0,8}(?:指示|命令|ルール|プロンプト)[^\n。]{0,8}(?:無視|忘れ)"
    r"|(?:이전|위의|앞의)[^\n.]{0,8}(?:지시|명령|지침|규칙)[^\n.]{0,8}(?:무시|잊)",
    re.IGNORECASE,
)
_USER = "(?:the|your|this|any) (?:user|human|person|reader|operator|developer)s?"
_KEYS = (
    "(?:credentials?|passwords?|passphrases?|secrets?|cookies|(?:api|access|private|ssh) keys?|access tokens?|env vars|"
    "environment variables|conversation|chat (?:history|log)|system prompt|personal data)"
)
_SHELL = (
    r"\|\s{0,8}(?:sudo (?:-\w{1,3} ){0,2})?(?:/(?:usr/)?bin/)?"
    r"(?:(?:ba|z|da|k|fi|c)?sh\b(?! -c)|(?:python[\d.]{0,4}|node|perl|ruby|php)\b(?= -? (?:$|[\n;&|)\"'`])))"
)
_REMOTE = r"\b(?:curl|wget|iwr|irm|Invoke-WebRequest|Invoke-RestMethod|DownloadString)\b"
_PRIVATE_FILE = (
    r"(?:(?:~|\$\{?HOME\}?|/root|/home/\w{1,30})/\.(?:ssh/(?:id_\w{1,20}|\*)|aws/credentials|netrc|gnupg|kube/config|"
    r"docker/config\.json|git-credentials|config/gh/hosts)|/etc/shadow)"
)
_FETCH_AND_RUN = _commands(
    rf"\b(?:curl|wget)\b(?:[^|\n]{{0,200}}(?:\||(?<=\\)\n)){{0,3}}?[^|\n]{{0,200}}{_SHELL}",
    r"\b(?:sh|bash|zsh|source|eval|exec|python[\d.]{0,4}|node|perl|ruby) (?:-\w{1,3} )?[\"']?(?:<\(|\$\(|`) "
    rf"{_REMOTE}[^\n]{{0,300}}",
    rf"\.[^\S\n]{{1,4}}<\( {_REMOTE}[^\n]{{0,300}}",
    r"\bdeno\srun\b…https?://[^\s\"'`]{0,300}",
    rf"{_REMOTE}…\| (?:iex|Invoke-Expression)\b",
    rf"\b(?:iex|Invoke-Expression)\b…{_REMOTE}[^\n]{{0,300}}",
    r"\b(?:exec|eval) \( (?:requests\.get|httpx\.get|(?:urllib\.request\.)?urlopen|\(?await \(?(?:await )?fetch)\b"
    r"[^\n]{0,300}",
)
# A download into a file: named, or called as the end of its address.
_DOWNLOAD = _commands(
    r"\b(?:curl|wget)\b…(?:\s(?:-[a-zA-Z]{0,4}[oO]|--output|--output-document)(?: |=)|>)[^\S\n]{0,4}[\"']?"
    r"(?:\./|/tmp/|~/)?(?P<named>[\w.-]{1,80})(?=[\s\"';&|)`]|$)",
    r"\b(?:wget|curl (?:-[a-zA-Z]{1,4}\s){0,3}-[a-zA-Z]{0,3}O)\b[^\n|>]{0,200}/(?P<called>[\w.-]{1,80})"
    r"(?=[\s\"';&)`]|$)",
)
_RUN = re.compile(
    r"(?:\b(?:(?:ba|z|da)?sh|source|python[\d.]{0,4}|node|perl|ruby|php|pwsh|chmod\s{1,4}[\w+]{1,8})[^\S\n]{1,4}"
    r"(?:-\w{1,6}[^\S\n]{1,4})?|[\n;&|][^\S\n]{0,8}(?:sudo )?)"
    r"(?=[\"']?(?:\./|/tmp/|~/)?(?P<file>[\w.-]{1,80})(?![\w.-]))"
)
_RUN_AFTER = 300  # characters after a download within which it is run
_INSTALL = _commands(
    r"\b(?:(?:pip3?|uv|npm|pnpm|yarn|bun|cargo|gem)\s(?:\w{1,10} )?(?:install|add|i|tool)|pipx|uvx|npx)\s…"
    r"(?:git\+(?:https?|ssh)|https?)://[^\n]{0,200}"
)
_RULES = (
    _Rule(
        *("orders", "ask", "It tells the model to set other instructions aside"),
        _sentences(
            "(?:ignore|disregard|forget|override|bypass|discard|do not follow|don't follow)…"
            "(?:previous|prior|above|earlier|preceding|foregoing|existing|original|system|safety|developer)…"
            "(?:instructions?|prompts?|rules|messages?|directions?|guidelines?|directives?|constraints?)"
        ),
    ),
    _Rule(
        *("orders", "ask", "It tells the model to drop its limits"),
        _sentences(
            "(?:you are|you're|act as|enter|switch to) (?:now )?(?:in )?"
            "(?:dan|jailbroken|(?:developer|jailbreak|god) mode)",
            "you are no longer (?:bound|limited|restricted|an ai)",
            "(?:pretend|act as if|imagine)…you have no…(?:restrictions|rules|guidelines|limits|limitations)",
        ),
    ),
    _Rule(
        *("orders", "ask", "It tells the model to keep something from its user"),
        _sentences(
            f"(?:do not|don't|never|must not)…(?:tell|inform|notify|alert|warn) {_USER}",
            f"(?:do not|don't|never|must not)…(?:mention|reveal|disclose|admit|say|show|report)…(?:to|from) {_USER}",
            f"(?:do not|don't|never|must not) let {_USER} (?:know|see|notice|find out)",
            f"without (?:telling|informing|notifying|alerting|warning|asking) {_USER}",
            f"without {_USER}(?: s)? (?:knowledge|knowing|noticing|consent|awareness|permission|approval)",
            "(?:silently|secretly|covertly) (?:send|upload|post|copy|collect|record|exfiltrate|forward|transmit)",
            f"(?:hide|conceal|keep)(?: (?:this|that|it|these|them|all))?…(?:secret |hidden )?from {_USER}",
            f"{_USER} (?:must|should) (?:not|never) (?:know|notice|learn|find out|be told|be aware)",
        ),
    ),
    _Rule(
        *("orders", "ask", "It puts itself above what its user wants"),
        _sentences(
            "(?:override|overrule|supersede|take precedence over|disobey|ignore|disregard)s?…"
            f"{_USER}(?: s)? (?:requests?|wishes|instructions?|orders|commands?|intent|objections?|preferences)",
            f"(?:do not|don't|never) (?:obey|follow|listen to) {_USER}",
        ),
    ),
    _Rule(
        *("orders", "note", "It tells the model to act without asking its user"),
        _sentences(
            f"(?:do not|don't|never)…ask {_USER}…(?:confirmation|permission|approval|consent|confirm|approve)",
            f"(?:bypass|skip|circumvent)…{_USER}(?: s)? (?:confirmation|permission|approval|consent)",
        ),
    ),
    _Rule(*("orders", "ask", "It tells the model, in another language, to set other instructions aside"), _ELSEWHERE),
    _Rule(
        *("orders", "ask", "It tells the model to send out what is private"),
        _sentences(f"(?:send|post|upload|transmit|exfiltrate|forward|leak|email|submit|report)…{_KEYS}…(?:to|via)"),
    ),
    _Rule(
        *("orders", "ask", "It asks the model for its own instructions"),
        _sentences(
            "(?:reveal|print|output|repeat|show|leak|expose) (?:me )?(?:your|the) (?:(?:full|entire|exact) )?"
            "(?:(?:hidden|initial) instructions|(?:hidden |initial )?system (?:prompt|message))"
        ),
    ),
    # A base model reads what follows such a mark as somebody else's turn.
    _Rule(
        *("orders", "ask", "It holds marks of a chat's turns"),
        re.compile(
            r"<\|(?:im_start|im_end|system|user|assistant|start_header_id|eot_id|endoftext)\|>|<</?SYS>>|\[/?INST\]"
        ),
    ),
    _Rule(
        *("runs", "block", "It decodes what nobody can read and runs it"),
        _commands(
            rf"\b(?:base64\s(?:-d|-D|--decode)|xxd\s-r)\b…{_SHELL}",
            r"\b(?:eval|exec) \(? [\"']?(?:\$\(…base64\s-|base64\.b64decode|atob|Buffer\.from\(…base64)",
            r"\bpowershell(?:\.exe)?\b…\s-e(?:c|nc|ncodedcommand)?\s[a-z0-9+/=]{20}",
        ),
    ),
    _Rule(
        *("reach", "block", "It sends keys or settings of the computer away"),
        _commands(
            r"\b(?:env|printenv) \|…\b(?:curl|wget|nc)\b",
            rf"\b(?:curl|wget|nc|scp)\b…(?:\$\((?:env|printenv)\b|{_PRIVATE_FILE})",
            rf"{_PRIVATE_FILE}[^\n|]{{0,200}}\|[^\n]{{0,400}}?\b(?:curl|wget|nc)\b",
        ),
    ),
    _Rule(
        *("reach", "ask", "It reads private keys or passwords"),
        _commands(rf"\b(?:cat|cp|less|head|tail|type|base64|tar|zip|open)\b…{_PRIVATE_FILE}"),
    ),
    _Rule(
        *("reach", "ask", "It deletes a whole disk or home folder"),
        _commands(
            r"\brm\s (?:-[\w-]{1,20}\s ){1,3}[\"']?(?:/|~|\$\{?HOME\}?)/?\*?[\"']?(?=\s|$|[;&|`)])",
            r"\bmkfs\.\w{1,8}\s…/dev/",
            r"\bdd\s…\bof=/dev/(?:sd|nvme|disk|hd)",
        ),
    ),
    _Rule(
        *("reach", "ask", "It opens the computer to somebody else"),
        _commands(
            r"\b(?:ba)?sh\s -i >& /dev/tcp/",
            r"\bnc(?:at)?\b…\s-e \S{0,10}sh\b",
            r">> \S{0,60}authorized_keys",
        ),
    ),
    _Rule(
        *("reach", "ask", "It switches off that an agent asks before it acts"),
        _commands(r"--dangerously-(?:skip-permissions|bypass-approvals-and-sandbox)|\bbypassPermissions\b"),
    ),
)
_FIXES = {
    "orders": "Read the place, and delete it unless the skill is about such texts.",
    "runs": "Read what it fetches first, and install it in a way that checks it.",
    "reach": "Delete it unless you know what it is for.",
}
# Where installers in wide use come from, at addresses that one author alone can write to.
_INSTALLERS = frozenset(
    "astral.sh sh.rustup.rs bun.sh bun.com deno.land get.docker.com ollama.com install.python-poetry.org get.pnpm.io "
    "claude.ai opencode.ai deb.nodesource.com fnm.vercel.app pixi.sh sdk.cloud.google.com get.nextflow.io".split()
)
_ADDRESS = re.compile(r"(https?)://([^\s/?#\"'`<>)\]\\|]{1,300})([^\s\"'`<>)\\|]{0,500})", re.IGNORECASE)
_DROPS = re.compile(
    r"(?:^|\.)(?:webhook\.site|requestbin\.\w{2,5}|pipedream\.net|interact\.sh|oast\.\w{2,5}|burpcollaborator\.net|"
    r"ngrok\.io|ngrok-free\.app|trycloudflare\.com)$"
)
_SHORTENERS = frozenset("bit.ly tinyurl.com t.co goo.gl is.gd ow.ly cutt.ly rb.gy t.ly shorturl.at".split())
_LINK = re.compile(r"\[https?://([^\s/?#\]]{1,200})[^\]\n]{0,200}\]\(https?://([^\s/?#)]{1,200})")
_ACTIVE_LINK = re.compile(r"\]\(\s{0,4}(?:javascript:|vbscript:|data:text/html)[^\s)]{0,100}", re.IGNORECASE)
_FILLED_PICTURE = re.compile(r"!\[[^\]\n]{0,200}\]\(https?://([^\s/?#)]{1,200})[^\s)?]{0,200}\?[^\s)]{0,100}=[{$<\[]")
_SECRETS = {
    "private key": r"-----BEGIN (?:[A-Z]{1,10} ){0,2}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n){1,4}"
    r"(?:[\w-]{1,40}: (?:[^\n:]{0,80}[^\S\n]|[^\n]{0,80}\n\s{0,3})){0,4}[A-Za-z0-9+/=]{40}",
    "key of AWS": r"A(?:KI|SI)A[A-Z0-9]{16}(?!\w)",
    "token of GitHub": r"(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{60,90})(?!\w)",
    "token of GitLab": r"glpat-[\w-]{20}",
    "token of Slack": r"xox[abprs]-[\w-]{20,200}",
    "key of Google": r"AIza[\w-]{35}",
    "key of a language model": r"sk-(?:ant-|proj-|or-)?[\w-]{32,200}",
    "token of Hugging Face": r"hf_[A-Za-z]{34}(?!\w)",
    "key of Stripe": r"[rs]k_live_[A-Za-z0-9]{20,100}",
    "token of npm": r"npm_[A-Za-z0-9]{36}(?!\w)",
    "token of PyPI": r"pypi-AgEI[\w-]{50,200}",
    "key of SendGrid": r"SG\.[\w-]{20,30}\.[\w-]{40,50}(?![\w-])",
    "token of DigitalOcean": r"do[opr]_v1_[a-f0-9]{64}(?!\w)",
    "token of Telegram": r"\d{8,10}:AA[\w-]{33}(?![\w-])",
    "key of Azure": r"AccountKey=[A-Za-z0-9+/]{80,90}==",
    "password in an address": r"[a-z][a-z0-9+]{1,20}://[^\s:/@\"'`<>{}$]{1,60}:[^\s:/@\"'`<>{}$]{8,100}@[\w-]{1,100}\.",
    "password": r"(?i:password|passwd|client_secret|secret_key|api_?key|access_token)[\"']?\s{0,3}[:=]\s{0,3}"
    r"[\"'][^\s\"'`<>{}$%*\\]{12,100}[\"']",
    "signed token": r"eyJ[\w-]{20,500}\.eyJ[\w-]{20,500}\.[\w-]{20,500}",
}
_EACH_SECRET = "|".join(f"(?P<_{number}>{pattern})" for number, pattern in enumerate(_SECRETS.values()))
_SECRET = re.compile(rf"(?<![\w-])(?:{_EACH_SECRET})")
_PLACEHOLDER = re.compile(r"(?i)example|x{4}|0{5}|12345|abcdef|your|placeholder|test|dummy|fake|sample")
_EVERY_COMMAND = re.compile(r"^allowed[-_]tools[ \t]*:[^\n]*?(?:\bBash\b(?!\()|\bBash\(\*|\*$)", re.M | re.I)
_HOOKS = re.compile(r"^hooks[ \t]*:", re.M)
_RUN_ON_OPENING = re.compile(r"(?<![\w`!])!`([^`\n]{1,300})`")


def _find_by_rules(source: _Text) -> None:
    for rule in _RULES:
        for match in rule.pattern.finditer(source.text):
            _add_found(source, match, rule.kind, rule.severity, rule.message)


def _find_fetched_code(source: _Text) -> None:
    for match in _FETCH_AND_RUN.finditer(source.text):
        addresses = [*_ADDRESS.finditer(match[0])]
        if any(map(_is_changeable, addresses)):
            _add_found(source, match, "runs", "block", "It runs what anybody on the way can change")
        else:
            is_usual = addresses and all(_host(address[2]) in _INSTALLERS for address in addresses)
            _add_found(source, match, "runs", "note" if is_usual else "ask", "It fetches code and runs it")
    for match in _DOWNLOAD.finditer(source.text):
        name, end = match["named"] or match["called"], match.end()
        if any(run["file"] == name for run in _RUN.finditer(source.text, end, end + _RUN_AFTER)):
            is_changeable = any(map(_is_changeable, _ADDRESS.finditer(source.line_text(match.start()))))
            message = "It runs what anybody on the way can change" if is_changeable else "It fetches a file and runs it"
            _add_found(source, match, "runs", "block" if is_changeable else "ask", message)
    for match in _INSTALL.finditer(source.text):
        is_changeable = any(map(_is_changeable, _ADDRESS.finditer(match[0])))
        _add_found(source, match, "runs", "ask" if is_changeable else "note", "It installs code from an address")


def _add_found(source: _Text, match: re.Match[str], kind: str, severity: Severity, message: str) -> None:
    """Adds what a rule found. What only a model gets to read has no good reason to order or run anything."""
    if severity == "ask" and source.is_commented(match.start()):
        severity, message = "block", f"{message}, inside a comment"
    source.add(match.start(), kind, severity, f"{message}: {shown(match[0])}.", _FIXES[kind])


def _is_changeable(address: re.Match[str]) -> bool:
    """Whether an address is one of another computer that does not prove who it is."""
    host = _host(address[2])
    ip = _ip(host)
    is_local = not ip.is_global if ip else "." not in host
    return not is_local and (address[1].lower() == "http" or ip is not None)


def _find_addresses(source: _Text) -> None:
    fix = "Open it only if you know where it leads."
    for match in _ADDRESS.finditer(source.text):
        host, rest = _host(match[2]), match[3]
        if "." in match[2].rpartition("@")[0]:
            message = f"The address {shown(match[0])} leads to {shown(host)}, not where it begins."
            source.add(match.start(), "address", "ask", message, fix)
        elif _DROPS.search(host) or re.match(r"/api/webhooks/\d|/bot\d+:", rest):
            message = f"The address {shown(match[0])} is one at which anybody can collect what is sent."
            source.add(match.start(), "address", "ask", message, fix)
        elif (ip := _ip(host)) and ip.is_global:
            source.add(match.start(), "address", "note", f"The address {shown(match[0])} has no name.", fix)
        elif host in _SHORTENERS or "xn--" in host:
            message = f"The address {shown(match[0])} does not say where it leads."
            source.add(match.start(), "address", "note", message, fix)
    for match in _LINK.finditer(source.text):
        said, meant = _host(match[1]), _host(match[2])
        if said.removeprefix("www.") != meant.removeprefix("www."):
            message = f"The link says {shown(said)} and leads to {shown(meant)}."
            source.add(match.start(), "address", "ask", message, "Let it say where it leads.")
    for match in _ACTIVE_LINK.finditer(source.text):
        message = f"The link runs code where a page shows it: {shown(match[0])}."
        source.add(match.start(), "address", "ask", message, "Delete it.")
    for match in _FILLED_PICTURE.finditer(source.text):
        message = f"Showing this picture sends what the model fills in to {shown(_host(match[1]))}."
        source.add(match.start(), "address", "ask", message, "Delete it.")


def _host(authority: str) -> str:
    """The host of an address's middle part, without the name before '@' and the port after ':'."""
    return re.sub(r":\d*$", "", authority.rpartition("@")[2]).lower().rstrip(".,;:")


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _find_secrets(source: _Text) -> None:
    names = [*_SECRETS]
    for match in _SECRET.finditer(source.text):
        name = names[int((match.lastgroup or "_0")[1:])]
        if name == "private key" or (not _PLACEHOLDER.search(match[0]) and len(set(match[0][-16:])) > 7):
            message = f"This looks like a {name} ({match[0][:5]}…); whoever reads the skill can use it."
            # What is called a password is often an example; what has the form of somebody's key seldom is.
            severity = "note" if name == "password" else "ask"
            source.add(match.start(), "secret", severity, message, "Revoke it and delete it, if it is a real one.")


def _find_tools(source: _Text) -> None:
    """What a SKILL.md has agent programs do before anybody has read it."""
    front = re.match(r"\s*---[ \t]*\n(.*?\n)---[ \t]*(?:\n|$)", source.text, re.DOTALL)
    start, end = front.span(1) if front else (0, 0)
    for match in _EVERY_COMMAND.finditer(source.text, start, end):
        message = "It asks that every command be allowed without a question."
        source.add(match.start(), "tools", "note", message, "Name the commands, as in Bash(git diff:*).")
    for match in _HOOKS.finditer(source.text, start, end):
        message = "It sets up commands that an agent program runs by itself."
        source.add(match.start(), "tools", "ask", message, "Delete 'hooks', or read every command.")
    for match in _RUN_ON_OPENING.finditer(source.text, end):
        message = f"Some agent programs run this as soon as they open the skill: {shown(match[1])}."
        source.add(match.start(), "tools", "ask", message, "Take the '!' away.")


# ---- what is in the files ------------------------------------------------------------------------------------------

# ELF, Windows, Mach-O of four kinds, WebAssembly
_PROGRAMS = tuple(map(bytes.fromhex, "7f454c46 4d5a9000 feedface feedfacf cefaedfe cffaedfe cafebabe 0061736d".split()))
_PROGRAM_ENDINGS = tuple(".exe .dll .so .dylib .jar .class .pyc .msi .scr .lnk .wasm".split())
_PICKLES = tuple(".pkl .pickle .pt .pth .joblib .ckpt .npy".split())
_PACKED = tuple(map(bytes.fromhex, "1f8b08 425a68 fd377a58 377abcaf 52617221 28b52ffd".split()))  # gzip … Zstandard
_PACKED_ENDINGS = tuple(".tar .tgz .7z .rar".split())
_DOCUMENTS = tuple(".docx .xlsx .pptx .dotx .xltx .potx .odt .ods .odp .epub .npz".split())
_SCRIPTS = tuple(
    ".py .sh .bash .zsh .fish .ps1 .psm1 .bat .cmd .js .mjs .cjs .ts .rb .pl .php .lua .r .vbs .applescript".split()
)
_SETTINGS = ("package.json", "setup.py", "conftest.py", ".mcp.json", "mcp.json", ".envrc", ".pre-commit-config.yaml")
_SETTINGS_FOLDERS = (".claude/", ".vscode/", ".idea/", ".cursor/", ".opencode/", ".github/", ".githooks/", "hooks/")


def _check_file(report: Report, path: str, data: bytes, holds_too_many: bool) -> None:
    """Adds what a file is by its name and bytes; `holds_too_many` is said of all archives of the skill together."""
    lowered = path.lower()
    if data.startswith(_PROGRAMS) or lowered.endswith(_PROGRAM_ENDINGS):
        message = "It is a program that nobody can read."
        report.add(path, 0, "program", "ask", message, "Leave it out, or build it from its source.")
    elif lowered.endswith(_PICKLES):
        message = "Files of this kind can run code when they are opened."
        report.add(path, 0, "program", "ask", message, "Ask for safetensors or another kind that holds data only.")
    elif zipfile.is_zipfile(io.BytesIO(data)) and (holds_too_many or _is_bomb(data)):
        message = f"It is an archive that would unpack to far more than its {len(data):,} bytes, or to too many files."
        report.add(path, 0, "bomb", "block", message, "Leave it out.")
    elif lowered.endswith(_DOCUMENTS):
        return
    elif zipfile.is_zipfile(io.BytesIO(data)) or data.startswith(_PACKED) or lowered.endswith(_PACKED_ENDINGS):
        report.add(path, 0, "program", "ask", "It is an archive; nobody looked inside.", "Unpack it into the folder.")
    elif lowered.endswith(_SCRIPTS) or data.startswith(b"#!"):
        message = "It is a script, which an agent that uses the skill may run. The studio never runs it."
        report.add(path, 0, "script", "note", message, "Read it before you install the skill.")
    if lowered.rpartition("/")[2] in _SETTINGS or lowered.startswith(_SETTINGS_FOLDERS):
        message = "Editors, package managers and agents act on this file as soon as they find it."
        report.add(path, 0, "settings", "ask", message, "Leave it out.")


def _is_bomb(data: bytes) -> bool:
    """Whether a zip says that it unpacks to too much; nothing of it is unpacked to see."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        return False
    return size > MAX_SIZE or (size >= RATIO_FROM and size > MAX_RATIO * len(data))
