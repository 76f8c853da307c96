"""The smallest prepared phantom that a training accepts: one video for each split."""

from lgrseg.data.datasets import phantom
from lgrseg.data.phantom import presets, raw_layouts
from lgrseg.data.prepare import prepare


def prepare_three_scans(folder):
    """Write raw scans of 3 frames, prepare them in datasets/phantom_demo, and return a raw clip."""
    scan = presets.scans("demo")["Site_P_1/patient1-4"]
    scan.num_frames = 3
    for site in ("Site_P_1", "Site_P_3", "Site_P_4"):
        raw_layouts.write_scan(folder / "raw", f"{site}/patient1-4", scan, annotated=[1])
    videos, problems = phantom.PhantomSource("demo").find_videos(folder / "raw")
    assert prepare(videos, problems, folder / "datasets" / "phantom_demo").num_usable == 3
    return folder / "raw" / "cardiacUDC_dataset" / "Site_P_1" / "patient1-4_image.nii.gz"
