"""Parts of the report's page: tables and pictures, as HTML."""

import html

from lgrseg.evaluation.metrics.overlap import RULES
from lgrseg.reporting import plots
from lgrseg.reporting.tables import MISSED_NOTE, box_rows, num_scored, show, with_interval

SHOWN_CASES = 10
"""Of the worst ejection fractions."""


def table(head: list[str], rows: list[list[str]], *, mean_row: int | None = None) -> str:
    """Cells are escaped; `mean_row` is set in bold."""

    def cells(row: list[str], tag: str) -> str:
        return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)

    body = "".join(
        f"<tr{' class=mean' if i == mean_row else ''}>{cells(row, 'td')}</tr>"
        for i, row in enumerate(rows)
    )
    return f"<div class=wide><table><tr>{cells(head, 'th')}</tr>{body}</table></div>"


def legend(colors: dict[str, str]) -> str:
    """A patch of colour and a name for each structure."""
    patches = (
        f"<span><i style='background:{color}'></i>{html.escape(name.replace('_', ' '))}</span>"
        for name, color in colors.items()
    )
    return f"<p class=legend>{''.join(patches)}</p>"


def image(address: str, words: str) -> str:
    """A picture of this address, which may be data."""
    return f"<img alt='{html.escape(words, quote=True)}' src='{address}'>"


def class_table(results: dict) -> str:
    """Every measure of every structure, and their means."""
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
    return f"{table(head, rows, mean_row=len(rows) - 1)}<p class=dim>{MISSED_NOTE}</p>"


def distributions(results: dict) -> str:
    """Dice of all patients, by structure and by site."""
    sites = {name: scores["patients"] for name, scores in results["sites"].items()}
    colors = plots.colors_of(results["classes"], results)
    picture = plots.dice_distributions(results["patients"], sites, colors)
    return image(picture, "distribution of Dice")


def rule_table(results: dict) -> str:
    """Mean Dice by what an absent class counts as."""
    rows = [
        [rule, show(results["mean_by_rule"][rule]), show(results["mean_over_clips"][rule])]
        for rule in RULES
    ]
    return table(["absent class counts as", "Dice over patients", "over clips"], rows)


def group_table(groups: dict, word: str) -> str:
    """Dice by site or image quality; nothing where neither is known."""
    rows = [
        [name, str(scores["num_patients"]), show(scores["dice"])] for name, scores in groups.items()
    ]
    return table([word, "patients", "Dice"], rows) if rows else ""


def box_table(results: dict) -> str:
    """IoU, recall and AP of boxes; nothing for a model without."""
    if "boxes" not in results:
        return ""
    head, rows = box_rows(results["boxes"])
    return table(head, rows, mean_row=len(rows) - 1)


def heart_parts(heart: dict) -> list[str]:
    """Agreement of volumes and ejection fractions, with plots and the worst cases."""
    compared = heart["agreement"]
    shown = {name.replace("_", " "): found for name, found in compared.items()}
    for groups in (heart["by_site"], heart["by_quality"]):
        if len(groups) > 1:
            shown |= {f"ejection fraction, {name}": found for name, found in groups.items()}
    head = ["", "n", "missing", "bias [95% interval]", "limits of agreement"]
    head += ["mean abs. error [95% interval]", "correlation [95% interval]"]
    rows = [
        [
            f"{name}, {found['unit']}",
            str(found["num"]),
            str(found["missing"]),
            with_interval(found["bias"], found["bias_ci95"], found["num_patients"], 1),
            " to ".join(show(limit, 1) for limit in found["limits"]),
            with_interval(found["mae"], found["mae_ci95"], found["num_patients"], 1),
            with_interval(
                found["correlation"], found["correlation_ci95"], found["num_patients"], 3
            ),
        ]
        for name, found in shown.items()
    ]
    parts = ["<h2>Heart function, against the same method on the true masks</h2>"]
    parts.append(table(head, rows))
    for quantity in ("ejection_fraction", "edv"):
        if quantity in compared:
            found = compared[quantity]
            picture = plots.agreement_plots(heart["cases"], found, quantity, found["unit"])
            parts.append(image(picture, f"agreement of the {quantity}"))
    parts.append("<h2>Worst ejection fractions</h2>")
    rows = [
        [
            case["video_id"],
            show(case["prediction"]["ejection_fraction"], 1),
            show(case["truth"]["ejection_fraction"], 1),
            "; ".join(_doubts(case)) or "-",
        ]
        for case in heart["cases"][:SHOWN_CASES]
    ]
    parts.append(table(["video", "prediction, %", "truth, %", "doubtful because"], rows))
    return parts


def _doubts(case: dict) -> list[str]:
    return case["prediction"]["problems"] + [f"truth, {p}" for p in case["truth"]["problems"]]
