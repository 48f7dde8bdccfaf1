"""Measures behind the gates, on made-up spikes whose truth is known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from isocortex.cortex.atlas import load_atlas
from isocortex.cortex.drive import target_of
from isocortex.errors import ConfigError
from isocortex.validation import perturbed, resting
from isocortex.validation.conditions import FULL, Condition
from isocortex.validation.gates import FAILS, GATES, UNMEASURED
from isocortex.validation.measure import higher_than, under
from isocortex.validation.neurons import Neurons, Spikes
from isocortex.validation.outcome import judged, over_seeds

AREAS = ("VISp", "VISl", "VISal", "VISam", "MOp", "MOs", "SSs", "AUDp")
SIDES = ("left", "right")
PER_AREA = 100  # 80 excitatory, 20 Pvalb


def _neurons():
    """Areas in a row on the flattened cortex, 1 mm apart."""
    n = len(AREAS) * len(SIDES) * PER_AREA
    k = np.arange(n)
    area = np.array(AREAS)[k // PER_AREA % len(AREAS)]
    side = np.array(SIDES)[k // (PER_AREA * len(AREAS))]
    cell_class = np.where(k % PER_AREA < 80, "IT", "Pvalb")
    sign = np.where(side == "left", -1.0, 1.0)
    flat = np.stack([sign * (2000.0 + 1000.0 * (k // PER_AREA % len(AREAS))), 0.0 * k], axis=1)
    model = np.where(k % 2 == 0, "a", "b")
    return Neurons(k, np.full(n, "4"), cell_class, model, area, side, flat)


NEURONS = _neurons()
N = len(NEURONS)


def _poisson(hz, duration=5000.0, seed=0, ids=NEURONS.ids):
    """Poisson cells, each at its rate."""
    rng = np.random.default_rng(seed)
    hz = np.broadcast_to(hz, len(ids))
    n = rng.poisson(hz * duration / 1000.0)
    return Spikes(rng.uniform(0, duration, n.sum()), np.repeat(ids, n), duration)


def _volleys(at, groups, seed=0, width=20.0, each=3):
    """Times and ids: at each time and place all cells of a group fire ``each`` spikes."""
    rng = np.random.default_rng(seed)
    times, ids = [], []
    for moment, name in zip(at, groups, strict=True):
        members = np.repeat(NEURONS.by_area[name], each)
        times.append(moment + rng.uniform(0, width, len(members)))
        ids.append(members)
    return np.concatenate(times), np.concatenate(ids)


def _with(spikes, times, ids):
    return Spikes(
        np.concatenate([spikes.times, times]), np.concatenate([spikes.ids, ids]), spikes.duration
    )


REST = _poisson(np.where(NEURONS.excitatory, 3.0, 8.0))


# --- labels -----------------------------------------------------------------------------------


def test_groups_hold_every_neuron_once():
    for groups in (NEURONS.by_sign, NEURONS.by_class, NEURONS.by_kind, NEURONS.by_area):
        assert sorted(np.concatenate(list(groups.values()))) == list(range(N))
    assert NEURONS.partners["VISp left"] == "VISp right"
    assert NEURONS.centroids.loc["VISl right", "flat_x"] == 3000.0


def test_spikes_are_cut_to_the_time_that_is_judged():
    spikes = Spikes.between(np.array([1.0, 5.0, 9.9, 10.0]), np.arange(4), 5.0, 10.0)
    assert spikes.times.tolist() == [0.0, pytest.approx(4.9)]
    assert spikes.ids.tolist() == [1, 2]
    assert spikes.duration == 5.0


# --- rest -------------------------------------------------------------------------------------


def test_classes_in_range_and_out_of_it():
    aim = {"IT": target_of("4", "IT"), "Pvalb": target_of("4", "Pvalb")}
    hz = np.array([aim[name] for name in NEURONS.cell_class])
    assert resting.rates(_poisson(hz), NEURONS).values["rates.out"] == 0
    found = resting.rates(_poisson(np.where(NEURONS.excitatory, 2.5 * hz, hz)), NEURONS)
    assert found.values["rates.out"] == 1
    assert "4 IT" in found.notes["rates.out"]
    assert found.values["rates.E"] == pytest.approx(2.5 * aim["IT"], rel=0.05)


def test_too_short_a_run_judges_no_class():
    assert np.isnan(resting.rates(_poisson(3.0, duration=1.0), NEURONS).values["rates.out"])


def test_poisson_cells_are_irregular_and_clocks_are_not():
    poisson = resting.irregular(_poisson(10.0), NEURONS).values
    assert poisson["irregular.cv"] == pytest.approx(0.96, abs=0.03)
    assert poisson["irregular.cv2"] == pytest.approx(1.0, abs=0.03)
    assert poisson["irregular.silent"] == 0.0
    ticks = np.tile(np.arange(0, 5000.0, 100.0), N)
    clocks = Spikes(ticks, np.repeat(NEURONS.ids, 50), 5000.0)
    assert resting.irregular(clocks, NEURONS).values["irregular.cv"] == pytest.approx(0.0)


def test_silence_is_told_for_five_seconds_alone():
    half = np.where(NEURONS.ids % 2 == 0, 10.0, 0.0)
    assert resting.irregular(_poisson(half), NEURONS).values["irregular.silent"] == 0.5
    assert "irregular.silent" not in resting.irregular(_poisson(half, 2000.0), NEURONS).values


def test_independent_cells_share_nothing():
    found = resting.correlated(REST, NEURONS).values
    assert abs(found["correlated.pairs"]) < 0.002
    assert found["correlated.fano"] == pytest.approx(1.0, abs=0.25)
    assert found["correlated.areas_p"] > 0.05
    assert abs(found["correlated.homotopic_above"]) < 0.1


def test_partners_that_burst_together_are_told():
    at = np.arange(100.0, 4900.0, 300.0)
    left = [f"{AREAS[k % 8]} left" for k in range(len(at))]
    right = [f"{AREAS[k % 8]} right" for k in range(len(at))]
    times, ids = _volleys([*at, *at], [*left, *right])
    found = resting.correlated(_with(REST, times, ids), NEURONS).values
    assert found["correlated.pairs"] > 0.05
    assert found["correlated.fano"] > 5
    assert found["correlated.homotopic"] > 0.5
    assert found["correlated.homotopic_above"] > 0.5


def test_a_clock_is_a_narrow_peak():
    assert resting.spectrum(REST, NEURONS).values["spectrum.share"] < 0.2
    at = np.arange(50.0, 4950.0, 100.0)  # 10 Hz, in one area
    times, ids = _volleys(at, ["MOs left"] * len(at), width=60.0)
    found = resting.spectrum(_with(REST, times, ids), NEURONS)
    assert found.values["spectrum.frequency"] == pytest.approx(10.0, abs=1.0)
    assert found.values["spectrum.area_share"] > 0.5
    assert "MOs left" in found.notes["spectrum.frequency"]
    assert found.notes["spectrum.area_share"].endswith("MOs left")


def _modulated(rate, seed=0):
    """All cells at a rate (Hz) that varies from ms to ms."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(N * np.maximum(rate, 0.0) * 1e-3)
    times = np.repeat(np.arange(len(rate)), n) + rng.uniform(size=n.sum())
    return Spikes(times, rng.integers(0, N, n.sum()), float(len(rate)))


def test_a_slow_rhythm_is_narrow_and_slow_noise_is_not():
    t = np.arange(5000.0)
    rhythm = resting.spectrum(_modulated(4.0 + 3.0 * np.sin(2e-3 * np.pi * 3.0 * t)), NEURONS)
    assert rhythm.values["spectrum.share"] > 0.6
    assert rhythm.values["spectrum.frequency"] == pytest.approx(3.0, abs=0.5)
    noise, rng = np.zeros(5000), np.random.default_rng(4)
    for k in range(1, 5000):  # an Ornstein-Uhlenbeck process of 100 ms
        noise[k] = noise[k - 1] * (1 - 1 / 100.0) + rng.normal(0, np.sqrt(2 / 100.0))
    slow = resting.spectrum(_modulated(4.0 + 1.5 * noise), NEURONS).values
    assert slow["spectrum.share"] < 0.5 < slow["spectrum.wide"]


def test_background_synapses_are_weighed_by_sign():
    ids = np.repeat(NEURONS.ids, 3)
    excitatory = NEURONS.excitatory[ids]
    weight = np.where(excitatory, 0.8, 1.5)
    weight[[4, 4 + 3 * 80]] = [0.9, 2.5]  # an excitatory cell's, a Pvalb cell's
    made = resting.Background(ids, weight, np.full(len(ids), 50.0))
    found = resting.synapses(made, REST, NEURONS).values
    assert (found["synapses.E"], found["synapses.I"]) == (0.9, 2.5)
    single = 1e3 * np.full(len(ids), np.float32(0.001), float)  # 1 nS, and a little more
    found = resting.synapses(resting.Background(ids, single, weight), REST, NEURONS).values
    assert found["synapses.E"] == 1.0


def test_without_background_its_synapses_are_not_measured():
    """The largest of none was 0 nS, which held."""
    none = resting.Background(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    found = resting.synapses(none, REST, NEURONS)
    assert not {"synapses.E", "synapses.I"} & set(found.values)
    (gate,) = (each for each in judged([found], ["synapses"]) if each.gate.name == "synapses")
    assert gate.verdict == UNMEASURED


@pytest.mark.parametrize(("noise", "share"), [(0.0, 1.0), (0.2, 0.5)])
def test_what_place_explains_is_found(noise, share):
    """log10 rate = -distance / 500 with a standard deviation of 0.2, plus noise; kinds differ."""
    rng = np.random.default_rng(3)
    place = rng.normal(200.0, 100.0, N)
    offset = np.where(NEURONS.excitatory, 0.0, 1.0) + np.where(NEURONS.model == "a", 0.0, 0.5)
    log_rate = offset - place / 500.0 + rng.normal(0.0, noise, N)
    found, n = resting.explained_within(place, 10**log_rate, NEURONS)
    assert n == N
    assert found == pytest.approx(share, abs=0.05)


def test_chance_explains_nothing_on_average():
    shares = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        shares.append(
            resting.explained_within(rng.normal(size=N), 10 ** rng.normal(size=N), NEURONS)[0]
        )
    assert np.mean(shares) == pytest.approx(0.0, abs=0.002)


def test_conductances_are_medians_of_excitatory_cells():
    share = np.where(NEURONS.excitatory, 0.6, 0.1)
    made = SimpleNamespace(
        recurrent_share=lambda: share, balance=lambda v: np.where(NEURONS.excitatory, -v / 100, 9.0)
    )
    found = resting.conductances(made, NEURONS).values
    assert found["recurrence.share"] == pytest.approx(0.6)
    assert found["balance.ratio"] == pytest.approx(0.6)  # at -60 mV


def test_rates_without_recurrence():
    found = resting.cut_off(_poisson(1.0), _poisson(4.0, seed=1), NEURONS).values
    assert found["recurrence.cut_E"] == pytest.approx(0.25, abs=0.02)


# --- without inhibition -----------------------------------------------------------------------


def _discharges(areas, every=250.0, duration=1000.0, seed=0, each=5):
    """Rest, with discharges of some areas."""
    at = np.arange(50.0, duration, every)
    names = [f"{area} {side}" for area in areas for side in SIDES]
    times, ids = _volleys(np.tile(at, len(names)), np.repeat(names, len(at)), seed, 50.0, each)
    keep = times < duration
    return _with(_poisson(3.0, duration, seed), times[keep], ids[keep])


def test_a_dose_curve_that_ends_in_a_seizure():
    doses = {
        0.0: _poisson(3.0, 1000.0, 1), 0.1: _poisson(3.1, 1000.0, 2),
        0.2: _poisson(3.2, 1000.0, 3), 0.5: _discharges(AREAS[:2]), 1.0: _discharges(AREAS),
    }  # fmt: skip
    found = perturbed.dose_curve(doses, REST, NEURONS).values
    assert found["seizure.ratio"] == pytest.approx(1 + 20 / 3, rel=0.1)
    assert found["seizure.areas"] == 1.0
    assert found["seizure.mild"] == 0.0
    assert found["seizure.half"] == pytest.approx((3 + 5) / 23, rel=0.1)
    assert found["seizure.fall"] < 0.05
    assert found["seizure.synchrony"] > 0.2
    doses[0.2] = _discharges(AREAS)
    worse = perturbed.dose_curve(doses, REST, NEURONS).values
    assert worse["seizure.mild"] == 1.0
    assert worse["seizure.fall"] > 0.5


def test_one_burst_is_no_discharge_and_a_high_rate_is():
    once = _discharges(AREAS, every=2000.0)
    assert not perturbed.discharging(once, REST, NEURONS).any()
    assert perturbed.discharging(_poisson(40.0, 1000.0), REST, NEURONS).all()
    assert not perturbed.discharging(_poisson(3.0, 1000.0, 9), REST, NEURONS).any()
    weak = _discharges(AREAS, each=1)  # as often, at twice the rate
    assert not perturbed.discharging(weak, REST, NEURONS).any()


def _front(order, lag=30.0, duration=3000.0):
    """Fronts every 700 ms that reach areas of the right side in an order, ``lag`` ms apart."""
    starts = np.arange(100.0, duration - 500.0, 700.0)
    at = [start + lag * k for start in starts for k in range(len(order))]
    times, ids = _volleys(at, [name for _ in starts for name in order], width=40.0, each=4)
    return _with(_poisson(np.where(NEURONS.excitatory, 3.0, 8.0), duration), times, ids)


def test_a_front_begins_in_the_focus_and_spreads_to_its_neighbours():
    order = [f"{name} right" for name in AREAS]
    found = perturbed.focus(_front(order), REST, NEURONS, "VISp", "right")
    assert found.values["focus.VISp.first"] == 1.0
    assert found.values["focus.VISp.nearer"] > 0.6
    assert found.values["focus.VISp.speed"] == pytest.approx(1000 / 30, rel=0.15)
    table = found.tables["focus.VISp"]
    assert table.loc["VISl right", "latency_ms"] == pytest.approx(30.0, abs=10.0)
    assert "focus.VISp.partner_ms" not in found.values


def test_a_discharge_at_once_counts_and_what_was_before_does_not():
    order = [f"{name} right" for name in AREAS]
    whole = _front(order, duration=1000.0)  # one front, at 100 ms
    at_once = perturbed.Spikes.between(whole.times, whole.ids, 100.0, 1000.0)
    lost = perturbed.focus(at_once, REST, NEURONS, "VISp", "right").values
    found = perturbed.focus(whole, REST, NEURONS, "VISp", "right", since=100.0).values
    assert "focus.VISp.speed" not in lost and found["focus.VISp.first"] == 1.0
    assert found["focus.VISp.ratio"] == pytest.approx(lost["focus.VISp.ratio"])
    later = perturbed.focus(whole, REST, NEURONS, "VISp", "right", since=150.0)
    assert "focus.VISp" not in later.tables


def test_a_front_from_elsewhere_is_no_focus():
    order = [f"{name} right" for name in AREAS[::-1]]
    found = perturbed.focus(_front(order), REST, NEURONS, "VISp", "right").values
    assert found["focus.VISp.first"] == 0.0


def test_a_partner_that_joins_is_told_with_its_latency():
    order = ["VISp right", "VISl right", "VISp left"]
    found = perturbed.focus(_front(order, 20.0), REST, NEURONS, "VISp", "right").values
    assert found["focus.VISp.partner_ms"] == pytest.approx(40.0, abs=10.0)


def test_where_all_discharge_all_the_time_none_began():
    found = perturbed.focus(_poisson(60.0, 2500.0), REST, NEURONS, "VISp", "right").values
    assert found["focus.VISp.first"] < 0.1
    assert found["focus.VISp.nearer"] == pytest.approx(0.5, abs=0.1)


def test_every_discharge_of_a_seizure_is_told_apart():
    """Discharges that follow each other for 3 s are a seizure, and still begin in one area."""
    order = [f"{name} right" for name in AREAS]
    found = perturbed.focus(_front(order, 10.0, 6000.0), REST, NEURONS, "VISp", "right")
    assert found.values["focus.VISp.first"] > 0.9
    assert found.notes["focus.VISp.first"] == "of 7 areas that join 8 discharges"


def test_a_discharge_that_stays_where_it_is_recruits_none():
    found = perturbed.focus(_front(["VISp right"]), REST, NEURONS, "VISp", "right").values
    assert found["focus.VISp.nearer"] == pytest.approx(0.5, abs=0.1)
    assert found["focus.VISp.reached"] < 0.1


def test_where_no_area_joins_none_joins_after_the_focus(monkeypatch):
    """Of no areas all were after it, and the criterion held of nothing."""
    alone = perturbed.triggered_responses

    def none_joins(*args, **kwargs):
        table = alone(*args, **kwargs)
        table.loc[table.index != "VISp right", "latency_ms"] = np.nan
        return table

    monkeypatch.setattr(perturbed, "triggered_responses", none_joins)
    found = perturbed.focus(_front(["VISp right"]), REST, NEURONS, "VISp", "right")
    assert found.values["focus.VISp.reached"] == 0.0
    assert found.values["focus.VISp.first"] == 0.0
    assert found.notes["focus.VISp.first"] == "no area joins 4 discharges"
    criteria = {each.quantity: each for gate in GATES for each in gate.criteria}
    assert criteria["focus.VISp.first"].verdict([found.values["focus.VISp.first"]]) == FAILS


def test_where_nothing_happens_there_is_no_focus():
    found = perturbed.focus(REST, REST, NEURONS, "VISp", "right").values
    assert found["focus.VISp.first"] == 0.0


def test_sooner_is_the_share_of_pairs():
    inf = np.inf
    assert perturbed.sooner(np.array([1.0, 2.0]), np.array([3.0, inf])) == 1.0
    assert perturbed.sooner(np.array([inf]), np.array([inf, 1.0])) == 0.25


# --- light, lesion, pulse ---------------------------------------------------------------------


def test_light_that_lowers_the_rate_of_the_lit_cells():
    regions = {"VISp": ("VISp",), "MOp": ("MOp",)}
    lit = NEURONS.where(cell_class="Pvalb")

    def light(pvalb, excitatory, seed):
        return _poisson(np.where(lit, pvalb, excitatory), 2000.0, seed)

    paradoxical = {0.1: light(6, 2, 1), 0.2: light(5, 1.5, 2), 0.3: light(9, 1, 3)}
    found = perturbed.light(paradoxical, REST, NEURONS, regions).values
    plain = {0.1: light(9, 2, 1), 0.2: light(10, 1.5, 2), 0.3: light(12, 1, 3)}
    other = perturbed.light(plain, REST, NEURONS, regions).values
    for region in regions:
        assert found[f"light.{region}.Pvalb"] < -2
        assert found[f"light.{region}.E"] < -2
        assert other[f"light.{region}.Pvalb"] > 0


def test_chance_is_within_its_standard_errors():
    ids = NEURONS.by_area["VISp left"]
    z = [
        perturbed.change(_poisson(3.0, 2000.0, k, ids), _poisson(3.0, 5000.0, 100 + k, ids), ids)
        for k in range(60)
    ]
    assert np.std(z) == pytest.approx(1.0, abs=0.25)


def test_a_lesion_changes_the_rate_of_its_targets():
    hz = np.where(NEURONS.area == "VISl", 2.0, 4.0)
    found = perturbed.lesion(_poisson(hz), _poisson(4.0, seed=1), NEURONS, ["VISl", "MOp"]).values
    assert found["lesion.VISl"] == pytest.approx(-0.5, abs=0.05)
    assert found["lesion.MOp"] == pytest.approx(0.0, abs=0.08)


def test_a_lesion_is_compared_with_the_run_of_its_length():
    rest, uncut, cut = (_poisson(hz, 2000.0, k) for k, hz in enumerate((8.0, 4.0, 3.0)))
    runs = [(Condition("uncut", 2000.0, 0.0), uncut), (Condition("lesion_VISp", 2000.0, 0.0), cut)]
    atlas = load_atlas()
    found = under(runs, rest, NEURONS, atlas, FULL).values
    assert found["lesion.VISl"] == pytest.approx(-0.25, abs=0.1)
    alone = under(runs[1:], uncut, NEURONS, atlas, FULL).values  # rest was as long
    assert alone["lesion.VISl"] == found["lesion.VISl"]


def test_the_error_of_a_lesion_is_that_of_slow_fluctuations_and_falls_with_the_root_of_the_time():
    """Rates of all cells go up and down together, by 40 % from one piece of 250 ms to the next."""
    sigma, piece, fall, seeds = 0.4, 250.0, 0.1, 60

    def fluctuating(hz, duration, seed):
        rng = np.random.default_rng(seed)
        share = np.maximum(1.0 + sigma * rng.standard_normal(int(duration / piece)), 0.0)
        n = rng.poisson(share * hz * len(NEURONS) * piece / 1000.0)
        times = (np.repeat(np.arange(len(n)), n) + rng.uniform(0, 1, n.sum())) * piece
        return Spikes(times, rng.integers(0, N, n.sum()), duration)

    errors = {}
    for duration in (5000.0, 20000.0):
        measured = []
        for k in range(seeds):
            cut = fluctuating(3.0 * (1.0 - fall), duration, k)
            uncut = fluctuating(3.0, duration, 1000 + k)
            measured.append(perturbed.lesion(cut, uncut, NEURONS, ["VISl"]))
        table = over_seeds(measured).tables["lesion"]
        error = np.sqrt(2.0 * sigma**2 * piece / duration / seeds) * (1.0 - fall)
        assert table.at["VISl", "change"] == pytest.approx(-fall, abs=4.0 * error)
        errors[duration] = table.at["VISl", "standard_error"] / error
    assert errors[5000.0] == pytest.approx(1.0, abs=0.3)
    assert errors[20000.0] == pytest.approx(1.0, abs=0.3)


ORDER = {"VISl": -0.1, "VISal": 0.0, "VISam": 0.3}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_volley_that_climbs_the_hierarchy_or_descends_it(sign):
    pulses = [100.0 + 400.0 * k for k in range(10)]
    areas = ["VISp", *list(ORDER)[::sign]]
    at = [p + 10.0 * (k + 1) for p in pulses for k in range(4)]
    times, ids = _volleys(at, [f"{a} right" for _ in pulses for a in areas], width=5.0, each=1)
    spikes = _with(_poisson(3.0, 4100.0), times, ids)
    found = perturbed.pulse(
        spikes, _poisson(3.0, seed=5), NEURONS, pulses, ORDER, source="VISp", side="right"
    ).values
    assert found["pulse.order"] == pytest.approx(sign)
    assert found["pulse.respond"] == 1.0
    assert found["pulse.return"] == pytest.approx(1.0, abs=0.1)


def test_too_few_responses_show_no_order():
    spikes = _poisson(3.0, 4100.0)
    found = perturbed.pulse(
        spikes, REST, NEURONS, [100.0, 500.0], ORDER, source="VISp", side="right"
    )
    assert found.values["pulse.order"] == 0.0
    assert "0 of 3" in found.notes["pulse.order"]
    assert perturbed.rank_correlation(pd.Series([1.0, 2.0]), pd.Series([1.0, 2.0])) == 0.0


def test_pulses_are_followed_to_areas_above_the_driven_one():
    assert list(higher_than("VISp")) == ["VISl", "VISrl", "VISal", "VISpm", "VISam"]
    assert list(higher_than("VISal")) == ["VISpm", "VISam"]
    for area in ("VISam", "MOs", "GU", "nowhere"):  # the top, above all, of no known place, none
        with pytest.raises(ConfigError, match=area):
            higher_than(area)
