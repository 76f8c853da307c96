"""lgrseg/data/label_protocol.py."""

import itertools

import pytest
from conftest import made_up_record

from lgrseg.data.label_protocol import divide_labels


def videos(count, name="v", annotated=(0, 3)):
    """Two videos a patient."""
    return [
        made_up_record(f"{name}{i}", patient=f"{name}p{i // 2}", annotated_frames=annotated)
        for i in range(count)
    ]


def ids(records):
    return [record.video_id for record in records]


def test_a_label_fraction_is_of_patients_and_larger_ones_hold_smaller_ones():
    records = videos(20)
    parts = [
        divide_labels(records, fraction=fraction).labelled
        for fraction in (0.01, 0.1, 0.25, 0.5, 1.0)
    ]
    patients = [{record.patient for record in part} for part in parts]
    assert [len(found) for found in patients] == [1, 1, 3, 5, 10]  # rounded up, never none
    assert all(few <= more for few, more in itertools.pairwise(patients))
    assert [len(part) for part in parts] == [2, 2, 6, 10, 20]  # all videos of a patient
    assert parts[-1] == records
    for wrong in (0, 1.5, -0.1):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            divide_labels(records, fraction=wrong)


def test_every_video_may_be_seen_without_labels():
    records, silent = videos(20), videos(3, "u", annotated=())
    parts = divide_labels(records, silent, fraction=0.1)
    assert len(parts.labelled) == 2
    # Those nobody annotated, those whose labels are not used, and last the labelled ones.
    assert ids(parts.unlabelled)[:3] == ["u0", "u1", "u2"]
    assert sorted(ids(parts.unlabelled)[3:]) == sorted(ids(records))
    assert ids(parts.unlabelled)[-2:] == ids(parts.labelled)
    assert divide_labels(records, silent, only_more=True).unlabelled == silent
    everything = divide_labels(records, fraction=1.0)
    assert everything.labelled == records and ids(everything.unlabelled) == ids(records)


def test_another_seed_another_choice_and_it_is_written_down():
    records = videos(40)
    chosen = [ids(divide_labels(records, fraction=0.1, seed=seed).labelled) for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]
    summary = divide_labels(records, videos(3, "u", ()), fraction=0.1, seed=1).summary()
    assert summary["label_fraction"] == 0.1 and summary["label_seed"] == 1
    assert summary["labelled"]["num_videos"] == 4
    assert summary["labelled"]["num_annotated_frames"] == 8
    assert summary["labelled"]["videos"] == sorted(chosen[2])
    assert summary["unlabelled"]["num_videos"] == 43


def test_numbers_of_videos():
    records, silent = videos(20), videos(4, "u", ())
    parts = divide_labels(records, silent, num_labelled=5, num_unlabelled=6)
    assert len(parts.labelled) == 5 and len(parts.unlabelled) == 6
    fewer = divide_labels(records, silent, num_labelled=3).labelled
    assert set(ids(fewer)) < set(ids(parts.labelled))
    # A patient is finished before the next begins, so 5 videos are of three patients.
    assert len({record.patient for record in parts.labelled}) == 3
    for settings in ({"num_labelled": 21}, {"num_labelled": 0}, {"num_unlabelled": 25}):
        with pytest.raises(ValueError, match="to choose from"):
            divide_labels(records, silent, **settings)
