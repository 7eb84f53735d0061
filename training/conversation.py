"""A conversation as messages after transformers' chat-template convention: checked, cut to a length, and in tokens.

The text around a message is the base's own chat template. Where that knows no tools, calls and results are written as
text between the tags that most open models use.
"""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from jinja2 import TemplateError

from hypernet.base import Base
from skills.skill import CHARACTERS_A_TOKEN

Messages = Sequence[dict]
Count = Callable[[Messages], int]  # how many tokens a conversation takes

MAX_MESSAGES = 500  # of a conversation: each turn of the assistant is an example with all that came before it

FIELDS = {  # of a message, by its role
    "system": ("role", "content"),
    "user": ("role", "content"),
    "assistant": ("role", "content", "tool_calls"),
    "tool": ("role", "content", "tool_call_id", "name"),
}
_AFTER = {  # what a message may follow; "" is the beginning
    "system": ("",),
    "user": ("", "system", "assistant"),
    "assistant": ("user", "tool"),
    "tool": ("assistant", "tool"),
}
_CALL = '{"type": "function", "function": {"name": "...", "arguments": {...}}}'
_PROBE_CALL = {"name": "probe_name", "arguments": {"probe_key": "probe_value"}}
_PROBE = (  # shows whether a template prints calls and results; some take only ids of nine characters
    {"role": "user", "content": "?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "call00001", "type": "function", "function": _PROBE_CALL}],
    },
    {"role": "tool", "content": "probe_result", "tool_call_id": "call00001", "name": "probe_name"},
    {"role": "assistant", "content": "."},
)
_PROBED = ("probe_name", "probe_key", "probe_value", "probe_result")


class TrajectoryError(ValueError):
    """Something is no conversation to learn from; the message names the place and the way out."""


# ---- checking ------------------------------------------------------------------------------------------------------


def check_messages(messages: Messages) -> None:
    """Raise TrajectoryError where the messages are no whole conversation: its fields, its texts or its order."""
    if not messages:
        raise TrajectoryError("messages is empty. Write a user's turn and the assistant's answer, at least.")
    if len(messages) > MAX_MESSAGES:
        raise TrajectoryError(f"there are {len(messages):,} messages; there may be {MAX_MESSAGES}. Cut the beginning.")
    previous, open_calls = "", []
    for n, message in enumerate(messages):
        place = f"messages[{n}]"
        _check_message(message, place)
        role = message["role"]
        if previous not in _AFTER[role] or (role == "tool" and not open_calls):
            behind = f"directly after one of '{previous}'" if previous else "at the beginning"
            raise TrajectoryError(
                f"{place}: a turn of '{role}' can't stand {behind}. The order is: system or not, then user and "
                "assistant in turn; each tool's result stands between the assistant's call and its next turn."
            )
        if role == "tool":
            called = message.get("tool_call_id", open_calls[0])
            if called not in open_calls:
                raise TrajectoryError(f"{place}: no call before it has the id {called!r}. Give the id of a call.")
            open_calls.remove(called)
        elif open_calls:
            raise TrajectoryError(f"{place}: a call before it has no result. Add a turn of 'tool' for each call.")
        if role == "assistant":
            open_calls = [call.get("id") for call in message.get("tool_calls", ())]
        previous = role
    if previous != "assistant":
        raise TrajectoryError(f"messages ends with a turn of '{previous}'. End with the assistant's answer.")


def _check_message(message: object, place: str) -> None:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str) or role not in FIELDS:
        raise TrajectoryError(
            f'{place}: the role must be one of {", ".join(FIELDS)}: {{"role": "user", "content": "..."}}.'
        )
    strange = [name for name in message if name not in FIELDS[role]]
    if strange:
        raise TrajectoryError(f"{place}: {strange[0]!r} is no field of a turn of '{role}'. Delete it.")
    content = message.get("content")
    if not isinstance(content, str):
        raise TrajectoryError(f"{place}: content must be a text.")
    if not (content.strip() or role == "tool" or message.get("tool_calls")):  # a command may well print nothing
        raise TrajectoryError(f"{place}: the turn of '{role}' is empty. Write it, or delete it.")
    for name in ("tool_call_id", "name"):
        if name in message and not (isinstance(message[name], str) and message[name]):
            raise TrajectoryError(f"{place}: {name} must be a text that is not empty.")
    if "tool_calls" in message:
        calls = message["tool_calls"]
        if not isinstance(calls, list) or not calls:
            raise TrajectoryError(f"{place}: tool_calls must be a list of calls such as {_CALL}.")
        for k, call in enumerate(calls):
            _check_call(call, f"{place}.tool_calls[{k}]")


def _check_call(call: object, place: str) -> None:
    function = call.get("function") if isinstance(call, dict) and call.get("type") == "function" else None
    name, arguments = (function.get("name"), function.get("arguments")) if isinstance(function, dict) else (None, None)
    if not (isinstance(name, str) and name and isinstance(arguments, dict) and isinstance(call.get("id", ""), str)):
        raise TrajectoryError(f"{place}: write a call as {_CALL}, with or without an id.")
    try:
        json.dumps(arguments, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TrajectoryError(f"{place}: the arguments are not JSON ({error}). Write texts and numbers.") from error


# ---- cutting -------------------------------------------------------------------------------------------------------


def rough_tokens(messages: Messages) -> int:
    """About how many tokens a conversation takes, whatever the base."""
    return sum(len(json.dumps(message, ensure_ascii=False)) for message in messages) // CHARACTERS_A_TOKEN


def cut(messages: Messages, max_tokens: int, count: Count = rough_tokens) -> tuple[dict, ...]:
    """The conversation's longest end of at most `max_tokens`, after `count`, that is still a conversation.

    Of the front, whole turns of the user with all that followed go first; then, of the last such turn, the assistant's
    first calls with their results. The system message and the last answer stay. Raises TrajectoryError where that is
    still too long.
    """
    messages = tuple(messages)
    system = messages[:1] if messages[0]["role"] == "system" else ()
    asked = [n for n, message in enumerate(messages) if message["role"] == "user"]
    steps = [n for n in range(asked[-1], len(messages)) if messages[n]["role"] == "assistant"]
    ends = [system + messages[n:] for n in asked]
    ends += [system + messages[asked[-1] : asked[-1] + 1] + messages[n:] for n in steps[1:]]
    first = bisect_left(ends, -max_tokens, key=lambda end: -count(end))
    if first == len(ends):
        raise TrajectoryError(
            f"the last question with its answer has {count(ends[-1]):,} tokens; {max_tokens:,} fit. Shorten them."
        )
    return ends[first]


# ---- in tokens -----------------------------------------------------------------------------------------------------


def as_printed(base: Base, messages: Messages) -> tuple[dict, ...]:
    """The conversation as the base's chat template can print it: as it is, or with calls and results as text."""
    tools = any(message["role"] == "tool" or "tool_calls" in message for message in messages)
    return tuple(messages) if not tools or _prints_tools(base, messages) else _in_words(messages)


def turn_ids(base: Base, messages: Messages) -> Iterator[tuple[list[int], list[int]]]:
    """For each turn of the assistant the tokens of all before it, and those of the turn with its end.

    Both are what the base's chat template gives for the whole conversation. `messages` comes from `as_printed`.
    """
    for n, message in enumerate(messages):
        if message["role"] == "assistant":
            prompt, whole = render(base, messages[:n], answer_next=True), render(base, messages[: n + 1])
            yield base.encode(prompt), _answer_ids(base, prompt, whole, message["content"])


def render(base: Base, messages: Messages, answer_next: bool = False) -> str:
    """The text of a conversation by the base's chat template; with `answer_next`, up to where an answer starts."""
    try:
        return base.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=answer_next)
    except TemplateError:  # some templates know no system role
        if messages[0]["role"] != "system" or len(messages) == 1:
            raise
        first = {**messages[1], "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
        return render(base, [first, *messages[2:]], answer_next)


def _answer_ids(base: Base, prompt: str, whole: str, said: str) -> list[int]:
    if whole.startswith(prompt):
        ids = base.encode(whole[len(prompt) :])
        ends = [n for n, token in enumerate(ids) if token in base.end_ids]
        if ends:  # what the template puts between turns is not the assistant's to say
            return ids[: ends[-1] + 1]
    return [*base.encode(said), base.end_id]


def _prints_tools(base: Base, messages: Messages) -> bool:
    """Whether the template prints calls and results, and each turn as a continuation of those before it."""
    try:
        probed = render(base, _PROBE)
        return all(mark in probed for mark in _PROBED) and all(
            render(base, messages[: n + 1]).startswith(render(base, messages[:n], answer_next=True))
            for n, message in enumerate(messages)
            if message["role"] == "assistant"
        )
    except (TemplateError, TypeError):  # one call a turn, arguments as text: templates have rules of their own
        return False


def _in_words(messages: Messages) -> tuple[dict, ...]:
    """Calls in the assistant's words; the results of a turn's calls as one turn of the user."""
    said: list[dict] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if role == "tool":
            content = f"<tool_response>\n{content}\n</tool_response>"
            if said[-1]["role"] == "user":
                content = f"{said.pop()['content']}\n{content}"
            role = "user"
        calls = [json.dumps(call["function"], ensure_ascii=False) for call in message.get("tool_calls", ())]
        texts = [content] * bool(content) + [f"<tool_call>\n{call}\n</tool_call>" for call in calls]
        said.append({"role": role, "content": "\n".join(texts)})
    return tuple(said)
