"""The systems of the results table: their configs, and what is done again."""

import pytest
from omegaconf import OmegaConf

from lgrseg.config import load_config
from lgrseg.studies.comparison import systems
from lgrseg.studies.comparison.systems import Stage, System, systems_for, train_systems

DATASET = ["dataset=phantom_demo"]
SYSTEMS = systems_for(DATASET)


def test_whole_videos_leave_nothing_to_sample(caplog):
    of_pairs = systems_for(["dataset=camus"])
    assert [system.name for system in of_pairs] == ["basic", "lgsd", "box_sam2", "ar_seg"]
    assert of_pairs[1].stages[0].settings == ("method=lgsd",)
    assert "hybrid temporal sampling is left out" in caplog.text


def test_the_parts_of_the_time_make_the_whole():
    assert [system.name for system in SYSTEMS] == ["basic", "hts", "hts_lgsd", "box_sam2", "ar_seg"]
    for system in SYSTEMS:
        assert sum(stage.part for stage in system.stages) == pytest.approx(1)


@pytest.mark.parametrize(
    "stage", [stage for system in SYSTEMS for stage in system.stages], ids=lambda s: s.config[8:-3]
)
def test_every_stage_has_its_config_and_reads_the_one_before(stage):
    cfg = load_config(stage.config, [*DATASET, *stage.settings])
    assert "phantom_demo_test" in [loader.dataset for loader in cfg.dataloader.test.values()]
    if stage.before:
        assert OmegaConf.select(cfg, stage.before, default=None) is not None
    is_first = any(stage is system.stages[0] for system in SYSTEMS)
    assert bool(stage.before) != is_first


def test_complete_systems_are_not_trained_again_and_others_go_on(tmp_path, monkeypatch):
    complete = System("complete", (Stage("configs/lgrnet/demo.py"),))
    broken = System("broken", (Stage("configs/lgrnet/none.py"),))
    monkeypatch.setattr(systems, "systems_for", lambda overrides: (broken, complete))
    for dataset in ("phantom_demo_val", "phantom_demo_test"):
        results = tmp_path / "complete" / "eval" / dataset / "results.json"
        results.parent.mkdir(parents=True)
        results.touch()
    runs, failed = train_systems(tmp_path, DATASET, minutes=1000)
    assert runs == [tmp_path / "complete"]
    assert len(failed) == 1 and failed[0].startswith("broken: ") and "none.py" in failed[0]
    assert list(tmp_path.iterdir()) == [tmp_path / "complete"]


@pytest.mark.slow
def test_a_training_that_fails_names_its_log(tmp_path):
    with pytest.raises(ValueError, match=r"its training failed, see .*first\.log"):
        systems._train_net(tmp_path / "first", ["--config-file", "none.py"])
    assert "none.py" in (tmp_path / "first.log").read_text(encoding="utf-8")
