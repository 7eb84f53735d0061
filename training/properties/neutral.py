"""Neutral: what no skill is about stays as the base has it, whatever skill's adapter is on."""

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from hypernet.base import Base
from hypernet.hypernetwork import Hypernetwork
from hypernet.lora import LoraWeights, stack_skills
from skills.library import SkillLibrary
from training.examples import Example, answer_logits
from training.fit import FitConfig, NeutralExamples
from training.kept import Kept, key_of
from training.lines import spread_out
from training.properties.material import SkillText, batches, seeded
from training.properties.scoring import markdown, mean, percent, spread, verdict
from training.tasks import GRAMMAR, HELD_OUT, KNOWN, Style, sample_skill

ADAPTERS = 500
TOLERANCE = 0.02  # how far a perplexity may be from the base's, as a share of it
GOAL = 0.95  # share of the adapters that stay within
EACH = 3  # texts, and questions, that an adapter is tried on
STYLE = Style(noisy=FitConfig.noisy, longest=FitConfig.longest)  # pages as training sees them


@dataclass(frozen=True)
class Quiz:
    """Plain texts, and questions that no skill is about with the base's own answers."""

    texts: tuple[Example, ...]
    answers: tuple[Example, ...]

    @classmethod
    def load(cls, base: Base, limit: int | None = None) -> "Quiz":
        """The material that no training step sees; at most so many of either."""
        examples = NeutralExamples(base, "test", limit).examples
        texts = tuple(example for example in examples if len(example.prompt_ids) == 1)
        return cls(texts, tuple(example for example in examples if len(example.prompt_ids) > 1))

    def draw(self, rng: random.Random) -> "Quiz":
        """A few of either."""
        return Quiz(*(tuple(rng.sample(of, min(EACH, len(of)))) for of in (self.texts, self.answers)))


@dataclass(frozen=True)
class Effect:
    """What an adapter does to a quiz: perplexities as a ratio to the base's, and the share of answers that stay."""

    text: float
    answers: float
    same: float

    @property
    def within(self) -> bool:
        return max(abs(self.text - 1), abs(self.answers - 1)) <= TOLERANCE


@torch.no_grad()
def effects(base: Base, weights: LoraWeights, quiz: Quiz) -> list[Effect]:
    """The effect of each adapter. The base is one more row, with an adapter that does nothing: rounding is the same."""
    nothing = {m: tuple(torch.zeros_like(factor[:1]) for factor in pair) for m, pair in weights.modules.items()}
    with_base = stack_skills([weights, LoraWeights(weights.layers, nothing)])
    text, _ = _perplexities(base, with_base, quiz.texts)
    answers, same = _perplexities(base, with_base, quiz.answers)
    ratios = zip((text / text[-1]).tolist(), (answers / answers[-1]).tolist(), same.tolist(), strict=True)
    return [Effect(*map(lambda number: round(number, 5), ratio)) for ratio in ratios][:-1]


def _perplexities(base: Base, weights: LoraWeights, quiz: tuple[Example, ...]) -> tuple[Tensor, Tensor]:
    """Perplexity of the answers under each adapter [adapters], and the share that greedy decoding would give."""
    count = weights.skills
    asked = [replace(example, skill=i) for i in range(count) for example in quiz]
    scored = answer_logits(base, asked, weights)
    losses = F.cross_entropy(scored.logits.float(), scored.right, reduction="none")
    # adapter by adapter, and the same tokens for each
    return losses.double().view(count, -1).mean(1).exp(), scored.exact(len(asked)).float().view(count, -1).mean(1)


def texts_by_kind(hypernetwork: Hypernetwork, base: Base, total: int, real: list[SkillText]) -> list[tuple[str, str]]:
    """So many skill texts, each with its kind: all of the library, and the rest evenly over the other kinds."""
    rng = seeded("neutral")
    shipped = spread_out([("library", entry.text) for entry in SkillLibrary().list()], max(1, total // 5))
    fitting = [t.text for t in real if t.text.strip() and base.count_tokens(t.text) <= hypernetwork.config.max_tokens]
    families = {"known": KNOWN, "held out": HELD_OUT, "grammar": (GRAMMAR,)}
    families = {kind: names for kind, names in families.items() if names}
    others = [*families, *(["real"] if fitting else [])]
    drawn = []
    for i in range(total - len(shipped)):
        kind = others[i % len(others)]
        if kind != "real":
            names = families[kind]
            drawn.append((kind, sample_skill(names[i // len(others) % len(names)], rng, 1, STYLE).text))
    found = rng.sample(fitting, min(len(fitting), total - len(shipped) - len(drawn)))
    return [*shipped, *drawn, *(("real", text) for text in found)]


def measure(
    base: Base,
    hypernetwork: Hypernetwork,
    limit: int | None,
    real: list[SkillText],
    say: Callable[[str], None],
    material: int | None = None,
    kept: Kept | None = None,
) -> dict:
    """Try every adapter on a few neutral texts and questions; `material` bounds how many of them there are.

    What `kept` has of this base and hypernetwork is not measured again.
    """
    kept = kept or Kept()
    skills = texts_by_kind(hypernetwork, base, min(limit or ADAPTERS, ADAPTERS), real)
    quiz, rng = Quiz.load(base, material), seeded("neutral/quiz")
    found: dict[str, list[Effect]] = {"all": []}
    fingerprint = hypernetwork.fingerprint
    texts = [text for _, text in skills]
    for batch in batches(base, texts):
        drawn = quiz.draw(rng)
        keys = [key_of("neutral", base.fingerprint, fingerprint, texts[i], drawn) for i in batch]
        if not all(key in kept for key in keys):
            tried = effects(base, hypernetwork.generate(base, [texts[i] for i in batch]), drawn)
            kept.add({key: asdict(effect) for key, effect in zip(keys, tried, strict=True)})
        for i, key in zip(batch, keys, strict=True):
            effect = Effect(**kept[key])
            found["all"].append(effect)
            found.setdefault(skills[i][0], []).append(effect)
        say(f"neutral: {len(found['all'])} of {len(skills)} adapters")
    return {"kinds": {kind: _summary(of_kind) for kind, of_kind in found.items()}}


def _summary(effects: list[Effect]) -> dict:
    return {
        "adapters": len(effects),
        "within": mean([effect.within for effect in effects]),
        "text": {
            "within": mean([abs(effect.text - 1) <= TOLERANCE for effect in effects]),
            **spread([effect.text for effect in effects]),
        },
        "answers": {
            "within": mean([abs(effect.answers - 1) <= TOLERANCE for effect in effects]),
            **spread([effect.answers for effect in effects]),
        },
        "same_answers": mean([effect.same for effect in effects]),
    }


def section(report: dict) -> str:
    """The report in Markdown."""
    head = ["", "adapters", f"within {100 * TOLERANCE:.0f} %"]
    head += [f"{part}: {mark}" for part in ("text", "answers") for mark in ("within", "median", "95th")]
    rows = []
    for kind, of_kind in report["kinds"].items():
        row = [kind, str(of_kind["adapters"]), percent(of_kind["within"])]
        for part in (of_kind["text"], of_kind["answers"]):
            row += [percent(part["within"]), f"{part['median']:.4f}", f"{part['p95']:.4f}"]
        rows.append([*row, percent(of_kind["same_answers"])])
    reached = report["kinds"]["all"]["within"]
    said = (
        f"{percent(reached)} % of the adapters keep both perplexities "
        f"within {100 * TOLERANCE:.0f} % of the base's; the goal is {percent(GOAL)} %."
    )
    return f"{markdown([*head, 'same answers'], rows)}\n\n{verdict(reached >= GOAL, said)}"
