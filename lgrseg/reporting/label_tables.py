"""Tables of a classifier's results, for the console, report.html and tools/results_table.py."""

from lgrseg.reporting.tables import show, with_interval


def label_tables(results: dict) -> list[tuple[str, list[str], list[list[str]]]]:
    """Make three tables: over all classes, for each class, and the confusion matrix.

    Args:
        results: content of results.json of a classifier.

    Returns:
        (title, head, rows) of each table.
    """
    classes = {name.replace("_", " "): scores for name, scores in results["classes"].items()}
    mean, patients = results["mean"], results["num_patients"]
    overall = [
        [name.replace("_", " "), with_interval(mean[name], results[f"{name}_ci95"], patients)]
        for name in ("balanced_accuracy", "accuracy", "f1", "auc")
    ]
    overall.append(["calibration error", show(results["calibration_error"])])
    head = ["class", "clips", "sensitivity [95%]", "specificity [95%]"]
    by_class = [
        [
            name,
            str(scores["num_clips"]),
            with_interval(
                scores["sensitivity"], scores["sensitivity_ci95"], scores["num_patients"]
            ),
            with_interval(
                scores["specificity"], scores["specificity_ci95"], scores["num_other_patients"]
            ),
            *(show(scores[key]) for key in ("precision", "f1", "auc")),
        ]
        for name, scores in classes.items()
    ]
    by_class.append(
        ["mean over classes", str(results["num_clips"])]
        + [show(mean[key]) for key in ("balanced_accuracy", "specificity", "precision")]
        + [show(mean[key]) for key in ("f1", "auc")]
    )
    confusion = [
        [name, *map(str, counts)]
        for name, counts in zip(classes, results["confusion"], strict=True)
    ]
    return [
        ("Over all clips, interval over patients", ["", "[95% interval]"], overall),
        ("Each class against the rest", [*head, "precision", "F1", "AUC"], by_class),
        ("Clips: truth down, answer across", ["", *classes], confusion),
    ]


def print_label_results(results: dict) -> None:
    """Print the results as tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False)  # brackets are text
    console.print(f"{results['dataset']}: {results['protocol']}")
    for title, head, rows in label_tables(results):
        table = Table(*head, title=title)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print(
        f"{results['num_clips']} clips, {results['num_patients']} patients, "
        f"{results['seconds_per_clip']:.3f} s per clip"
    )


def label_cells(results: dict) -> dict[str, str]:
    """Column -> text of a run's row in tools/results_table.py."""
    mean = results["mean"]
    classes = {
        f"sensitivity {name.replace('_', ' ')}": show(scores["sensitivity"])
        for name, scores in results["classes"].items()
    }
    return classes | {
        "balanced accuracy [95% CI]": with_interval(
            mean["balanced_accuracy"], results["balanced_accuracy_ci95"], results["num_patients"]
        ),
        "accuracy": show(mean["accuracy"]),
        "F1": show(mean["f1"]),
        "AUC [95% CI]": with_interval(mean["auc"], results["auc_ci95"], results["num_patients"]),
        "calibration error": show(results.get("calibration_error")),  # older results have none
        "clips": str(results["num_clips"]),
        "patients": str(results["num_patients"]),
    }
