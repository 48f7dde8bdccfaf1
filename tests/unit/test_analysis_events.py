"""The detector of events against counts in which it is known what happens, and against chance."""

import numpy as np
import pandas as pd
import pytest

from isocortex.analysis.counts import group_counts
from isocortex.analysis.events import (
    BURST,
    SEIZURE_LIKE,
    Criteria,
    baseline,
    bursts,
    event_table,
    population_events,
)
from isocortex.analysis.spread import active_share, silence_after, spread_speed

BIN, CELLS, REST = 10.0, 100, 2.0  # ms, cells per group, Hz
NAMES = ["A", "B", "C", "D"]


def counts_of(rates, names=NAMES, bin_width=BIN, cells=CELLS, seed=0):
    """Poisson counts of groups at ``rates[groups, bins]``, Hz per cell."""
    expected = np.asarray(rates) * cells * bin_width / 1000
    return pd.DataFrame(
        np.random.default_rng(seed).poisson(expected),
        pd.Index(names, name="group"),
        np.arange(np.shape(rates)[1]) * bin_width,
    )


def resting(groups=4, bins=1000):
    return np.full((groups, bins), REST)


def detect(counts, criteria=None, bin_width=BIN, before=(0.0, 2000.0), cells=CELLS):
    level = baseline(counts, before)
    return population_events(counts, [cells] * len(counts), bin_width, level, criteria)


def test_no_event_in_poisson_noise():
    """30 seeds of 86 groups over 10 s, 25,800 s in all, at 0.05 to 50 spikes per bin: none.

    Hence, with 95 % confidence, fewer than 1 in 8600 s of a group (3 / n).
    """
    expected = np.geomspace(0.05, 50.0, 86)
    found = []
    for seed in range(30):
        counts = counts_of(np.tile(expected[:, None], 1000) * 1000 / (CELLS * BIN), range(86),
                           seed=seed)  # fmt: skip
        found += detect(counts, before=None)
    assert not found


def test_slow_changes_of_the_rate_that_belong_to_the_baseline_are_no_event():
    slow = 1 + 0.6 * np.sin(2 * np.pi * np.arange(1000) / 200)
    for seed in range(10):
        assert not detect(counts_of(resting() * slow, seed=seed), before=None)


@pytest.mark.parametrize(("onset", "duration"), [(3000.0, 60.0), (3000.0, 200.0), (5430.0, 500.0)])
def test_a_burst_is_found_to_within_a_bin(onset, duration):
    for seed in range(10):
        rates = resting()
        rates[1, int(onset / BIN) : int((onset + duration) / BIN)] = 40.0
        (event,) = detect(counts_of(rates, seed=seed))
        assert event.kind == BURST and event.origin == ("B",)
        assert event.onset == pytest.approx(onset, abs=BIN)
        assert event.duration == pytest.approx(duration, abs=BIN)
        row = event.recruitment.loc["B"]
        assert row["mean_hz"] == pytest.approx(40.0, rel=0.2) and row["bursts"] == 1
        assert (event.share_of_groups, event.share_of_cells) == (0.25, 0.25)


def test_the_onset_between_two_bins_is_that_of_the_bin():
    """From spikes: 100 cells that all fire every 5 ms from 3004 ms on, for 96 ms."""
    moments = np.repeat(3004.0 + np.arange(0, 96, 5.0), CELLS)
    rest = np.random.default_rng(0).uniform(0, 5000, 1000)
    ids = np.concatenate([np.tile(np.arange(CELLS), 20), np.arange(1000) % CELLS])
    counts = group_counts(np.append(moments, rest), ids, {"A": np.arange(CELLS)}, 5000.0, BIN)
    table = bursts(counts, BIN, baseline(counts))
    assert table[["onset_ms", "end_ms"]].to_numpy().tolist() == [[3000.0, 3100.0]]


def test_short_volleys_are_no_burst_and_short_pauses_do_not_end_one():
    rates = np.zeros((1, 500))
    rates[0, 100:102] = 50.0  # 20 ms
    rates[0, 200:204] = rates[0, 205:210] = 50.0  # a pause of 10 ms
    rates[0, 300:304] = rates[0, 306:310] = 50.0  # one of 20 ms
    counts = (pd.DataFrame(rates, ["A"]) * CELLS * BIN / 1000).astype(int)
    table = bursts(counts, BIN, baseline(counts))
    assert table["onset_ms"].tolist() == [2000.0, 3000.0, 3060.0]
    assert table["duration_ms"].tolist() == [100.0, 40.0, 40.0]
    assert table.loc[0, ["spikes", "peak"]].tolist() == [450, 50]


def test_tonic_and_rhythmic_discharges_are_seizure_like_and_others_are_not():
    tonic, clonic, short, weak = resting(4, 1500)[:, None, :].repeat(4, axis=1)
    tonic[0, 300:700] = 30.0
    for start in range(300, 700, 40):  # 100 ms at 2.5 Hz, for 3.7 s
        clonic[0, start : start + 10] = 60.0
    short[0, 300:450] = 30.0
    for start in range(300, 700, 90):  # follow each other, but on average little happens
        weak[0, start : start + 5] = 40.0
    for rates, kinds in ((tonic, [SEIZURE_LIKE]), (clonic, [SEIZURE_LIKE]), (short, [BURST]),
                         (weak, [BURST] * 5)):  # fmt: skip
        events = detect(counts_of(rates))
        assert [event.kind for event in events] == kinds
        assert events[0].onset == pytest.approx(3000.0, abs=BIN)
    (event,) = detect(counts_of(clonic))
    assert event.recruitment.loc["A", ["bursts", "lasting"]].tolist() == [10, True]
    assert event.duration == pytest.approx(3700.0, abs=2 * BIN)
    assert detect(counts_of(short), Criteria(seizure_duration=1000.0))[0].kind == SEIZURE_LIKE
    assert detect(counts_of(tonic), Criteria(seizure_share=0.3))[0].kind == BURST
    assert detect(counts_of(tonic), Criteria(seizure_factor=20.0))[0].kind == BURST


def test_bursts_before_and_after_a_seizure_are_events_of_their_own():
    rates = resting(4, 2000)
    rates[3, 430:440] = rates[2, 980:990] = 40.0  # 600 ms before, 800 ms after
    rates[0, 500:900] = rates[1, 560:880] = rates[2, 600:620] = 40.0
    events = detect(counts_of(rates))
    assert [event.kind for event in events] == [BURST, SEIZURE_LIKE, BURST]
    assert [event.origin for event in events] == [("D",), ("A",), ("C",)]
    seizure = events[1].recruitment
    assert seizure.index.tolist() == ["A", "B", "C"] and seizure["order"].tolist() == [1, 2, 3]
    assert seizure["lasting"].tolist() == [True, True, False]
    assert seizure["latency_ms"].tolist() == pytest.approx([0.0, 600.0, 1000.0], abs=BIN)
    table = event_table(events)
    assert table["origin"].tolist() == ["D", "A", "C"] and table["groups"].tolist() == [1, 3, 1]


def test_groups_that_begin_in_one_bin_share_the_origin():
    rates = resting()
    rates[:2, 300:330] = 60.0
    rates[2, 310:340] = 60.0
    (event,) = detect(counts_of(rates))
    assert event.origin == ("A", "B")
    assert event.recruitment["order"].tolist() == [1, 1, 3]


def test_a_seizure_from_the_first_bin_is_found_against_another_runs_baseline():
    control, treated = counts_of(resting()), counts_of(resting() * 20)
    (event,) = population_events(treated, [CELLS] * 4, BIN, baseline(control))
    assert event.kind == SEIZURE_LIKE and event.onset == 0.0 and event.share_of_cells == 1.0
    assert event.recruitment["ratio"].tolist() == pytest.approx([20.0] * 4, rel=0.05)
    assert not detect(treated, before=None)  # in its own baseline it hides


@pytest.mark.parametrize(
    ("speed", "lasts", "kind"), [(2.0, 2500.0, SEIZURE_LIKE), (20.0, 250.0, BURST),
                                 (60.0, 250.0, BURST)],
)  # fmt: skip
def test_a_travelling_wave_has_its_speed_and_its_order(speed, lasts, kind):
    """150 groups over 10 mm, reached after distance / speed; bins of 5 ms, resting noise."""
    rng, width = np.random.default_rng(3), 5.0
    places = pd.DataFrame(rng.uniform(0, 7000, (150, 2)), columns=["x", "y"])
    distance = np.linalg.norm(places - places.loc[7], axis=1)
    arrival = 1000.0 + distance / speed  # um over mm/s: ms
    starts = np.arange(0, 10_000, width)
    until = arrival[:, None] + lasts
    inside = np.clip(
        np.minimum(starts + width, until) - np.maximum(starts, arrival[:, None]), 0, width
    )
    counts = counts_of(REST + 100 * inside / width, range(150), width, 400)
    (event,) = detect(counts, bin_width=width, before=(0.0, 900.0), cells=400)
    table = event.recruitment
    assert event.kind == kind and event.origin[0] == 7 and len(table) == 150
    latency = table["latency_ms"].sort_index()
    assert np.abs(latency - distance / speed).max() <= 2 * width
    assert np.corrcoef(table["order"].sort_index(), np.argsort(np.argsort(distance)))[0, 1] > 0.995
    found = spread_speed(table["latency_ms"], places, (7,))
    assert found.speed == pytest.approx(speed, rel=0.01)
    assert found.r2 > 0.995 and found.n == 150


def test_the_speed_along_a_line_is_exact():
    places = pd.DataFrame({"x": [0.0, 100.0, 300.0, 600.0]}, index=NAMES)
    found = spread_speed(pd.Series([0.0, 10.0, 30.0, 60.0], NAMES), places, ("A",))
    assert (found.speed, found.r2, found.n) == (pytest.approx(10.0), pytest.approx(1.0), 4)
    for latency in ([0.0, np.nan, np.nan, 5.0], [1.0] * 4):
        assert np.isnan(spread_speed(pd.Series(latency, NAMES), places, ("A",)).speed)


def test_silence_after_an_event_is_told_to_a_window():
    rates = resting(4, 1500)
    rates[:, 400:800] = 40.0
    rates[:, 800:950] = 0.0
    counts = counts_of(rates)
    (event,) = detect(counts)
    level = baseline(counts, (0.0, 2000.0))
    found = silence_after(event, counts, BIN, level)
    assert found.duration == pytest.approx(1500.0, abs=100.0) and found.complete
    cut = silence_after(event, counts.iloc[:, :900], BIN, level)
    assert cut.duration == 1000.0 and not cut.complete
    at_end = silence_after(event, counts.iloc[:, :800], BIN, level)
    assert np.isnan(at_end.duration) and not at_end.complete
    assert np.isnan(silence_after(event, counts, BIN, level / 100).duration)
    back = resting(4, 1500)
    back[:, 400:800] = 40.0
    counts = counts_of(back)
    assert silence_after(detect(counts)[0], counts, BIN, level).duration == 0.0


def test_cells_that_fire_are_counted_once_a_window():
    groups = {"A": np.arange(4), "B": np.array([10]), "none": np.array([], int)}
    found = active_share([1.0, 2.0, 3.0, 60.0, 60.0], [0, 0, 3, 1, 99], groups, 120.0)
    assert found.loc["A"].tolist() == [0.5, 0.25] and found.loc["B"].tolist() == [0.0, 0.0]
    assert found.loc["none"].isna().all()
    rng = np.random.default_rng(0)
    times, ids = rng.uniform(0, 1e5, 40_000), rng.integers(0, 200, 40_000)  # 2 Hz
    poisson = active_share(times, ids, {"A": np.arange(200)}, 1e5)
    assert poisson.loc["A"].mean() == pytest.approx(1 - np.exp(-0.1), rel=0.02)


def test_nothing_and_a_single_spike_make_no_event():
    groups = {"A": np.arange(3), "none": np.array([], int)}
    for times, ids in (([], []), ([5.0], [1])):
        counts = group_counts(times, ids, groups, 1000.0, BIN)
        assert population_events(counts, [3, 0], BIN, baseline(counts)) == []
        assert event_table([]).empty and bursts(counts, BIN, baseline(counts)).empty
        assert active_share(times, ids, groups, 1000.0).loc["A"].sum() == pytest.approx(
            len(ids) / 3
        )
    with pytest.raises(ValueError, match="at least one bin"):
        baseline(counts, (2000.0, 3000.0))
