"""The datasets: importing this makes their names known to the catalog, and touches nothing else.

To add one: a file here with `find_videos(raw) -> (videos, problems)`, a line in `RAW`, and its
names registered in the catalog.
"""

from lgrseg.data.datasets import (
    camus,
    cardiac_udc,
    echonet_dynamic,
    phantom,
    stills,
    video_folders,
)

RAW = {
    "camus": camus,
    "cardiac_udc": cardiac_udc,
    "echonet_dynamic": echonet_dynamic,
    "phantom_demo": phantom.PhantomSource("demo"),
    "phantom_study": phantom.PhantomSource("study"),
    "sun_seg": video_folders.SUN_SEG,
    "ufuv": video_folders.UFUV,
    "youtube_vos": video_folders.YOUTUBE_VOS,
    **{dataset.name: dataset for dataset in stills.DATASETS},
}
"""What tools/prepare_dataset.py can prepare."""
