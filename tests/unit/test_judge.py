"""A judge behind an HTTP endpoint: what it is sent, how its replies are read, and that a bad one costs no run."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hypernet.base import Base
from hypernet.hypernetwork import Hypernetwork
from training.evaluate import evaluate
from training.judge import Judge, JudgeError, read_grade
from training.kept import Kept
from training.lines import Line
from training.report import table

LINE = Line("Write {prompt} in capitals.", "Say yes.", "YES", also=("YEP",))


class Endpoint:
    """A server with the reply to each answer that is judged: a text, or a status of HTTP with a body."""

    def __init__(self) -> None:
        self.replies: dict[str, str | tuple[int, str]] = {}  # answer -> reply; else 50
        self.seen: list[dict] = []  # the requests: path, key and body
        self._lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with endpoint._lock:
                    key = self.headers["Authorization"]
                    endpoint.seen.append({"path": self.path, "key": key, "body": body})
                self.answer(endpoint.reply(body["messages"][1]["content"]))

            def answer(self, reply: str | tuple[int, str]) -> None:
                message = {"role": "assistant", "content": reply}
                chat = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
                chat["choices"] = [{"index": 0, "finish_reason": "stop", "message": message}]
                status, text = reply if isinstance(reply, tuple) else (200, json.dumps(chat))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_args) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def reply(self, content: str) -> str | tuple[int, str]:
        answer = content.split("<answer>")[1].split("</answer>")[0].strip()
        return self.replies.get(answer, "50")

    def judge(self) -> Judge:
        return Judge(self.url, "some-model", retries=1)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_replies_are_read_as_grades(endpoint: Endpoint):
    endpoint.replies = {"good": "100", "fair": " 62\n", "bad": "0", "words": "I would say 75/100."}
    grades = endpoint.judge().grades([(LINE, answer) for answer in ("good", "fair", "bad", "words")])
    assert grades == [1.0, 0.62, 0.0, 0.75]


def test_garbage_and_failures_cost_a_grade_and_not_the_run(endpoint: Endpoint):
    endpoint.replies = {
        "poem": "Roses are red.",
        "empty": "",
        "broken": (500, "oops"),
        "no JSON": (200, "<html>"),
        "another form": (200, json.dumps({"result": [1, 2]})),
        "no choices": (200, json.dumps({"choices": []})),
        "a number": (200, "7"),
        "odd choices": (200, json.dumps({"choices": {"a": 1}})),
        "odd message": (200, json.dumps({"choices": [{"message": {"content": [50]}}]})),
    }
    answers = [*endpoint.replies, "fine"]
    assert endpoint.judge().grades([(LINE, answer) for answer in answers]) == [None] * 9 + [0.5]
    sent = [request["body"]["messages"][1]["content"] for request in endpoint.seen]
    assert sum("<answer>\npoem\n</answer>" in content for content in sent) == 2  # garbage is asked once more
    assert sum("<answer>\nbroken\n</answer>" in content for content in sent) == 2  # and so does the client


def test_the_judge_sees_skill_question_right_answer_and_answer_as_they_are(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    endpoint.judge().grades([(LINE, "yes {right} \\1")])
    [request] = endpoint.seen
    assert (request["path"], request["key"]) == ("/v1/chat/completions", "Bearer a-key")
    assert request["body"]["model"] == "some-model"
    said = request["body"]["messages"][1]["content"]
    for tag, text in (
        ("skill", "Write {prompt} in capitals."),
        ("question", "Say yes."),
        ("right_answer", "YES"),
        ("answer", "yes {right} \\1"),
    ):
        assert f"<{tag}>\n{text}\n</{tag}>" in said
    assert "0 (useless) to 100" in request["body"]["messages"][0]["content"]


def test_a_right_answer_needs_no_judge(endpoint: Endpoint):
    assert endpoint.judge().grades([(LINE, " YES\n"), (LINE, "YEP")]) == [1.0, 1.0]
    assert not endpoint.seen


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ("85", 0.85),
        ("85.", 0.85),
        ("**85**", 0.85),
        ("Grade: 85", 0.85),
        ("85/100", 0.85),
        ("12.5", 0.125),
        ("90\n\nIt differs in 2 words.", 0.9),
        ("The grade is 90 and I mean 90.", 0.9),
        ("0", 0.0),
        ("101", None),
        ("1000", None),
        ("-5", None),
        ("", None),
        ("Somewhere between 40 and 60.", None),
        ("no number", None),
        ("v2", None),
    ],
)
def test_a_grade_is_one_number_up_to_a_hundred(reply: str, grade: float | None):
    assert read_grade(reply) == grade


def test_an_endpoint_that_can_not_be_asked_is_known_before_the_run(endpoint: Endpoint):
    endpoint.judge().check()
    endpoint.replies = {"YES": (401, json.dumps({"error": {"message": "wrong key"}}))}
    with pytest.raises(JudgeError, match=r"some-model at http://127.*wrong key.*Check --judge-url"):
        endpoint.judge().check()
    with pytest.raises(JudgeError, match=r"can't be asked"):
        Judge("http://127.0.0.1:9/v1", "some-model", retries=0).check()


def test_grades_stand_in_the_report(base: Base, hypernetwork: Hypernetwork, endpoint: Endpoint):
    lines = [Line(f"Skill {i}.", f"Say {i}.", f"right {i}") for i in range(2)]
    made = evaluate(base, hypernetwork, lines, judge=endpoint.judge())
    assert made["splits"]["lines"]["all"]["judge"]["parametric"] == 0.5
    assert made["splits"]["lines"]["all"]["unread"] == 0
    assert "| judge | 50.0 |" in table(made)


def test_missing_grades_are_counted_and_asked_for_again_by_the_same_command(
    base: Base, hypernetwork: Hypernetwork, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    lines = [Line(f"Skill {i}.", f"Say {i}.", f"right {i}") for i in range(2)]
    monkeypatch.setattr(endpoint, "reply", lambda content: "nothing" if "Say 1." in content else "40")
    file = tmp_path / "kept.jsonl"
    made = evaluate(base, hypernetwork, lines, judge=endpoint.judge(), kept=Kept(file))
    assert set(made["splits"]["lines"]["all"]["judge"].values()) == {0.4}
    columns = len(made["splits"]["lines"]["all"]["exact"])
    assert f"The judge gave no grade for {columns} answers" in table(made)
    monkeypatch.setattr(endpoint, "reply", lambda content: "60")
    again = evaluate(base, hypernetwork, lines, judge=endpoint.judge(), kept=Kept(file))
    assert set(again["splits"]["lines"]["all"]["judge"].values()) == {0.6}
    asked = len(endpoint.seen)
    assert evaluate(base, hypernetwork, lines, judge=endpoint.judge(), kept=Kept(file)) == again
    assert len(endpoint.seen) == asked + 1  # whether the judge is there
