"""report.html of a run: table, training curve and videos on one page that works from the disk."""

import base64
import html
import io
import json
import logging
from pathlib import Path

from omegaconf import DictConfig

from lgrseg.data.catalog import DatasetCatalog, MetadataCatalog
from lgrseg.evaluation.export import export_record
from lgrseg.evaluation.overlap import RULES
from lgrseg.evaluation.tables import show, with_interval

logger = logging.getLogger("lgrseg")

STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #888; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2rem }
p.dim, figcaption { color: var(--dim); margin: .2rem 0 }
table { border-collapse: collapse } th, td { padding: .3rem .9rem; text-align: right }
th:first-child, td:first-child { text-align: left } tr { border-bottom: 1px solid var(--line) }
tr.mean { font-weight: 600 } img, video { max-width: 100%; border-radius: 6px }
figure { margin: 1rem 0 }
.tables { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start }
"""


def report_run(model, cfg: DictConfig) -> None:
    """Write videos (`train.export_videos` of each) and a report for every test dataset."""
    run = Path(cfg.train.output_dir)
    for name, loader in cfg.dataloader.test.items():
        folder = run / "eval" / name
        mapper = loader.mapper
        for record in _spread(DatasetCatalog.get(name), cfg.train.export_videos):
            path = export_record(
                model,
                record,
                folder / "videos",
                metadata=MetadataCatalog.get(name),
                input_size=mapper.input_size,
                num_frames=window_length(mapper),
            )
            logger.info("wrote %s", path)
        logger.info("wrote %s", write_report(run, name))


def window_length(mapper: DictConfig) -> int:
    """Frames of an inference window, as the config's test clips have them; 11 where they vary."""
    return mapper.frame_sampler.get("num_frames") or 11


def _spread(records: list[dict], count: int) -> list[dict]:
    """`count` records, evenly over the list."""
    count = min(count, len(records))
    return [records[i * len(records) // count] for i in range(count)]


def write_report(run: Path, dataset: str) -> Path:
    """Write eval/<dataset>/report.html from what lies in the run's folder.

    Raises:
        FileNotFoundError: the run was not evaluated on this dataset.
    """
    folder = run / "eval" / dataset
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    lines = read_metrics(run)
    videos = sorted(folder.glob("videos/*.mp4"))
    parts = [
        f"<h1>{html.escape(dataset)}</h1>",
        f"<p class=dim>{html.escape(results['protocol'])}. "
        f"{results['num_frames']} annotated frames, {results['num_clips']} clips, "
        f"{results['num_patients']} patients; {results['seconds_per_clip']:.3f} s a clip. "
        f"{_progress(lines)}</p>",
        "<div class=tables>",
        _class_table(results),
        _rule_table(results),
        _site_table(results),
        "</div>",
        _curve(lines, dataset),
        *([f"<h2>Videos</h2>{''.join(_video(path) for path in videos)}"] if videos else []),
    ]
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(dataset)}</title>"
        f"<meta name=viewport content='width=device-width'><style>{STYLE}</style>"
        f"<body>{''.join(parts)}</body></html>"
    )
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    return file


def read_metrics(run: Path) -> list[dict]:
    """The lines of metrics.jsonl; none where the run has none (evaluation only)."""
    file = run / "metrics.jsonl"
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _progress(lines: list[dict]) -> str:
    if not lines:
        return ""
    last = lines[-1]
    return f"Trained {last['iteration']} iterations in {last['train_seconds'] / 60:.1f} minutes."


def _table(head: list[str], rows: list[list[str]], *, mean_row: int | None = None) -> str:
    def cells(row: list[str], tag: str) -> str:
        return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)

    body = "".join(
        f"<tr{' class=mean' if i == mean_row else ''}>{cells(row, 'td')}</tr>"
        for i, row in enumerate(rows)
    )
    return f"<table><tr>{cells(head, 'th')}</tr>{body}</table>"


def _class_table(results: dict) -> str:
    rows = [
        [
            name.replace("_", " "),
            with_interval(scores["dice"], scores["dice_ci95"]),
            show(scores["iou"]),
        ]
        for name, scores in results["classes"].items()
    ]
    mean = results["mean"]
    dice = with_interval(mean["dice"], results["dice_ci95"])
    rows.append(["mean over patients", dice, show(mean["iou"])])
    return _table(["structure", "Dice [95% interval]", "IoU"], rows, mean_row=len(rows) - 1)


def _rule_table(results: dict) -> str:
    rows = [
        [rule, show(results["mean_by_rule"][rule]), show(results["mean_over_clips"][rule])]
        for rule in RULES
    ]
    return _table(["absent class counts as", "Dice over patients", "over clips"], rows)


def _site_table(results: dict) -> str:
    if not results["sites"]:
        return ""
    rows = [
        [site, str(scores["num_patients"]), show(scores["dice"])]
        for site, scores in results["sites"].items()
    ]
    return _table(["site", "patients", "Dice"], rows)


def _video(path: Path) -> str:
    source = html.escape(f"videos/{path.name}", quote=True)
    return (
        f"<figure><video controls loop muted preload=metadata src='{source}'></video>"
        f"<figcaption>{html.escape(path.stem)}</figcaption></figure>"
    )


def _curve(lines: list[dict], dataset: str) -> str:
    if not lines:
        return ""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
    for name in sorted({n for line in lines for n in line if n.startswith("loss")}):
        points = [(line["iteration"], line[name]) for line in lines if name in line]
        left.plot(*zip(*points, strict=True), label=name)
    left.set(xlabel="iteration", title="training loss", yscale="log")
    left.legend(fontsize=8)
    for name in sorted({n for line in lines for n in line if n.endswith("/mean_dice")}):
        points = [(line["iteration"], line[name]) for line in lines if line.get(name) is not None]
        right.plot(*zip(*points, strict=True), marker="o", label=name.split("/")[1])
    right.set(xlabel="iteration", title="mean Dice", ylim=(0, 1))
    right.legend(fontsize=8, loc="lower right")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    plt.close(figure)
    data = base64.b64encode(picture.getvalue()).decode()
    return f"<h2>Training</h2><img alt='losses and Dice' src='data:image/png;base64,{data}'>"
