"""The conversation in what `opencode export ID` prints: texts, calls of tools and their results.

Loading a skill is left out: at that place an adapter will stand. So is what the model did not say: attempts that broke
off, and the path of the workspace.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from training.conversation import TrajectoryError

OPENCODE_VERSION = "1.18.33"  # of the npm package opencode-ai; its exports and those of other 1.18 are read
WORKSPACE = "/workspace"  # stands for the folder that a session ran in

_SILENT = (
    "step-start",
    "step-finish",
    "reasoning",
    "snapshot",
    "patch",
    "agent",
    "retry",
)  # parts that hold no words of the chat
_LEFT_OUT = ("skill", "invalid")  # tools: the second is what OpenCode makes of a call that can't be read
_NO_EXPORT = "this is no session of OpenCode. Write one with `opencode export ID > session.json`."


def messages_of(export: object) -> tuple[dict, ...]:
    """The messages of an exported session; a user's turn that was never answered to the end is left out.

    Raises TrajectoryError where it is no export, one of another version, or holds what is no chat of texts and tools.
    """
    version = (
        export["info"].get("version") if isinstance(export, dict) and isinstance(export.get("info"), dict) else None
    )
    if not isinstance(version, str) or not isinstance(export.get("messages"), list):
        raise TrajectoryError(_NO_EXPORT)
    if version.split(".")[:2] != OPENCODE_VERSION.split(".")[:2]:
        raise TrajectoryError(
            f"this session is of OpenCode {version[:40]}; those of {OPENCODE_VERSION} can be read. "
            f"Run it again with that one: npm install opencode-ai@{OPENCODE_VERSION}."
        )
    turns: list[list[dict]] = []  # a user's turn and all that followed, each
    broken: set[int] = set()
    for n, message in enumerate(export["messages"]):
        place = f"messages[{n}]"
        info, parts = _get(message, "info", dict, place), _get(message, "parts", list, place)
        if _get(info, "role", str, place) == "user":
            turns.append([{"role": "user", "content": "\n\n".join(_texts(parts, place))}])
        elif not turns:
            raise TrajectoryError(f"{place}: the session begins with an answer. Export it whole.")
        elif info.get("error"):
            broken.add(len(turns) - 1)
        else:
            for step in _steps(parts, place):
                _add(turns[-1], step)
    whole = [turn for n, turn in enumerate(turns) if n not in broken and _is_answered(turn)]
    if not whole:
        raise TrajectoryError("no turn of the session was answered to the end. Run it again.")
    return _moved([message for turn in whole for message in turn], export["info"].get("directory"))


def _steps(parts: list, place: str) -> Iterator[list[dict]]:
    """What the model said at once, each time: its turn, and the results of its calls."""
    kinds = [_get(part, "type", str, place) for part in parts]
    begins = [n for n, kind in enumerate(kinds) if kind == "step-start"]
    for begin, end in zip([0, *begins], [*begins, len(parts)], strict=True):
        step = parts[begin:end]
        tools = [part for part in step if part["type"] == "tool"]
        kept = [part for part in tools if _get(part, "tool", str, place) not in _LEFT_OUT]
        words = "\n\n".join(_texts([part for part in step if part["type"] != "tool"], place))
        if tools and not kept:  # what it said of loading the skill goes with it
            continue
        answer: dict[str, Any] = {"role": "assistant", "content": words}
        if kept:
            answer["tool_calls"] = [_call(part, place) for part in kept]
        if words or kept:
            yield [answer, *(_result(part, place) for part in kept)]


def _texts(parts: list, place: str) -> list[str]:
    texts = []
    for part in parts:
        kind = _get(part, "type", str, place)
        if kind == "text" and not part.get("ignored"):
            texts.append(_get(part, "text", str, place))
        # the text of an attached file comes in a part of its own
        elif kind not in ("text", *_SILENT) and not (kind == "file" and str(part.get("mime")).startswith("text/")):
            raise TrajectoryError(f"{place}: a part of the type '{kind[:40]}' is no text and no tool. Run without it.")
    return [text for text in texts if text.strip()]


def _call(part: dict, place: str) -> dict:
    state = _get(part, "state", dict, place)
    function = {"name": part["tool"], "arguments": _get(state, "input", dict, place)}
    return {"id": _get(part, "callID", str, place), "type": "function", "function": function}


def _result(part: dict, place: str) -> dict:
    state = part["state"]
    written = {"completed": "output", "error": "error"}.get(_get(state, "status", str, place))
    if not written:
        raise TrajectoryError(f"{place}: the call of '{part['tool']}' has not ended. Export when the session is over.")
    content = _get(state, written, str, place)
    return {"role": "tool", "content": content, "tool_call_id": part["callID"], "name": part["tool"]}


def _add(turn: list[dict], step: list[dict]) -> None:
    """Put a step behind the others; one that follows words without a call goes on with them."""
    last, first = turn[-1], step[0]
    if last["role"] == "assistant" and "tool_calls" not in last:
        step[0] = {**first, "content": f"{turn.pop()['content']}\n\n{first['content']}".strip()}
    turn += step


def _is_answered(turn: list[dict]) -> bool:
    return bool(turn[0]["content"]) and turn[-1]["role"] == "assistant"


def _moved(messages: list[dict], directory: object) -> tuple[dict, ...]:
    """The messages with calls numbered and the workspace's path replaced: neither tells two runs apart any more."""
    number, open_calls = 0, []
    for message in messages:
        for call in message.get("tool_calls", ()):
            number += 1
            call["id"] = f"call{number:05}"  # Mistral's template takes only nine letters or digits
            open_calls.append(call["id"])
        if message["role"] == "tool":  # results stand in the order of their calls
            message["tool_call_id"] = open_calls.pop(0)
    text = json.dumps(messages)
    if isinstance(directory, str) and len(directory) > 1:
        text = re.sub(re.escape(json.dumps(directory)[1:-1]) + r"(?![\w-])", WORKSPACE, text)
    return tuple(json.loads(text))


def _get(item: object, key: str, kind: type, place: str) -> Any:
    value = item.get(key) if isinstance(item, dict) else None
    if not isinstance(value, kind):
        raise TrajectoryError(
            f"{place}: {key} is not as OpenCode {OPENCODE_VERSION} writes it. Export the session again."
        )
    return value
