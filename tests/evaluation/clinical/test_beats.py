"""beats.py: curves by hand, and simulated recordings of known fraction."""

import numpy as np
import pytest

from lgrseg.evaluation.clinical.beats import find_beats
from lgrseg.evaluation.clinical.volumes import ejection_fraction


def curve(num_frames, period, *, phase=0.0, noise=0.0):
    t = np.arange(num_frames) + phase
    rng = np.random.default_rng(0)
    return 1000 + 300 * np.cos(2 * np.pi * t / period) + noise * rng.standard_normal(num_frames)


def frames(beats):
    return [(beat.ed, beat.es) for beat in beats]


def doubts(beats):
    return [beat.problems for beat in beats]


def test_every_beat_is_found():
    beats = find_beats(curve(61, 20))
    assert frames(beats) == [(0, 10), (20, 30), (40, 50)]
    # The first one begins with the recording, but no later end-diastole is larger: it is whole.
    assert doubts(beats) == [()] * 3
    beats = frames(find_beats(curve(61, 20, noise=40)))
    assert len(beats) == 3
    for (diastole, systole), start in zip(beats, (0, 20, 40), strict=True):
        assert abs(diastole - start) <= 2 and abs(systole - start - 10) <= 2


def test_the_last_beat_counts_although_the_recording_ends_in_it():
    (_, first), (second, last) = frames(find_beats(curve(36, 21)))
    assert second == 21 and abs(first - 10.5) < 1 and abs(last - 31.5) < 1


def test_a_recording_that_begins_in_mid_beat():
    beats = find_beats(curve(56, 20, phase=5))  # end-diastole would be frame -5
    assert frames(beats) == [(0, 5), (15, 25), (35, 45)]
    assert doubts(beats) == [("ED may lie before the recording",), (), ()]


def test_a_recording_that_ends_in_mid_beat():
    beats = find_beats(curve(46, 20))  # frame 45 is half-way to the end-systole of frame 50
    assert frames(beats) == [(0, 10), (20, 30), (40, 45)]
    assert doubts(beats) == [(), (), ("ES may lie after the recording",)]


def test_half_a_beat_counts_where_labels_say_what_it_is():
    half = curve(11, 20)  # from end-diastole to end-systole; and so it might look in mid-beat
    (beat,) = find_beats(half)
    assert (beat.ed, beat.es) == (0, 10)
    assert beat.problems == ("ED may lie before the recording", "ES may lie after the recording")
    (beat,) = find_beats(half, ed_frame=0)
    assert beat.problems == ("ES may lie after the recording",)
    assert doubts(find_beats(half, ed_frame=0, es_frame=10)) == [()]


def test_a_recording_without_a_systole_is_doubtful():
    (beat,) = find_beats(curve(13, 20, phase=9))  # fills only: end-systole is frame 1
    assert "no end-systole after the end-diastole" in beat.problems


def test_pairs_of_labelled_frames():
    assert frames(find_beats([500.0, 300.0])) == [(0, 1)]  # CAMUS: end-diastole and end-systole
    sparse = np.full(40, np.nan)
    sparse[[7, 21]] = 300, 500
    for areas in ([500.0, 300.0], [300.0, 500.0], sparse):
        (beat,) = find_beats(areas)
        assert beat.problems == () and areas[beat.ed] == 500 and areas[beat.es] == 300


def test_what_is_not_seen():
    assert find_beats([]) == find_beats([np.nan] * 9) == find_beats([np.nan, 7.0]) == []
    gaps = curve(61, 20)
    gaps[[3, 17, 44]] = np.nan
    beats = find_beats(gaps)
    assert doubts(beats) == [()] * 3
    for (diastole, systole), start in zip(frames(beats), (0, 20, 40), strict=True):
        assert abs(diastole - start) <= 1 and abs(systole - start - 10) <= 1
    # What is missing at an end belongs to no recording; a long gap may hide the end-diastole.
    late = np.r_[np.full(9, np.nan), curve(56, 20, phase=5)]
    assert frames(find_beats(late)) == [(9, 14), (24, 34), (44, 54)]
    assert doubts(find_beats(late))[0] == ("ED may lie before the recording",)
    torn = curve(81, 20)
    torn[34:45] = np.nan
    problems = [problem for beat in find_beats(torn) for problem in beat.problems]
    assert problems == ["ED may lie where the ventricle was not seen"]


def test_a_ventricle_that_does_not_beat():
    (beat,) = find_beats(np.full(30, 7.0))
    assert beat.problems[0] == "no end-systole after the end-diastole"


def recordings(count):
    """Areas, volumes and ejection fraction; they begin at any moment and last 0.4 to 4.2 beats."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        fraction, period = rng.uniform(0.25, 0.72), rng.uniform(9, 45)
        systole, fill = rng.uniform(0.3, 0.45), rng.choice([0.6, 1.0])
        num_frames = max(4, round(period * rng.uniform(0.4, 4.2)))
        phase = (rng.uniform() + np.arange(num_frames) / period) % 1
        down = 0.5 - 0.5 * np.cos(np.pi * phase / systole)
        # It fills at once or in two steps, with a rest between them, as at slow heart rates.
        rest = (phase - systole) / (1 - systole)
        early = 0.5 - 0.5 * np.cos(np.pi * np.clip(rest / (0.4 if fill < 1 else 1), 0, 1))
        late = 0.5 - 0.5 * np.cos(np.pi * np.clip((rest - 0.7) / 0.3, 0, 1))
        contraction = np.where(phase < systole, down, 1 - fill * early - (1 - fill) * late)
        volumes = 120 * (1 - fraction * contraction)
        noise = rng.uniform(0, 0.03) * rng.standard_normal(num_frames)
        yield 100 * volumes ** (2 / 3) * (1 + noise), volumes, fraction


@pytest.mark.parametrize("count", [400, pytest.param(8000, marks=pytest.mark.slow)])
def test_half_beats_are_doubtful_and_whole_ones_are_not(count):
    errors, doubtful, bad_recordings = [], [], {True: 0, False: 0}
    for areas, volumes, fraction in recordings(count):
        beats = find_beats(areas)
        assert beats  # a doubtful number is still a number
        found = [ejection_fraction(volumes[beat.ed], volumes[beat.es]) for beat in beats]
        off = 100 * (np.array(found) - fraction)
        sure = np.array([not beat.problems for beat in beats])
        errors += off.tolist()
        doubtful += (~sure).tolist()
        for counted in (True, False):  # with the doubtful ones, as it was, and without
            bad_recordings[counted] += bool((off[sure | counted] < -5).any())
    errors, doubtful = np.array(errors), np.array(doubtful)
    assert bad_recordings[True] > 0.15 * count  # what is averted
    assert bad_recordings[False] < 0.02 * count
    assert np.abs(errors[~doubtful]).mean() < 1 and (errors[~doubtful] < -5).mean() < 0.01
    assert doubtful[errors > -2].mean() < 0.1
