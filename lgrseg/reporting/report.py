"""report.html of a run: tables, plots and videos on one page that needs no other file."""

import base64
import html
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
from lgrseg.reporting.label_tables import label_tables
from lgrseg.reporting.report_parts import (
    box_table,
    class_table,
    distributions,
    group_table,
    heart_parts,
    image,
    legend,
    rule_table,
    table,
)

logger = logging.getLogger("lgrseg")

STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #888; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2rem }
p.dim, figcaption { color: var(--dim); margin: .2rem 0 }
table { border-collapse: collapse } th, td { padding: .3rem .7rem; text-align: right }
td { white-space: nowrap } td:last-child { white-space: normal; min-width: 5rem }
th:first-child, td:first-child { text-align: left } tr { border-bottom: 1px solid var(--line) }
tr.mean { font-weight: 600 } img, video { max-width: 100%; border-radius: 6px }
figure { margin: 1rem 0 }
.tables { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start }
.wide { max-width: 100%; overflow-x: auto } .legend { margin: .3rem 0 }
.legend span { margin-right: 1.2rem; white-space: nowrap }
.legend i { display: inline-block; width: .8em; height: .8em; margin-right: .4em }
figcaption { overflow-wrap: anywhere }
"""
LARGEST_INSIDE = 12 * 2**20
"""Bytes of a video that is put into the page; a larger one is linked."""


def report_run(model, cfg: DictConfig) -> None:
    """Write videos (`train.export_videos` of each) and a report for every test dataset."""
    run = Path(cfg.train.output_dir)
    for name, loader in cfg.dataloader.test.items():
        folder = run / "eval" / name
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        if results.get("task") == "classification":
            if cfg.train.export_videos:
                logger.warning("%s: train.export_videos is for masks; labels have none", name)
            logger.info("wrote %s", write_report(run, name))
            continue
        records = {record["video_id"]: record for record in DatasetCatalog.get(name)}
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
    """`count` videos from the worst to the best Dice, evenly: of three the middle is the median."""
    ranked = sorted(results["videos"], key=lambda name: _mean(results["videos"][name]))
    count = min(count, len(ranked))
    if count < 2:
        return ranked[:count]
    return [ranked[round(i * (len(ranked) - 1) / (count - 1))] for i in range(count)]


def _mean(scores: dict) -> float:
    known = [score for score in scores.values() if score is not None]
    return sum(known) / len(known) if known else 0.0


def write_report(run: Path, dataset: str) -> Path:
    """Write eval/<dataset>/report.html from what lies in the run's folder.

    Raises:
        FileNotFoundError: the run was not evaluated on this dataset.
    """
    folder = run / "eval" / dataset
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    lines = read_metrics(run)
    describe = _label_parts if results.get("task") == "classification" else _mask_parts
    parts = describe(folder, results, lines)
    if lines:
        parts += ["<h2>Training</h2>", image(plots.training_curves(lines), "losses")]
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(dataset)}</title>"
        f"<meta name=viewport content='width=device-width'><link rel=icon href='data:,'>"
        f"<style>{STYLE}</style><body><h1>{html.escape(dataset)}</h1>{''.join(parts)}</body></html>"
    )
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    return file


def _mask_parts(folder: Path, results: dict, lines: list[dict]) -> list[str]:
    return [
        f"<p class=dim>{html.escape(results['protocol'])}. "
        f"{results['num_frames']} annotated frames, {results['num_clips']} clips, "
        f"{results['num_patients']} patients; {results['seconds_per_clip']:.3f} s a clip. "
        f"{_progress(lines)}</p>",
        class_table(results),
        distributions(results),
        "<div class=tables>",
        rule_table(results),
        group_table(results["sites"], "site"),
        group_table(results["qualities"], "image quality"),
        box_table(results),
        "</div>",
        *(heart_parts(results["heart"]) if results["heart"] else _no_heart(results)),
        *_videos(folder, results),
    ]


def _no_heart(results: dict) -> list[str]:
    reason = results.get("no_ejection_fraction")
    return [f"<p class=dim>{html.escape(reason[0].upper() + reason[1:])}.</p>"] if reason else []


def _label_parts(folder: Path, results: dict, lines: list[dict]) -> list[str]:
    parts = [
        f"<p class=dim>{html.escape(results['protocol'])}. {results['num_clips']} clips, "
        f"{results['num_patients']} patients; {results['seconds_per_clip']:.3f} s a clip. "
        f"{_progress(lines)} The answer for each clip stands in predictions.csv.</p>"
    ]
    for title, head, rows in label_tables(results):
        parts += [f"<h2>{html.escape(title)}</h2>", table(head, rows)]
    return parts


def _progress(lines: list[dict]) -> str:
    if not lines:
        return ""
    last = lines[-1]
    return f"Trained {last['iteration']} iterations in {last['train_seconds'] / 60:.1f} minutes."


def _videos(folder: Path, results: dict) -> list[str]:
    files = {path.stem: path for path in sorted(folder.glob("videos/*.mp4"))}
    ranked = sorted(results["videos"], key=lambda name: _mean(results["videos"][name]))
    shown = [name for name in ranked if name.replace("/", "_") in files]
    parts = ["<h2>Videos, the worst first</h2>"] if shown else []
    colors = plots.colors_of(results["classes"], results)
    for name in shown:
        path = files[name.replace("/", "_")]
        caption = f"{name}: Dice {_mean(results['videos'][name]):.3f}"
        measures = path.with_suffix(".json")
        picture = ""
        if measures.is_file():
            found = json.loads(measures.read_text(encoding="utf-8"))
            caption += _beats(found)
            if len(next(iter(found["areas"].values()))) >= 5:
                picture = image(plots.area_curves(found, name, colors), "areas over time")
        parts.append(
            f"<figure><video controls loop muted preload=metadata src='{_address(path)}'></video>"
            # The player's controls lie over the legend within the video.
            f"{legend(colors)}<figcaption>{html.escape(caption)}</figcaption>{picture}</figure>"
        )
    return parts


def _beats(measures: dict) -> str:
    """The ejection fraction over the whole beats, and every doubtful beat with its reasons."""
    beats = measures.get("beats") or ()
    whole = [beat for beat in beats if not beat["problems"]]
    words = []
    if whole:
        fractions = ", ".join(f"{beat['ejection_fraction']:.0f}%" for beat in whole)
        mean = f", mean {measures['ejection_fraction']:.0f}%" if len(whole) > 1 else ""
        words.append(f"ejection fraction {fractions}{mean}")
    elif beats:
        words.append("every beat is doubtful")
    reference = measures.get("reference_ejection_fraction")
    if beats and reference is not None:
        words[-1] += f" (reference {reference:.0f}%)"
    for beat in beats:
        if beat["problems"]:
            fraction = beat["ejection_fraction"]
            shown = "none" if fraction is None else f"{fraction:.0f}%"
            reasons = ", ".join(dict.fromkeys(beat["problems"]))
            words.append(f"doubtful: {shown}, frames {beat['ed']} to {beat['es']} ({reasons})")
    return "".join(f"; {word}" for word in words)


def _address(path: Path) -> str:
    if path.stat().st_size > LARGEST_INSIDE:
        return html.escape(f"videos/{path.name}", quote=True)
    return f"data:video/mp4;base64,{base64.b64encode(path.read_bytes()).decode()}"
