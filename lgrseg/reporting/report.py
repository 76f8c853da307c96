"""report.html of a run: summary, tables, plots and videos on one page.

The page needs no network, and no other file than the mp4 files in the folder videos/ beside it.
"""

import json
import logging
from pathlib import Path

from omegaconf import DictConfig

from lgrseg.config import instantiate
from lgrseg.data.catalog import DatasetCatalog, MetadataCatalog
from lgrseg.data.mappers.clips import PromptedMapper
from lgrseg.engine.writers import read_metrics
from lgrseg.inference.windows import window_of
from lgrseg.reporting import plots
from lgrseg.reporting.export import export_record
from lgrseg.reporting.label_plots import calibration_plot, confusion_plot
from lgrseg.reporting.label_tables import label_tables
from lgrseg.reporting.page import page_template
from lgrseg.reporting.report_parts import (
    Section,
    Table,
    accuracy_section,
    groups_section,
    heart_section,
    label_cards,
    mask_cards,
)
from lgrseg.reporting.report_videos import ranked_videos, videos_of
from lgrseg.reporting.run_facts import config_text, facts_of_run
from lgrseg.reporting.training_report import write_training_report

logger = logging.getLogger("lgrseg")


def report_run(model, cfg: DictConfig) -> None:
    """Write a report for every test dataset, with as many videos as `train.export_videos` says.

    Without a test, as in a pretraining, report.html in the folder of the run is on its training.
    """
    run = Path(cfg.train.output_dir)
    if not cfg.dataloader.test:
        logger.info("wrote %s", write_training_report(run))
    for name, loader in cfg.dataloader.test.items():
        folder = run / "eval" / name
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        if results.get("task") == "classification":
            if cfg.train.export_videos:
                logger.warning(
                    "%s: no videos are exported, because a classifier predicts no masks", name
                )
            logger.info("wrote %s", write_report(run, name))
            continue
        records = {record.video_id: record for record in DatasetCatalog.get(name)}
        mapper = instantiate(loader.mapper)
        for video_id in chosen_videos(results, cfg.train.export_videos):
            record = records[video_id]
            path = export_record(
                model,
                record,
                folder / "videos",
                metadata=MetadataCatalog.get(name),
                input_size=loader.mapper.input_size,
                boxes=mapper.prompts(record) if isinstance(mapper, PromptedMapper) else None,
                **window_of(loader.mapper),
            )
            logger.info("wrote %s", path)
        logger.info("wrote %s", write_report(run, name))


def chosen_videos(results: dict, count: int) -> list[str]:
    """Choose videos at even steps of their rank, from the lowest to the highest Dice.

    Args:
        results: content of results.json.
        count: number of videos; of three, the second has the median Dice.
    """
    ranked = ranked_videos(results)
    count = min(count, len(ranked))
    if count < 2:
        return ranked[:count]
    return [ranked[round(i * (len(ranked) - 1) / (count - 1))] for i in range(count)]


def write_report(run: Path, dataset: str) -> Path:
    """Write eval/<dataset>/report.html from the files of the run's folder.

    Raises:
        FileNotFoundError: the run was not evaluated on this dataset.
    """
    folder = run / "eval" / dataset
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    lines = read_metrics(run)
    parts = _label_parts if results.get("task") == "classification" else _mask_parts
    page = page_template().render(
        dataset=dataset,
        protocol=results["protocol"],
        facts=facts_of_run(run, lines),
        config=config_text(run),
        training=_training(lines),
        **parts(folder, results),
    )
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    return file


def _mask_parts(folder: Path, results: dict) -> dict:
    colors = plots.colors_of(results["classes"], results)
    heart = [heart_section(results["heart"])] if results["heart"] else _no_heart(results)
    return {
        "cards": mask_cards(results),
        "colors": {name.replace("_", " "): color for name, color in colors.items()},
        "overview": accuracy_section(results, colors),
        "videos": videos_of(folder, results, colors),
        "sections": [*heart, groups_section(results)],
    }


def _no_heart(results: dict) -> list[Section]:
    reason = results.get("no_ejection_fraction")
    return [Section("Ejection fraction", f"{reason[0].upper()}{reason[1:]}.")] if reason else []


def _label_parts(folder: Path, results: dict) -> dict:
    tables = [Table(head, rows, title) for title, head, rows in label_tables(results)[:-1]]
    pictures = [confusion_plot(results), calibration_plot(results)]
    note = "The prediction for each clip is in predictions.csv."
    return {
        "cards": label_cards(results),
        "colors": {},
        "overview": Section("Accuracy", note, [*tables, *pictures]),
        "videos": [],
        "sections": [],
    }


def _training(lines: list[dict]) -> Section | None:
    if not lines:
        return None
    curves = [plots.loss_curves(lines), plots.score_curves(lines)]
    return Section("Training", parts=[plot for plot in curves if plot])
