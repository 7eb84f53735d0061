"""SKILL.md: what is read from texts good, bad and hostile, the problems told, and what is written.

A text is read leniently: only what is empty, too large or not text at all is refused.
"""

import contextlib
import random
import time

import pytest
import yaml

from skills.skill import MAX_FRONTMATTER, MAX_TEXT, Problem, Skill, SkillError, is_valid_name, safe_name, validate

GOOD = """---
name: name-branches
description: Names branches. Use it when a branch is made.
license: Apache-2.0
compatibility: Needs git.
metadata:
  subtask: Feature/Patch
  version: "1.0"
allowed-tools: Read Bash(git add:*)
---

# Branches

Name a branch `fix/<ticket>`.
"""


def front(*lines: str, body: str = "Do it.") -> str:
    return "\n".join(["---", *lines, "---", "", body, ""])


def only(text: str, folder_name: str | None = None) -> Problem:
    (problem,) = validate(text, folder_name)
    return problem


def test_every_field_of_a_good_skill_is_read():
    assert validate(GOOD, "name-branches") == []
    assert Skill.parse(GOOD) == Skill(
        name="name-branches",
        description="Names branches. Use it when a branch is made.",
        body="# Branches\n\nName a branch `fix/<ticket>`.",
        license="Apache-2.0",
        compatibility="Needs git.",
        metadata={"subtask": "Feature/Patch", "version": "1.0"},
        allowed_tools="Read Bash(git add:*)",
    )


def test_what_is_rendered_is_read_back_the_same():
    skill = Skill.parse(GOOD)
    assert skill.render() == GOOD.replace("'", '"').replace('"1.0"', "'1.0'")
    assert Skill.parse(skill.render()) == skill


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "1.5",
        "2024-01-01",
        "Use this: when",
        "# no comment",
        "'quoted\"",
        "- dash",
        "&a *b",
        "line\nline",
        "ü 漢字 🙂",
    ],
)
def test_a_text_that_yaml_would_take_for_something_else_survives_the_round_trip(text: str):
    skill = Skill("odd-texts", text, "---\nA rule of the body.\n---", metadata={"key": text})
    assert Skill.parse(skill.render()) == skill
    assert validate(skill.render()) == []


def test_a_value_with_a_colon_and_no_quotes_is_read_and_its_line_is_told():
    text = front("name: ok", "description: Use this: when the build fails")
    assert Skill.parse(text).description == "Use this: when the build fails"
    problem = only(text)
    assert (problem.line, problem.severity) == (3, "error")
    assert "description: 'Use this: when the build fails'" in problem.fix


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (["name: ok", 'description: "never closed', "license: MIT"], 3),
        (["name: ok", "description: [a, b", "license: MIT"], 3),
        (["name: ok", "description: fine", "metadata:", "\tkey: value"], 5),
        (["name: ok", "description: fine", "metadata:", "  key: a: b"], 5),
        (["name: ok", "description: @handle"], 3),
    ],
)
def test_broken_yaml_is_told_with_its_line_and_the_keys_around_it_are_read(lines: list[str], line: int):
    problems = [problem for problem in validate(front(*lines)) if "not valid YAML" in problem.message]
    assert [problem.line for problem in problems] == [line]
    assert all(problem.fix for problem in problems)
    assert Skill.parse(front(*lines)).name == "ok"


@pytest.mark.parametrize("value", ['"a\\U00110000"', '"\\UFFFFFFFF"'])
def test_a_letter_that_does_not_exist_is_told_with_its_line_and_left_as_it_stands(value: str):
    text = front("name: ok", f"description: {value}", "license: MIT")
    (problem,) = validate(text)
    assert problem.line == 3 and "'\\U'" in problem.message
    assert Skill.parse(text) == Skill("ok", value.strip('"'), "Do it.", license="MIT")


def test_a_version_of_yaml_with_too_many_digits_is_told():
    text = front(f"%YAML {'9' * 5000}.1", "name: ok", "description: fine")
    assert [problem.line for problem in validate(text) if "'%YAML'" in problem.message] == [2]
    assert Skill.parse(text).name == "ok"


@pytest.mark.parametrize("error", [yaml.YAMLError(), RecursionError()])
def test_what_else_yaml_fails_with_is_a_problem(error: Exception, monkeypatch: pytest.MonkeyPatch):
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(yaml.SafeLoader, "get_single_node", fail)
    assert {problem.message for problem in validate(GOOD)} == {"The frontmatter is not valid YAML: it can't be read."}
    assert Skill.parse(GOOD).name == "name-branches"


def test_a_key_that_is_a_map_is_told_and_its_line_taken_as_text():
    text = front("name: ok", "description: {{what}} it does")
    assert Skill.parse(front("name: ok", "description: {{what}}")).description == "{{what}}"
    assert [problem.line for problem in validate(front("name: ok", "description: {{what}}"))] == [3]
    assert Skill.parse(text).description == "{{what}} it does"


def test_a_text_without_frontmatter_gets_name_and_description_from_its_body():
    text = "# Fix the build\n\nRun the build again.\nThen look.\n\nMore."
    skill = Skill.parse(text)
    assert (skill.name, skill.description) == ("fix-the-build", "Run the build again. Then look.")
    assert skill.body == text
    assert only(text).message == "There is no frontmatter."
    assert "name: fix-the-build" in only(text).fix


def test_frontmatter_that_is_never_closed_is_read_up_to_the_first_line_of_prose():
    text = "---\nname: ok\ndescription: Fine.\n\nThe body."
    assert Skill.parse(text) == Skill("ok", "Fine.", "The body.")
    assert only(text) == Problem(
        1, "error", "The frontmatter that line 1 opens is never closed.", "Put a line '---' after line 3."
    )


def test_of_two_equal_keys_the_last_counts_and_both_lines_are_told():
    text = front("name: ok", "description: first", "description: second")
    assert Skill.parse(text).description == "second"
    problem = only(text)
    assert problem.line == 4
    assert "line 3" in problem.message


def test_line_ends_of_windows_and_a_byte_order_mark_do_no_harm():
    assert validate(GOOD.replace("\n", "\r\n")) == []
    assert Skill.parse("\ufeff" + GOOD.replace("\n", "\r\n")) == Skill.parse(GOOD)
    assert "byte order mark" in only("\ufeff" + GOOD).message


def test_a_nul_is_told_with_its_line_and_left_out():
    text = GOOD.replace("Branches\n", "Bran\0ches\n")
    assert (only(text).line, only(text).severity) == (12, "error")
    assert "U+0000" in only(text).message
    assert Skill.parse(text) == Skill.parse(GOOD)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (" \n\t\n", "empty"),
        (bytes(range(256)).decode("latin-1") * 20, "This is not text"),
        (b"\x89PNG\xff\xfe\xfa".decode("utf-8", "replace") * 99, "This is not text"),
        ("a" * (MAX_TEXT + 1), "1,000,001 characters"),
        ("---\nname: a\ndescription: " + "b" * 70_000 + "\n---\n", "frontmatter has 70,"),
    ],
    ids=["empty", "blank", "bytes", "picture", "large", "large frontmatter"],
)
def test_only_a_text_that_nothing_can_be_made_of_is_refused(text: str, message: str):
    assert message in only(text).message
    with pytest.raises(SkillError, match=message):
        Skill.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10_000_000,
        "---\n" * 2_500_000,
        GOOD + "\0" * 10_000_000,
        "---\n" + "k: {" * 15_000 + "\n---\n",
        "---\n" + "- " * 30_000 + "\n---\n",
        "---\nname: a\n" + "key: b: c\n" * 5000 + "---\n",
        "---\n" + "a:\n" * (MAX_FRONTMATTER // 3 - 9) + "b: 'c\n---\n",
        "---\na: [" + "b," * (MAX_FRONTMATTER // 2 - 9) + "]\n---\n",
        "---\na: [" + ("{? " * 13 + '"\\""' + ": b}" * 13 + ",") * (MAX_FRONTMATTER // 100) + "]\n---\n",
        "# " + "a" * 900_000,
        "\n" * 900_000 + GOOD,
    ],
    ids=[
        "10 MB",
        "10 MB of rules",
        "10 MB of NUL",
        "deep maps",
        "deep lists",
        "broken lines",
        "broken keys",
        "long list",
        "keys in keys",
        "heading",
        "blank lines",
    ],
)
def test_a_hostile_text_costs_a_few_seconds_at_most(text: str):
    start = time.process_time()
    assert validate(text)
    with contextlib.suppress(SkillError):
        Skill.parse(text).render()
    assert time.process_time() - start < 5


def test_yaml_that_unfolds_is_refused_and_taken_as_text():
    bomb = ["name: ok", "description: &a [x, x]", *(f"k{n}: &{n} [*a, *a]" for n in range(3))]
    problems = validate(front(*bomb))
    assert {problem.line for problem in problems if "anchors" in problem.message} == {3, 4, 5, 6}
    assert Skill.parse(front(*bomb)).description == "&a [x, x]"


@pytest.mark.parametrize(
    ("name", "fault", "better"),
    [
        ("fix--build", "two hyphens in a row", "fix-build"),
        ("Fix-Build", "capital letters", "fix-build"),
        ("fix_build", "'_'", "fix-build"),
        ("-fix", "starts or ends with a hyphen", "fix"),
        ("a" * 65, "has 65 characters (at most 64)", "a" * 64),
        ("../../etc/passwd", "'.', '/'", "etc-passwd"),
        ("häuser", "'ä'", "hauser"),
    ],
)
def test_a_bad_name_is_told_with_a_good_one_in_its_place(name: str, fault: str, better: str):
    problem = only(front(f"name: {name}", "description: Fine."))
    assert problem.line == 2
    assert fault in problem.message
    assert problem.fix == f"Write name: {better}"
    assert Skill.parse(front(f"name: {name}", "description: Fine.")).name == better == safe_name(name)


def test_a_name_of_64_letters_is_fine():
    assert validate(front(f"name: {'a' * 64}", "description: Fine.")) == []


def test_a_name_is_cut_between_words_and_never_empty():
    assert safe_name("word " * 30) == "-".join(["word"] * 13)
    assert safe_name("技能") != safe_name("能力")
    assert all(is_valid_name(safe_name(text)) for text in ("", "!!!", "技能", "\0", "a" * 999, "-", "🙂"))


def test_a_name_other_than_its_folder_is_told():
    problem = only(GOOD, "branches")
    assert (problem.line, problem.severity) == (2, "error")
    assert "name-branches" in problem.message and "'branches'" in problem.message
    assert "write name: branches" in problem.fix


@pytest.mark.parametrize(("key", "limit"), [("description", 1024), ("compatibility", 500)])
def test_a_value_over_its_limit_is_told_and_its_rest_moves_to_the_body(key: str, limit: int):
    def with_length(length: int) -> tuple[str, str]:
        value = ("One two three. " * length)[: length - 1] + "x"
        lines = {"name": "ok", "description": "Fine."} | {key: value}
        return front(*(f"{each}: {line}" for each, line in lines.items())), value

    assert validate(with_length(limit)[0]) == []
    text, value = with_length(limit + 1)
    assert f"{limit + 1:,} characters; it may have at most {limit:,}" in only(text).message
    skill = Skill.parse(text)
    assert getattr(skill, key).endswith("three.")
    assert [*getattr(skill, key).split(), *skill.body.split()] == [*value.split(), "Do", "it."]
    assert validate(skill.render()) == []


@pytest.mark.parametrize(
    ("line", "severity", "message", "attribute", "value"),
    [
        ("description: [a, b]", "error", "'description' is a list", "description", "a, b"),
        ("description: 12", "warning", "takes the value of 'description' for a number", "description", "12"),
        ("description: 2024-01-02", "warning", "for a date", "description", "2024-01-02"),
        ("description: {a: b}", "error", "'description' is a map", "description", '{"a": "b"}'),
        ("description:", "error", "'description' is empty", "description", "Do it."),
        ("metadata: text", "error", "'metadata' is text", "metadata", {"metadata": "text"}),
        ("metadata: {v: 1.10}", "warning", "'v' in the metadata for a number", "metadata", {"v": "1.10"}),
        ("metadata: {v: [a, b]}", "error", "'v' in the metadata is a list", "metadata", {"v": "a, b"}),
        ("allowed-tools: [Read, Write]", "warning", "is a list", "allowed_tools", "Read Write"),
        ("allowed-tools: Read, Bash(a b)", "warning", "separated by commas", "allowed_tools", "Read Bash(a b)"),
        ("allowed-tools: {a: b}", "error", "is a map", "allowed_tools", '{"a": "b"}'),
        ("author: Ada", "warning", "'author' is not a key", "metadata", {"author": "Ada"}),
        ("allowed_tools: Read", "warning", "'allowed_tools' is not a key", "allowed_tools", "Read"),
    ],
)
def test_a_value_of_the_wrong_type_is_told_and_made_into_a_right_one(line, severity, message, attribute, value):
    lines = ["name: ok", line] if line.startswith("description") else ["name: ok", "description: Fine.", line]
    problem = only(front(*lines))
    assert (problem.line, problem.severity) == (len(lines) + 1, severity)
    assert message in problem.message
    assert problem.fix
    skill = Skill.parse(front(*lines))
    assert getattr(skill, attribute) == value
    assert validate(skill.render()) == []


def test_missing_keys_and_a_missing_body_are_told():
    assert [problem.message for problem in validate("---\nlicense: MIT\n---\n")] == [
        "'name' is missing.",
        "'description' is missing.",
        "There are no instructions: the body is empty.",
    ]


def test_a_body_over_the_advised_length_is_a_warning():
    problem = only(front("name: ok", "description: Fine.", body="line\n" * 501))
    assert (problem.severity, problem.line) == ("warning", 5)
    assert "501 lines" in problem.message
    problem = only(front("name: ok", "description: Fine.", body="word " * 5_000))
    assert "1 line and about" in problem.message


def test_prose_between_two_rules_is_kept_in_the_body():
    text = "---\nJust a thought.\n---\nAnd more."
    assert Skill.parse(text).body == text
    assert "not a list of 'key: value' lines" in only(text).message


def test_mangled_texts_raise_nothing_but_skill_errors_and_what_is_read_renders_clean():
    rng = random.Random(7)
    pieces = [
        *"\n\n\n:: \t#'\"[]{}&*|>!%@`,?\\\0\r\ufeff\u2028\x85\ud800é漢",
        *("---\n", "\n---\n", "name: ", "description: ", "metadata:\n  ", "allowed-tools:", "? ", "- ", "<<: *a"),
        *(
            "~",
            "null",
            "0x1",
            "1:30",
            "=",
            "...\n",
            "%YAML 9\n",
            "```\n",
            '"\\UFFFFFFFF"',
            "\\U00110000",
            "Name",
            "a" * 1100,
            "\n  - ",
            ">-\n",
            "|2\n",
        ),
    ]
    read = 0
    for _ in range(600):
        text = GOOD
        for _ in range(rng.randrange(1, 12)):
            start = rng.randrange(len(text) + 1)
            end = min(len(text), start + rng.choice([0, 0, 1, 3, 20, 100]))
            text = text[:start] + "".join(rng.choices(pieces, k=rng.randrange(4))) + text[end:]
        validate(text, "name-branches")
        try:
            skill = Skill.parse(text)
        except SkillError:
            continue
        read += 1
        rendered = skill.render()
        assert [p for p in validate(rendered) if "the body is empty" not in p.message] == [], repr(text)
        assert Skill.parse(rendered) == skill, repr(text)
    assert read > 500
