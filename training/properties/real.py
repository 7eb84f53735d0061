"""Real: every skill that people wrote gives a sane adapter of its own, under which the base still speaks."""

import re
import time
from collections.abc import Callable

import torch
from torch import Tensor

from hypernet.adapter import text_sha256
from hypernet.base import Base
from hypernet.decode import Row, Sampling, answer_all
from hypernet.hypernetwork import Hypernetwork
from hypernet.lora import LoraWeights, cosines, decoder_layers
from training.examples import Example
from training.fit import NEUTRAL_TOKENS
from training.kept import Kept, key_of
from training.lines import spread_out
from training.properties.material import ADAPTERS_AT_ONCE, SkillText, own_parts, seeded, with_shared
from training.properties.neutral import TOLERANCE, Quiz, effects
from training.properties.scoring import markdown, mean, percent, spread, verdict

GOAL = 0.95  # share of the adapters that are sane and leave the base speaking
NORM_LIMIT = 0.5  # an adapter's norm in a module, as a share of the base weight's
COSINE_LIMIT = 0.9  # median cosine of two texts' own deltas; above it the hypernetwork hardly reads
SAMPLE = 64  # adapters that are compared with one another
PROMPTS = 2  # that the base answers under every adapter
WORST = 10
WORD = re.compile(r"(?=.*[aeiouy])[a-z]{1,20}(?:['\u2019-][a-z]{1,20})*", re.IGNORECASE)
MOSTLY = 0.6  # share of a text's pieces that are words
REPEATED = 3  # how often a word comes at most, on average, in what counts as speech


def speaks(text: str) -> bool:
    """Whether a text consists mostly of words, and not of the same few again and again."""
    pieces = [piece.strip(".,:;!?\"'()[]*`#_“”") for piece in text.split()]
    words = [piece.lower() for piece in pieces if WORD.fullmatch(piece)]
    return bool(words) and len(words) >= MOSTLY * len(pieces) and len(words) <= REPEATED * len(set(words))


def base_norms(base: Base, weights: LoraWeights) -> Tensor:
    """Frobenius norms of the base's weights under the deltas [1, layers x modules], in the order of `delta_norms`."""
    layers = decoder_layers(base.model)
    found = [
        layers[i].get_submodule(module).weight.float().norm() for module in weights.modules for i in weights.layers
    ]
    return torch.stack(found)[None]


def pair_cosines(own: LoraWeights) -> list[float]:
    """Cosine similarity of every two skills' deltas, each pair once."""
    first, second = torch.triu_indices(own.skills, own.skills, offset=1)
    return cosines(own)[first, second].tolist()


def measure(
    base: Base,
    hypernetwork: Hypernetwork,
    limit: int | None,
    real: list[SkillText],
    say: Callable[[str], None],
    material: int | None = None,
    kept: Kept | None = None,
) -> dict:
    """Make and try the adapter of every text that can be read, or of a sample spread over the lengths.

    The base's weights must be plain matrices (quantization "dequantized" or "none"). What `kept` has of this base and
    hypernetwork is not measured again.
    """
    lengths = {skill: base.count_tokens(skill.text) for skill in real}
    longest = hypernetwork.config.max_tokens
    empty = sum(not skill.text.strip() for skill in real)
    long = sum(tokens > longest for tokens in lengths.values())
    fitting = sorted((s for s in real if s.text.strip() and lengths[s] <= longest), key=lengths.__getitem__)
    chosen = spread_out(fitting, limit)
    report = {"texts": len(real), "too long": long, "empty": empty, "measured": len(chosen), "token limit": longest}
    if not chosen:
        return {**report, "rows": []}
    quiz = Quiz.load(base, material)
    prompts = _prompts_that_are_answered_in_words(base, quiz)
    kept = kept or Kept()
    digests = [text_sha256(skill.text) for skill in chosen]
    fingerprint = hypernetwork.fingerprint
    keys = [key_of("real", base.fingerprint, fingerprint, digest) for digest in digests]
    missing = [i for i, key in enumerate(keys) if key not in kept]
    for start in range(0, len(missing), ADAPTERS_AT_ONCE):
        batch = missing[start : start + ADAPTERS_AT_ONCE]  # of like length
        texts = [chosen[i].text for i in batch]
        started = time.perf_counter()
        own = own_parts(base, hypernetwork, texts)
        weights = with_shared(base, hypernetwork, own)
        seconds = (time.perf_counter() - started) / len(batch)
        norms = _relative_norms(base, weights, tuple(own.modules))
        tried = effects(base, weights, quiz.draw(seeded(f"real/{digests[batch[0]]}")))
        speech = _speech(base, weights, prompts)
        found = {}
        for place, i in enumerate(batch):
            found[keys[i]] = {
                "sha256": digests[i],
                "seconds": round(seconds, 3),
                "norms": norms[place],
                "sane": all(0 < norm < NORM_LIMIT for norm in norms[place].values()),  # not a number is neither
                "text": tried[place].text,
                "answers": tried[place].answers,
                "speaks": speech[place],
            }
        kept.add(found)
        done = sum(key in kept for key in keys)
        say(f"real: {done} of {len(chosen)} texts, up to {lengths[chosen[batch[-1]]]} tokens")
    rows = [{"line": s.line, "tokens": lengths[s], **kept[key]} for s, key in zip(chosen, keys, strict=True)]
    sample = own_parts(base, hypernetwork, [skill.text for skill in spread_out(chosen, SAMPLE)])
    return {**report, **_summary(rows, pair_cosines(sample)), "rows": rows}


def _prompts_that_are_answered_in_words(base: Base, quiz: Quiz) -> list[Example]:
    """Neutral prompts to which the base itself speaks; where it hardly ever does, any."""
    return sorted(quiz.answers, key=lambda example: not speaks(base.decode(example.answer_ids)))[:PROMPTS]


def _relative_norms(base: Base, weights: LoraWeights, modules: tuple[str, ...]) -> list[dict[str, float]]:
    """For each adapter and module, the largest norm of a layer's delta as a share of the weight's."""
    both = LoraWeights(weights.layers, {module: weights.modules[module] for module in modules})
    relative = (both.delta_norms() / base_norms(base, both)).unflatten(1, (len(modules), -1)).amax(2)
    return [
        {module: round(norm, 5) for module, norm in zip(modules, of_skill, strict=True)}
        for of_skill in relative.tolist()
    ]


def _speech(base: Base, weights: LoraWeights, prompts: list[Example]) -> list[bool]:
    """For each adapter whether all prompts are answered mostly in words."""
    rows = [Row(prompt.prompt_ids, weights.rows([i])) for i in range(weights.skills) for prompt in prompts]
    answers = answer_all(base, rows, Sampling(max_new_tokens=NEUTRAL_TOKENS))
    spoken = [speaks(base.decode(answer.ids)) for answer in answers]
    return [all(spoken[i : i + len(prompts)]) for i in range(0, len(spoken), len(prompts))]


def _summary(rows: list[dict], similar: list[float]) -> dict:
    def bad(row: dict) -> tuple:
        return row["sane"] and row["speaks"], -max(row["text"], row["answers"])

    modules = rows[0]["norms"]
    return {
        "spread": {
            **{name: spread([row[name] for row in rows]) for name in ("tokens", "seconds", "text", "answers")},
            **{f"norm of {module}": spread([row["norms"][module] for row in rows]) for module in modules},
            **({"cosine": spread(similar)} if similar else {}),
        },
        "sane": mean([row["sane"] for row in rows]),
        "speaks": mean([row["speaks"] for row in rows]),
        "good": mean([row["sane"] and row["speaks"] for row in rows]),
        "within": mean([max(abs(row["text"] - 1), abs(row["answers"] - 1)) <= TOLERANCE for row in rows]),
        "worst": sorted(rows, key=bad)[:WORST],
    }


def section(report: dict) -> str:
    """The report in Markdown."""
    refused = (
        f"Of {report['texts']:,} texts {report['too long']:,} have more than {report['token limit']:,} tokens and "
        f"{report['empty']:,} are empty; {report['measured']:,} were measured."
    )
    if not report["rows"]:
        return f"{refused}\n\n{verdict(False, 'no text could be measured.')}"
    marks = list(report["spread"]["tokens"])
    shown = markdown(
        ["", *marks], [[name, *(f"{of[mark]:g}" for mark in marks)] for name, of in report["spread"].items()]
    )
    head = ["worst: line", "tokens", "text", "answers", "largest norm", "sane", "speaks"]
    worst = markdown(head, [_worst_row(row) for row in report["worst"]])
    similar = report["spread"].get("cosine", {}).get("median")
    apart = similar is None or similar <= COSINE_LIMIT
    alike = "one adapter has no other to be compared with" if similar is None else f"the median cosine is {similar:.2f}"
    said = (
        f"{percent(report['good'])} % of the adapters are sane (norms under {NORM_LIMIT} of the weight's: "
        f"{percent(report['sane'])} %) and leave the base speaking ({percent(report['speaks'])} %), goal "
        f"{percent(GOAL)} %; {alike}, goal at most {COSINE_LIMIT}; both perplexities stay within "
        f"{100 * TOLERANCE:.0f} % of the base's for {percent(report['within'])} %."
    )
    return f"{refused}\n\n{shown}\n\n{worst}\n\n{verdict(report['good'] >= GOAL and apart, said)}"


def _worst_row(row: dict) -> list[str]:
    numbers = [f"{number:.3f}" for number in (row["text"], row["answers"], max(row["norms"].values()))]
    return [str(row["line"]), str(row["tokens"]), *numbers, *("yes" if row[n] else "no" for n in ("sane", "speaks"))]
