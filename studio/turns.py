"""Edits of what a chat says before its answer: turns written anew, added and taken out. Each gives a new chat.

Whether the new chat is one is for `training.conversation.check_messages` to say, which sees all of them.
"""

import json
from collections.abc import Sequence

Chat = tuple[dict, ...]  # messages after the chat-template convention of transformers; the last is the answer

GONE = "This turn is no longer there: the example was changed elsewhere. Close it and open it again."


class TurnError(ValueError):
    """A turn can't be changed so; the message is ready to be shown."""


def with_text(chat: Chat, n: int, text: str) -> Chat:
    """The turn `n` says another text. Raises TurnError where it would say nothing at all."""
    turn = _turn(chat, n)
    if not text.strip() and turn["role"] != "tool" and not turn.get("tool_calls"):
        raise TurnError("A turn can't be empty. Write it, or remove it with the prompt that it belongs to.")
    return _replaced(chat, n, {**turn, "content": text})


def with_arguments(chat: Chat, n: int, call: int, text: str) -> Chat:
    """A call in the turn `n` has the arguments that a JSON object holds. Raises TurnError where it is none."""
    turn = _turn(chat, n)
    calls = list(turn.get("tool_calls", ()))
    if not 0 <= call < len(calls):
        raise TurnError(GONE)
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TurnError(f"The arguments of a call are a JSON object; this is not JSON ({error}).") from error
    if not isinstance(arguments, dict):
        raise TurnError('The arguments of a call are a JSON object, such as {"path": "notes.md"}.')
    calls[call] = {**calls[call], "function": {**calls[call]["function"], "arguments": arguments}}
    return _replaced(chat, n, {**turn, "tool_calls": calls})


def with_system(chat: Chat, text: str) -> Chat:
    """The chat begins with a system message of the text; with none where there is no text."""
    rest = chat[1:] if chat[0]["role"] == "system" else chat
    return ({"role": "system", "content": text}, *rest) if text.strip() else rest


def with_exchange(chat: Chat, prompt: str, answer: str) -> Chat:
    """A prompt and its answer come before the last prompt."""
    asked = max(n for n, turn in enumerate(chat) if turn["role"] == "user")
    exchange = {"role": "user", "content": prompt}, {"role": "assistant", "content": answer}
    return (*chat[:asked], *exchange, *chat[asked:])


def without(chat: Chat, n: int) -> Chat:
    """The chat without the turn `n` and all that hangs on it: of a prompt what follows it up to the next one, of calls
    their results."""
    last = {"user": ("assistant", "tool"), "assistant": ("tool",)}.get(_turn(chat, n)["role"], ())
    end = next((m for m in range(n + 1, len(chat)) if chat[m]["role"] not in last), len(chat))
    return (*chat[:n], *chat[end:])


def _turn(chat: Chat, n: int) -> dict:
    if not 0 <= n < len(chat) - 1:
        raise TurnError(GONE)
    return chat[n]


def _replaced(chat: Sequence[dict], n: int, turn: dict) -> Chat:
    return (*chat[:n], turn, *chat[n + 1 :])
