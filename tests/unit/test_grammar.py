"""The grammar of composed skills: what each primitive does, and that the draws are many, repeatable and clear."""

import random
import re
from collections import Counter

import pytest

from training.tasks import grammar, wording
from training.tasks.grammar import KEPT, Condition, draft, draw
from training.tasks.grammar_words import WORDINGS, Field, show

PROGRAMS = 2000
RECORD = {
    "team": "cart",
    "title": "slow login page",
    "owner": "Ada Young",
    "reviewer": None,
    "level": "error",
    "size": 40,
    "date": "2024-03-17",
    "tags": ("red", "blue", "green"),
    "pair": ("mail", "cart"),
}
ERROR, WARNING = Condition("level", "enum", "error"), Condition("level", "enum", "warning")
BIG, TAGGED = Condition("size", "number", "40"), Condition("tags", "list", "black")
LEVELS = (("error", "QX-47"), ("warning", "teal5"))


def step(kind: str, source: str, *rest) -> grammar.Step:
    return getattr(grammar, kind)(source, source, *rest)


@pytest.fixture(scope="module")
def programs() -> list[grammar.Program]:
    return [draw(random.Random(f"program {i}")) for i in range(PROGRAMS)]


@pytest.fixture(scope="module")
def kept_programs() -> list[grammar.Program]:
    return [draw(random.Random(f"kept {i}"), kept=True) for i in range(60)]


@pytest.mark.parametrize(
    ("primitive", "result"),
    [
        (step("Case", "title", "in upper case"), "SLOW LOGIN PAGE"),
        (step("Case", "title", "with a capital first letter"), "Slow login page"),
        (step("Case", "title", "with a capital at the start of each word"), "Slow Login Page"),
        (step("Cut", "title", "last word"), "page"),
        (step("Cut", "team", "first two letters"), "ca"),
        (step("Spaces", "title", "_"), "slow_login_page"),
        (step("Name", "owner", "two initials without dots"), "AY"),
        (step("Name", "owner", "first initial with a dot, a space and the last name"), "A. Young"),
        (step("Wrap", "team", "app-", True), "app-cart"),
        (step("Wrap", "size", " big", False), "40 big"),
        (step("Quote", "team", "round brackets"), "(cart)"),
        (step("Pad", "size", "four"), "0040"),
        (step("Bump", "size", "2"), 42),
        (step("Day", "date", "DD.MM"), "17.03"),
        (step("Sort", "tags", "z to a"), ("red", "green", "blue")),
        (step("Reverse", "tags"), ("green", "blue", "red")),
        (step("Number", "pair", "."), ("1.mail", "2.cart")),
        (step("Mark", "pair", "#"), ("#mail", "#cart")),
        (step("Items", "tags", " | "), "red | blue | green"),
        (step("Default", "reviewer", "Sam Wood"), "Sam Wood"),
        (step("Default", "owner", "Sam Wood"), "Ada Young"),
        (step("Drop", "reviewer"), None),
        (step("Take", "tags", "second"), "blue"),
        (step("Count", "tags"), 3),
        (step("Map", "level", "", LEVELS), "QX-47"),
        (step("Map", "level", "other", LEVELS[1:]), "other"),
        (step("Compare", "size", "", (40,), ("low", "high")), "high"),
        (step("Compare", "size", "", (20, 41), ("low", "middle", "high")), "middle"),
        (step("Branch", "level", "", (WARNING,), ("yes", "no")), "no"),
        (step("Branch", "tags", "", (TAGGED,), ("yes", "no")), "no"),
        (step("Either", "level", "", (ERROR, BIG), ("one", "two", "none"), 1), "two"),
        (step("Either", "level", "", (WARNING, BIG), ("one", "two", "none"), 0), "two"),
        (step("Either", "level", "", (WARNING, TAGGED), ("one", "two", "none"), 0), "none"),
        (step("Given", "team", "If", step("Case", "team", "in upper case"), BIG), "CART"),
        (step("Given", "team", "Unless", step("Case", "team", "in upper case"), BIG), "cart"),
        (step("Except", "team", "STOP", ERROR), "STOP"),
        (step("Except", "team", "STOP", WARNING), "cart"),
        (step("Except", "team", "STOP", Condition("reviewer", "missing")), "STOP"),
        (step("Join", "team", ", ", ("team", "reviewer", "size")), "cart, 40"),
        (step("Fill", "team", "go <size>@<team>", ("team", "size")), "go 40@cart"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_primitive_computes(primitive: grammar.Step, result):
    assert primitive.apply(RECORD) == result


def test_steps_work_on_each_others_results():
    steps = (
        step("Case", "team", "in upper case"),
        grammar.Count("tags", "tag count"),
        grammar.Join("team", "line", "-", ("team", "tag count")),
        step("Wrap", "line", "#", True),
    )
    program = grammar.Program("ticket", (Field("team", "word"), Field("tags", "list")), frozenset(), steps, "line")
    assert program.answer(RECORD) == "#CART-3"
    assert program.structure() == "list word: Case(word) > Count(list) > Join(word, Count) > Wrap(Join)"
    assert ("Count", "Join") in program.combinations()


def test_structures_have_no_end_and_most_are_short(programs: list[grammar.Program]):
    assert len({program.structure() for program in programs}) > PROGRAMS / 2
    lengths = Counter(len(program.steps) for program in programs)
    assert set(lengths) == {1, 2, 3, 4, 5, 6}
    assert 0.3 < (lengths[1] + lengths[2]) / PROGRAMS < 0.4
    assert 0.35 < lengths[3] / PROGRAMS < 0.45


def test_every_primitive_is_drawn(programs: list[grammar.Program]):
    drawn = {type(step).__name__ for program in programs for step in program.steps}
    assert drawn == {c.__name__ for c in _leaves(grammar.Step)}


def _leaves(kind: type) -> list[type]:
    """The primitives: all steps but the class of what has one literal."""
    below = [leaf for sub in kind.__subclasses__() for leaf in _leaves(sub)]
    return below + [kind] * (kind not in (grammar.Step, grammar.Literal))


def test_kept_combinations_are_kept(programs: list[grammar.Program], kept_programs: list[grammar.Program]):
    assert not any(program.combinations() & KEPT for program in programs)
    assert all(program.combinations() & KEPT for program in kept_programs)
    assert {pair for program in kept_programs for pair in program.combinations() & KEPT} == KEPT
    known = {step.label for program in programs for step in program.steps}
    assert {kind for pair in KEPT for kind in pair} <= known


def test_the_same_seed_gives_the_same_skill():
    for kept in (False, True):
        first, second, other = (draft(random.Random(seed), kept) for seed in "aab")
        assert (first.name, first.rules) == (second.name, second.rules) != (other.name, other.rules)
        assert first.ask(random.Random(1)) == second.ask(random.Random(1))


def test_rules_have_eight_different_wordings(programs: list[grammar.Program]):
    for program in programs[:400]:
        for rule in (step.say() for step in program.steps):
            assert len(set(rule)) == len(rule) >= 8
            assert all(said == said.lstrip() and "{" not in said for said in rule)
            kept = wording.kept_wordings(rule)
            assert not set(rule[:-kept]) & set(rule[-kept:])
    assert all(len(set(said.split("\n"))) == 8 for said in WORDINGS.values())


def test_a_record_is_shown_in_eight_forms_or_more():
    record = {field: value for field, value in RECORD.items() if field in ("title", "size", "tags")}
    shown = {show("ticket", record, random.Random(i)) for i in range(500)}
    assert len({tuple(sorted(text)) for text in shown}) >= 8  # another order of the fields is no other form


def test_no_condition_looks_at_a_list_that_another_rule_cuts_down(programs: list[grammar.Program]):
    for program in programs:
        cut = {step.source for step in program.steps if isinstance(step, grammar.Take)}
        conditions = [c for step in program.steps for c in getattr(step, "conditions", ())]
        conditions += [step.condition for step in program.steps if getattr(step, "condition", None)]
        assert not cut & {condition.name for condition in conditions}


@pytest.mark.parametrize("kind", ("If", "Unless"))
def test_a_condition_stands_before_what_depends_on_it_or_in_a_sentence_of_its_own(kind: str):
    for frame in WORDINGS[kind].split("\n"):
        assert frame.index("{c}") < frame.lower().index("{w}") or frame.startswith("{W}. This ")


def test_every_wording_states_every_literal(programs: list[grammar.Program]):
    for program in programs[:400]:
        for step in program.steps:
            literals = [*getattr(step, "labels", ()), *(x for pair in getattr(step, "pairs", ()) for x in pair)]
            if isinstance(step, grammar.Literal) and step.choice not in grammar.SPOKEN:
                literals.append(step.choice.strip())
            assert all(literal in said for said in step.say() for literal in literals), step


def test_text_and_prompt_hold_what_the_answer_needs():
    computed = {"Cut", "Name", "Pad", "Bump", "Number", "Count"}
    checked = 0
    for i in range(300):
        program, skill = draw(random.Random(i)), draft(random.Random(i))
        if computed & {word for step in program.steps for word in step.label.split()}:
            continue
        rng = random.Random(i)
        for _ in range(4):
            task = skill.ask(rng)
            said = "\n".join((task.prompt, *(rule[0] for rule in skill.rules))).casefold()
            assert all(word in said for word in re.findall(r"\w+", task.answer.casefold().replace("_", " "))), task
            checked += 1
    assert checked > 400


def test_questions_differ_and_have_one_short_line_as_answer():
    for i in range(150):
        skill = draft(random.Random(i), kept=i % 10 == 0)
        rng = random.Random(i)
        asked: dict[str, str] = {}
        for _ in range(24):
            task = skill.ask(rng)
            assert grammar.check(task.answer)
            assert 0 < len(task.prompt) < 200
            assert asked.setdefault(task.prompt, task.answer) == task.answer
        assert len(asked) >= 8
        assert ": " not in skill.description and re.fullmatch(r"[a-z]+(-[a-z]+)*", skill.name)


def test_check_wants_one_short_line():
    assert grammar.check("cart-3")
    assert not any(map(grammar.check, ("", " ", "a\nb", " a", "a" * 200)))
