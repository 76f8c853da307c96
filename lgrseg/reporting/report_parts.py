"""Parts of the report's page: cards of the summary, tables, and sections of tables and plots."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from lgrseg.evaluation.metrics.overlap import RULES
from lgrseg.reporting import plots
from lgrseg.reporting.figures import Plot
from lgrseg.reporting.tables import MISSED_NOTE, box_rows, num_scored, show, with_interval

SHOWN_CASES = 10
"""Number of the worst cases that a table lists."""


@dataclass(frozen=True)
class Card:
    """One number of the summary at the top of the page."""

    name: str
    value: str
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table of text; the first column has the names of the rows."""

    head: list[str]
    rows: list[list[str]]
    title: str = ""
    bold_row: int | None = None
    note: str = ""
    beside: bool = False
    """True to place the table beside a plot if the page is wide enough."""
    ends_in_words: bool = False
    """True if the last column contains words instead of numbers."""
    colors: dict[str, str] = field(default_factory=dict)
    """Name in the head or in the first column -> colour of the patch beside it."""


@dataclass(frozen=True)
class Section:
    """A heading with the plots and tables below it."""

    title: str
    note: str = ""
    parts: Sequence[Plot | Table] = ()


def mask_cards(results: dict) -> list[Card]:
    """Cards of the summary for predicted masks."""
    mean, unit = results["mean"], results["distance_unit"]
    missed = mean["missed"]
    frames = "frame" if missed == 1 else "frames"
    missed_note = f"{missed} {frames} missed, left out" if missed else "no frame missed"
    if left_out := results.get("videos_without_distances"):  # missing in earlier results
        missed_note += f"; {left_out} without spacing, left out"
    return [
        Card("Dice", show(mean["dice"], 3), note=_interval(results["dice_ci95"])),
        Card("HD95", show(mean["hd95"], 2), unit, missed_note),
        *_ef_cards(results["heart"]),
        Card("Patients", str(results["num_patients"]), note=_clips(results)),
        Card("Time", show(results["seconds_per_clip"], 2), "s per clip"),
    ]


def _ef_cards(heart: dict | None) -> list[Card]:
    """The card of the ejection fraction; none if no video has true masks at ED and at ES."""
    if not heart or "ejection_fraction" not in heart["agreement"]:
        return []
    found = heart["agreement"]["ejection_fraction"]
    note = f"bias {show(found['bias'], 1)}, {found['num']} videos"
    note += f", {found['missing']} not measured" if found["missing"] else ""
    return [Card("EF error", show(found["mae"], 1), "points", note)]


def label_cards(results: dict) -> list[Card]:
    """Cards of the summary for a classifier."""
    names = {"balanced_accuracy": "Balanced accuracy", "auc": "AUC", "f1": "F1"}
    cards = [
        Card(words, show(results["mean"][key], 3), note=_interval(results[f"{key}_ci95"]))
        for key, words in names.items()
    ]
    cards.append(Card("Patients", str(results["num_patients"]), note=_clips(results)))
    return [*cards, Card("Time", show(results["seconds_per_clip"], 2), "s per clip")]


def _clips(results: dict) -> str:
    frames = f", {results['num_frames']} annotated frames" if "num_frames" in results else ""
    return f"{results['num_clips']} clips{frames}"


def _interval(interval: list[float] | None) -> str:
    """Text of a 95% interval, or why there is none."""
    if interval is None:
        return "too few patients for an interval"
    return f"95% interval {show(interval[0], 3)} to {show(interval[1], 3)}"


def accuracy_section(results: dict, colors: dict[str, str]) -> Section:
    """All measures by structure, the Dice of all patients, and the patients with the lowest."""
    sites = {name: scores["patients"] for name, scores in results["sites"].items()}
    parts: list[Plot | Table | None] = [
        class_table(results, colors),
        plots.dice_by_structure(results["patients"], colors),
        plots.dice_by_site(results["patients"], sites),
        worst_patients(results, colors),
    ]
    return Section("Accuracy", parts=[part for part in parts if part])


def class_table(results: dict, colors: dict[str, str]) -> Table:
    """Table of all measures of all structures, and of their means."""
    unit = results["distance_unit"]
    head = ["structure", "Dice [95% interval]", "IoU", "sensitivity", "precision"]
    head += ["missed", f"HD {unit}", f"HD95 {unit}", f"ASSD {unit}", f"MAD {unit}"]
    head += [f"surface Dice at {results['nsd_tolerance']:g} {unit}"]
    everything = {
        name.replace("_", " "): scores | {"scored": num_scored(results, name)}
        for name, scores in results["classes"].items()
    }
    mean = {"dice_ci95": results["dice_ci95"], "scored": num_scored(results)} | results["mean"]
    rows = [
        [
            name,
            with_interval(scores["dice"], scores["dice_ci95"], scores["scored"]),
            *(show(scores[key]) for key in ("iou", "sensitivity", "precision")),
            str(scores.get("missed", "-")),
            *(show(scores[key], 2) for key in ("hd", "hd95", "assd", "mad")),
            show(scores["nsd"]),
        ]
        for name, scores in (everything | {"mean over patients": mean}).items()
    ]
    patches = {name.replace("_", " "): color for name, color in colors.items()}
    return Table(head, rows, bold_row=len(rows) - 1, note=MISSED_NOTE, colors=patches)


def worst_patients(results: dict, colors: dict[str, str]) -> Table:
    """Table of the patients with the lowest mean Dice."""
    structures = list(results["classes"])
    means = {
        name: mean
        for name, scores in results["patients"].items()
        if (mean := mean_of(scores)) is not None
    }
    ranked = sorted(means, key=lambda name: means[name])
    rows = [
        [name, show(means[name]), *(show(results["patients"][name][cls]) for cls in structures)]
        for name in ranked[:SHOWN_CASES]
    ]
    head = ["patient", "mean Dice", *(cls.replace("_", " ") for cls in structures)]
    patches = {name.replace("_", " "): color for name, color in colors.items()}
    return Table(head, rows, "Patients, the lowest Dice first", colors=patches, beside=True)


def mean_of(scores: dict[str, float | None]) -> float | None:
    """Mean of the scores that are not None; None if there are none."""
    known = [score for score in scores.values() if score is not None]
    return sum(known) / len(known) if known else None


def groups_section(results: dict) -> Section:
    """Dice for each rule for absent structures, site and image quality; scores of boxes."""
    rules = [
        [rule, show(results["mean_by_rule"][rule]), show(results["mean_over_clips"][rule])]
        for rule in RULES
    ]
    tables = [
        Table(["absent structure counts as", "Dice over patients", "over clips"], rules),
        _group_table(results["sites"], "site"),
        _group_table(results["qualities"], "image quality"),
    ]
    if "boxes" in results:
        head, rows = box_rows(results["boxes"])
        tables.append(Table(head, rows, bold_row=len(rows) - 1))
    return Section("Groups and rules", parts=[table for table in tables if table.rows])


def _group_table(groups: dict, word: str) -> Table:
    rows = [
        [name, str(scores["num_patients"]), show(scores["dice"])] for name, scores in groups.items()
    ]
    return Table([word, "patients", "Dice"], rows)


def heart_section(heart: dict) -> Section:
    """Agreement of volumes and ejection fractions, with plots and a table of the worst cases."""
    compared = heart["agreement"]
    pictures: list[Plot] = []
    for quantity in ("ejection_fraction", "edv"):
        if quantity in compared:
            found = compared[quantity]
            pictures += plots.agreement_plots(heart["cases"], found, quantity, found["unit"])
    return Section(
        "Heart function",
        "Measured on the predicted masks, against the same method on the true masks.",
        [_agreement_table(heart), *pictures, _worst_hearts(heart["cases"])],
    )


def _agreement_table(heart: dict) -> Table:
    shown = {name.replace("_", " "): found for name, found in heart["agreement"].items()}
    for groups in (heart["by_site"], heart["by_quality"]):
        if len(groups) > 1:
            shown |= {f"ejection fraction, {name}": found for name, found in groups.items()}
    head = ["", "n", "missing", "bias [95% interval]", "limits of agreement"]
    head += ["mean abs. error [95% interval]", "correlation [95% interval]"]
    rows = []
    for name, found in shown.items():
        patients = found["num_patients"]
        row = [f"{name}, {found['unit']}", str(found["num"]), str(found["missing"])]
        row.append(with_interval(found["bias"], found["bias_ci95"], patients, 1))
        row.append(" to ".join(show(limit, 1) for limit in found["limits"]))
        row.append(with_interval(found["mae"], found["mae_ci95"], patients, 1))
        row.append(with_interval(found["correlation"], found["correlation_ci95"], patients, 3))
        rows.append(row)
    return Table(head, rows)


def _worst_hearts(cases: list[dict]) -> Table:
    rows = [
        [
            case["video_id"],
            show(case["prediction"]["ejection_fraction"], 1),
            show(case["truth"]["ejection_fraction"], 1),
            "; ".join(_doubts(case)) or "-",
        ]
        for case in cases[:SHOWN_CASES]
    ]
    head = ["video", "prediction, %", "truth, %", "doubtful because"]
    return Table(head, rows, "Largest errors of the ejection fraction first", ends_in_words=True)


def _doubts(case: dict) -> list[str]:
    return case["prediction"]["problems"] + [f"truth, {p}" for p in case["truth"]["problems"]]
