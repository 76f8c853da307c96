"""lgrseg/config/choices.py and python_files.py: dataset and methods of a command line."""

import textwrap

import pytest
from omegaconf import OmegaConf

from lgrseg.config import load_config, save_config

FILES = {
    "datasets/heart.py": """
        from omegaconf import OmegaConf
        dataloader = OmegaConf.create({"train": {"dataset": "heart_train", "batch_size": 4}})
        num_classes = 3
    """,
    "datasets/heart_wide.py": """
        from .heart import dataloader, num_classes
        dataloader.train.batch_size = 16
    """,
    "datasets/lung.py": """
        from omegaconf import OmegaConf
        imports = ["textwrap"]
        roles = {"left_ventricle": "no lung has one"}
        dataloader = OmegaConf.create({"train": {"dataset": "lung_train", "batch_size": 1}})
        num_classes = 2
    """,
    "datasets/own_clips.py": """
        from omegaconf import OmegaConf
        dataset = "mine"
        dataloader = OmegaConf.create({"train": {"dataset": "clips of ${dataset}"}})
        num_classes = 9
    """,
    "methods/double.py": """
        def change(cfg):
            cfg.dataloader.train.batch_size *= 2
    """,
    "methods/plus_one.py": """
        from ..datasets.heart import num_classes
        def change(cfg):
            cfg.dataloader.train.batch_size += 1
            cfg.model.classes_of_heart = num_classes
    """,
    "nets/net.py": """
        from ..datasets.heart import dataloader, num_classes
        model = dict(num_classes=num_classes)
        train = dict(output_dir="output/net")
        dataloader.train.mapper = "of the net"
    """,
    "nets/net_double.py": """
        from .net import dataloader, model, train
        method = "double"
    """,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the configs above, which is the current one."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lgrseg.data.described.know_roles", lambda cfg, path: None)
    return tmp_path


def test_without_a_choice_a_config_is_as_it_is_written(folder):
    cfg = load_config("nets/net.py")
    assert (cfg.dataset, cfg.model.num_classes) == ("heart", 3)
    assert cfg.train.output_dir == "output/net" and "method" not in cfg


def test_another_dataset_replaces_that_of_the_config(folder):
    cfg = load_config("nets/net.py", ["dataset=lung", "dataloader.train.batch_size=8"])
    assert cfg.dataloader.train == {
        "dataset": "lung_train",
        "batch_size": 8,
        "mapper": "of the net",
    }
    assert (cfg.dataset, cfg.model.num_classes) == ("lung", 2)
    assert cfg.train.output_dir == "output/net_lung"
    # What only the dataset's file says.
    assert cfg.imports == ["textwrap"] and cfg.roles.left_ventricle == "no lung has one"


def test_a_dataset_may_be_a_variant_of_another(folder):
    assert load_config("nets/net.py", ["dataset=heart_wide"]).dataloader.train.batch_size == 16


def test_a_name_without_a_file_is_a_dataset_of_ones_own(folder):
    cfg = load_config("nets/net.py", ["dataset=my_clips"])
    assert cfg.dataloader.train.dataset == "clips of my_clips" and cfg.model.num_classes == 9
    save_config(cfg, "config.yaml")
    again = load_config("config.yaml", ["dataset=others"])
    assert again.dataloader.train.dataset == "clips of others"


def test_a_file_of_ones_own_is_a_dataset(folder):
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "knee.py").write_text(
        "from configs.datasets.camus import dataloader, num_classes\n"
        "dataloader.train.batch_size = 3\n"
    )
    cfg = load_config("nets/net.py", ["dataset=elsewhere/knee.py"])
    assert cfg.dataset == "knee" and cfg.train.output_dir == "output/net_knee"
    assert cfg.dataloader.train.dataset == "camus_4ch_train"
    assert cfg.dataloader.train.batch_size == 3
    with pytest.raises(FileNotFoundError, match="no config file elsewhere/ankle.py"):
        load_config("nets/net.py", ["dataset=elsewhere/ankle.py"])


def test_a_package_of_ones_own_may_be_called_configs(folder, monkeypatch):
    (folder / "configs").mkdir()
    (folder / "configs" / "mine.py").write_text("steps = 7\n")
    (folder / "run.py").write_text("from configs.mine import steps\ntrain = dict(max_iter=steps)\n")
    monkeypatch.syspath_prepend(folder)
    assert load_config("run.py").train.max_iter == 7


def test_methods_are_applied_in_their_order_and_settings_after_them(folder):
    cfg = load_config("nets/net.py", ["method=double+plus_one"])
    assert cfg.dataloader.train.batch_size == 4 * 2 + 1
    assert cfg.method == "double+plus_one" and cfg.train.output_dir == "output/net_double_plus_one"
    assert load_config("nets/net.py", ["method=plus_one+double"]).dataloader.train.batch_size == 10
    words = ["dataloader.train.batch_size=5", "method=double", "dataset=lung"]
    cfg = load_config("nets/net.py", words)
    assert cfg.dataloader.train.batch_size == 5 and cfg.train.output_dir == "output/net_lung_double"
    # A method sees the dataset that it names itself, whatever was chosen.
    cfg = load_config("nets/net.py", ["dataset=lung", "method=plus_one"])
    assert (cfg.model.classes_of_heart, cfg.dataloader.train.batch_size) == (3, 2)


def test_a_config_may_name_its_method(folder):
    assert load_config("nets/net_double.py").dataloader.train.batch_size == 8
    assert load_config("nets/net_double.py", ["method=plus_one"]).dataloader.train.batch_size == 5
    assert load_config("nets/net_double.py", ["method="]).dataloader.train.batch_size == 4


def test_a_saved_config_takes_no_choice_that_it_cannot_make(folder):
    save_config(load_config("nets/net.py", ["method=double"]), "config.yaml")
    assert load_config("config.yaml").method == "double"
    with pytest.raises(ValueError, match="is the config of a run on heart.*--eval-only --datasets"):
        load_config("config.yaml", ["dataset=lung"])
    with pytest.raises(ValueError, match="use method=... with the Python configs"):
        load_config("config.yaml", ["method=plus_one"])


def test_wrong_choices_are_told(folder):
    with pytest.raises(ValueError, match="called 'doubel'.*plus_one.*did you mean 'double'"):
        load_config("nets/net.py", ["method=doubel"])
    with pytest.raises(ValueError, match="datasets/heart.py imports no file of a folder datasets/"):
        load_config("datasets/heart.py", ["dataset=lung"])
    message = (
        r"no dataset is called 'camsu'.*phantom_study.*--import MODULE\); did you mean 'camus'"
    )
    with pytest.raises(ValueError, match=message):
        load_config("configs/lgrnet/base.py", ["dataset=camsu"])


def test_a_method_refuses_a_system_that_it_does_not_fit():
    for words, message in (
        (["method=box_only"], "method=boxes\\+box_only"),
        (["method=without_labels"], "method=lgsd\\+without_labels"),
    ):
        with pytest.raises(ValueError, match=message):
            load_config("configs/lgrnet/base.py", words)
    for method in ("hts", "lgsd", "boxes"):
        with pytest.raises(ValueError, match=f"method={method} .*use a config of lgrnet/"):
            load_config("configs/baselines/unet.py", [f"method={method}"])
    for file in ("baselines/unet.py", "lgrnet/base.py"):
        with pytest.raises(ValueError, match="method=scalar_codes .*use a config of ar_seg/"):
            load_config(f"configs/{file}", ["method=scalar_codes"])
    for file, method in (
        ("box_sam2/demo.py", "mean_teacher"),
        ("ar_seg/raster.py", "mean_teacher"),
        ("lgrnet/base.py", "lgsd+mean_teacher"),
        ("foundation/usfm_classify.py", "mean_teacher"),
    ):
        with pytest.raises(ValueError, match="method=mean_teacher compares probabilities"):
            load_config(f"configs/{file}", [f"method={method}"])


def test_parts_follow_the_length_of_the_run():
    cfg = load_config("configs/lgrnet/base.py", ["method=lgsd", "train.max_iter=100"])
    cfg.model.weight.begin = "${half:${train.max_iter}}"
    assert cfg.model.weight.begin == 50
    cfg = load_config("configs/baselines/pvt_fpn.py", ["method=mean_teacher", "train.max_iter=100"])
    assert cfg.model.weight.num_iterations == 10
    assert "unlabelled" in OmegaConf.to_container(cfg.dataloader.train)
