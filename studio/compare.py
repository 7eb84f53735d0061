"""One prompt, three rows of one batch: the base alone, with the skill in its prompt, with the skill as parameters."""

from collections.abc import Iterator

from hypernet.base import Base
from hypernet.decode import Answer, PromptTooLong, Row, Sampling, check_length, decode
from hypernet.lora import LoraWeights
from studio.service import CUT_OFF, PaneView


def compare(
    base: Base, prompt: str, skill_text: str, weights: LoraWeights, alpha: float, sampling: Sampling
) -> Iterator[tuple[PaneView, PaneView, PaneView]]:
    """Yield the three panes after each token; closing the iterator ends the work.

    A row that does not fit the context says so in its note, and the others go on. Raises PromptTooLong where none fits.
    """
    rows = (
        Row(base.chat_ids(prompt)),
        Row(base.chat_ids(prompt, skill_text)),
        Row(base.chat_ids(prompt), weights, alpha),
    )
    check_length(base, [rows[0]], sampling.max_new_tokens)
    fitting, notes = [], {}
    for i, row in enumerate(rows):
        try:
            check_length(base, [row], sampling.max_new_tokens)
            fitting.append(i)
        except PromptTooLong as error:
            notes[i] = str(error)
    for answers in decode(base, [rows[i] for i in fitting], sampling):
        by_row = dict(zip(fitting, answers, strict=True))
        yield tuple(
            _pane(base, by_row[i], rows[i])
            if i in by_row
            else PaneView(prompt_tokens=len(rows[i].prompt_ids), done=True, note=notes[i])
            for i in range(len(rows))
        )


def _pane(base: Base, answer: Answer, row: Row) -> PaneView:
    return PaneView(
        text=base.decode(answer.ids),
        prompt_tokens=len(row.prompt_ids),
        first_token_seconds=answer.first_token_seconds,
        tokens=len(answer.ids),
        tokens_per_second=answer.tokens_per_second,
        done=bool(answer.finished),
        note={"length": CUT_OFF, "stopped": "stopped"}.get(answer.finished, ""),
    )
