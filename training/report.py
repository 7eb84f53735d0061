"""What an evaluation's answers come to: a report of plain numbers, its tables in Markdown, and a picture."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hypernet.files import write_atomically
from training.metrics import paired_interval
from training.tasks import FAMILIES

if TYPE_CHECKING:
    from hypernet.hypernetwork import Hypernetwork
    from training.evaluate import Scores
    from training.lines import Line

READER, OWN = "tuned reader", "own LoRA"
KINDS = "families"  # the split whose skills are of whole kinds kept from training: what is drawn there are kinds
RIVALS = ("in context", "in context with three examples", READER)  # what the parametric column is compared with
FAMILIES_SHOWN = 60  # rows of a table; the report has them all
MEASURES = {"f1": "token F1", "bertscore": "BERTScore", "judge": "judge", "checks": "checks passed"}


def summary(lines: list["Line"], scores: "Scores") -> dict:
    """The numbers of a split: of all its lines, of each subtask and of each family, and which of these are open."""
    subtasks, families = {}, {}
    skills, kinds = [line.skill for line in lines], [line.family for line in lines]
    for i, line in enumerate(lines):
        for groups, name in ((subtasks, line.subtask), (families, line.family)):
            if name:
                groups.setdefault(name, []).append(i)
    return {
        "all": _group(scores, range(len(lines)), kinds if {line.split for line in lines} == {KINDS} else skills),
        "subtasks": {name: _group(scores, index, skills) for name, index in sorted(subtasks.items())},
        "families": {name: _group(scores, index, skills) for name, index in sorted(families.items())},
        "open": sorted(name for name in families if name in FAMILIES and FAMILIES[name].open),
    }


def _group(scores: "Scores", index: Iterable[int], units: list[str]) -> dict:
    """The numbers of some lines; `units` says for every line what is drawn together for an interval."""
    index = list(index)
    group = {"n": len(index), "exact_interval": {}}
    for column, measures in scores.items():
        for measure, values in measures.items():
            having = [i for i in index if values[i] is not None]
            some = [values[i] for i in having]
            if some:
                group.setdefault(measure, {})[column] = round(sum(some) / len(some), 4)
            if measure == "judge":
                asked = sum(measures["exact"][i] is not None for i in index)
                group["unread"] = group.get("unread", 0) + asked - len(some)
            if measure == "exact" and some:
                group["exact_interval"][column] = _interval_of(values, None, having, units)
    group["difference"] = {
        measure: {
            rival: _interval_of(values, scores[rival][measure], index, units) for rival in RIVALS if rival in scores
        }
        for measure, values in scores["parametric"].items()
    }
    exact = {column: measures["exact"] for column, measures in scores.items()}
    sample = [i for i in index if exact.get(OWN) and exact[OWN][i] is not None]
    if sample:  # the LoRA of one skill are few: what they are compared with is the same lines
        same = sum(exact["parametric"][i] for i in sample) / len(sample)
        group["ceiling"] = {"n": len(sample), "parametric": round(same, 4)}
    return group


def _interval_of(
    first: list[float | None], second: list[float | None] | None, index: list[int], units: list[str]
) -> list[float] | None:
    """Of the mean difference on the lines that both have, or where there is no second column of the mean itself."""
    index = [i for i in index if first[i] is not None and (not second or second[i] is not None)]
    subtracted = [second[i] if second else 0.0 for i in index]
    interval = paired_interval([first[i] for i in index], subtracted, [units[i] for i in index])
    return interval and [round(bound, 4) for bound in interval]


def table(report: dict) -> str:
    """The report in Markdown: for each split exact match by group, then the other measures of all its lines; an
    overview first, where there are several."""
    first = [overview(report)] if len(report["splits"]) > 1 else []
    parts = (part for name, split in report["splits"].items() for part in _split_tables(name, split))
    return "\n\n".join([*first, *parts])


def overview(report: dict) -> str:
    """Exact match in percent of all lines of each split, as a table in Markdown."""
    splits = report["splits"]
    columns = list(dict.fromkeys(column for split in splits.values() for column in split["prompt_tokens"]))
    rivals = [rival for rival in RIVALS if rival in columns]
    rows = [["split", "n", *columns, *(f"parametric - {rival} (95 %)" for rival in rivals)]]
    for name, split in splits.items():
        everything = split["all"]
        cells = [_exact_cell(everything, column) for column in columns]
        rows.append([name, str(everything["n"]), *cells, *_leads(everything, "exact", rivals)])
    return _markdown(rows)


def card(hypernetwork: "Hypernetwork", report: dict) -> str:
    """The hypernetwork's model card with what an evaluation of it gave."""
    return (
        f"{hypernetwork.generate_model_card()}\n## Evaluation\n\n"
        "Exact match in percent on skills that were never trained on (`python -m training evaluate`), with the base\n"
        f"of this fingerprint in {report['dtype']}. Of these splits, those that the table has: known, new skills of\n"
        "the families above; wordings, the same in words and layouts kept from training; families, whole families\n"
        "kept from it; combinations, steps of the grammar that it never puts together; library, the skills of the\n"
        "studio.\n\n"
        f"{overview(report)}\n"
    )


def _split_tables(name: str, split: dict) -> Iterator[str]:
    columns, everything = list(split["prompt_tokens"]), split["all"]
    rivals = list(everything["difference"]["exact"])
    leads = [f"parametric - {rival} (95 %)" for rival in rivals]
    yield f"### {name}: {everything['n']} questions to {split['skills']} skills"

    groups = {"all": everything, **split["subtasks"]}
    shown = len(split["families"]) <= FAMILIES_SHOWN
    if shown:
        groups |= {f"{name}, open" if name in split["open"] else name: of for name, of in split["families"].items()}
    rows = [["", "n", *columns, *leads]]
    for label, group in groups.items():
        cells = [_exact_cell(group, column) for column in columns]
        rows.append([label, str(group["n"]), *cells, *_leads(group, "exact", rivals)])
    yield _markdown(rows)

    rows = [["all", *columns, *leads]]
    for measure, label in MEASURES.items():
        for name, group in {"": everything, **split["subtasks"]}.items():
            if measure in group:
                shares = (_percent(group[measure].get(column)) for column in columns)
                said = f"{label}: {name}" if name else label
                rows.append([said, *shares, *_leads(group, measure, rivals)])
    none = [""] * len(rivals)
    tokens = (f"{split['prompt_tokens'][column]:.0f}" for column in columns)
    rows.append(["tokens in the prompt", *tokens, *none])
    if split["seconds"]:
        seconds = (_hundredths(split["seconds"].get(column)) for column in columns)
        rows.append(["seconds an answer", *seconds, *none])
    yield _markdown(rows)
    yield " ".join(_notes(split, columns, shown))


def _notes(split: dict, columns: list[str], families_shown: bool) -> Iterator[str]:
    everything = split["all"]
    if not split["seconds"]:
        yield "Nothing was generated: an answer counts where one pass over prompt and right answer gives its tokens."
    yield "Intervals draw whole skills; in the first row of the split *families*, whole families."
    if families_shown and split["open"]:
        yield "The answers of an *open* family hold literals of the skill that nobody can guess."
    yield f"Exact match in percent, greedy; {split['seconds_per_adapter']:.2f} seconds to make an adapter."
    if split["seconds"]:
        yield "Seconds are those of a few answers, each generated alone."
    if READER not in columns:
        yield "The column *tuned reader* is left out: there is no folder `reader` beside the checkpoint."
    if "ceiling" in everything:
        sample = everything["ceiling"]
        yield (
            f"*{OWN}*, trained by gradient for the one skill, is measured on {sample['n']} questions (in brackets); "
            f"on the same ones *parametric* has {_percent(sample['parametric'])}."
        )
    if everything.get("unread"):
        yield f"The judge gave no grade for {everything['unread']} answers, which are left out of its row."
    if not families_shown:
        yield f"The {len(split['families'])} families are in the report (--out)."


def _exact_cell(group: dict, column: str) -> str:
    said = _percent(group["exact"].get(column))
    return f"{said} ({group['ceiling']['n']})" if column == OWN and "ceiling" in group else said


def _leads(group: dict, measure: str, rivals: list[str]) -> list[str]:
    return [_interval(group["difference"][measure][rival]) for rival in rivals]


def _hundredths(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.2f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _interval(bounds: list[float] | None) -> str:
    return "" if bounds is None else f"{100 * bounds[0]:+.1f} to {100 * bounds[1]:+.1f}"


def _markdown(rows: list[list[str]]) -> str:
    head, *body = ("|" + "".join(f" {cell} |" if cell else " |" for cell in row) for row in rows)
    return "\n".join([head, "|---|" + "---:|" * (len(rows[0]) - 1), *body])


def picture(report: dict, target: Path) -> None:
    """Draw exact match by split and column, with 95 % intervals, into a file whose ending says its kind (PNG, SVG)."""
    from matplotlib.figure import Figure  # slow to import, and an extra

    splits = report["splits"]
    columns = list(dict.fromkeys(column for split in splits.values() for column in split["all"]["exact"]))
    figure = Figure(figsize=(2.2 + 1.7 * len(splits), 3.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    width = 0.85 / len(columns)
    for position, column in enumerate(columns):
        drawn = [(x, split["all"]) for x, split in enumerate(splits.values()) if column in split["all"]["exact"]]
        heights = [100 * group["exact"][column] for _, group in drawn]
        bounds = [
            [100 * bound for bound in group["exact_interval"][column] or [group["exact"][column]] * 2]
            for _, group in drawn
        ]
        errors = [
            [max(0, height - low) for height, (low, _) in zip(heights, bounds, strict=True)],
            [max(0, high - height) for height, (_, high) in zip(heights, bounds, strict=True)],
        ]
        places = [x + (position - (len(columns) - 1) / 2) * width for x, _ in drawn]
        error_style = {"elinewidth": 0.8, "ecolor": "0.3"}
        axes.bar(places, heights, width, yerr=errors, label=column, color=f"C{position}", error_kw=error_style)
    axes.set_xticks(range(len(splits)), [f"{name}\nn = {split['all']['n']}" for name, split in splits.items()])
    axes.set_ylim(0, 100)
    axes.set_ylabel("exact match, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=4, fontsize="small", frameon=False)
    kind = target.suffix.lstrip(".") or "png"
    write_atomically(target, lambda path: figure.savefig(path, format=kind))
