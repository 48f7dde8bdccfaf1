"""Build src/isocortex/cortex/data/wiring_*.csv from the files published with the Allen V1 model.

    python tools/make_wiring.py SHARED_DATA_FOLDER

SHARED_DATA_FOLDER has v1_model/billeh2020. Weights of models that the V1 model does not have are
scaled (`Effect`); this needs the embedded cell library, so make that first.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from psp import Connection, measure

from isocortex.cells.library import library_cells
from isocortex.mechanisms.synapses import Kinetics, exp2syn

#: Sections, range of distances (um) and kinetics of a synapse.
Place = tuple[tuple[str, ...], tuple[float, float], Kinetics]

OUTPUT = Path(__file__).parents[1] / "src/isocortex/cortex/data"

#: Degrees of visual field per um of cortex along x and z, in the published weight function.
DEGREES_PER_UM = (0.07, 0.04)

#: layer, class -> V1 population. Inferred where V1 has no such class: see docs/cortex_wiring.md.
CLASSES = {
    ("1", "Pvalb"): "i23Pvalb", ("1", "Sst"): "i23Sst", ("1", "Vip"): "i1Htr3a",
    ("1", "Inh"): "i1Htr3a",
    ("2/3", "IT"): "e23Cux2", ("4", "IT"): "e4other", ("5", "IT"): "e5noRbp4",
    ("5", "ET"): "e5Rbp4", ("5", "NP"): "e5noRbp4", ("6a", "IT"): "e6Ntsr1",
    ("6a", "CT"): "e6Ntsr1", ("6b", "6b"): "e6Ntsr1",
} | {
    (layer, name): f"i{v1_layer}{v1_name}"
    for layer, v1_layer in (("2/3", "23"), ("4", "4"), ("5", "5"), ("6a", "6"), ("6b", "6"))
    for name, v1_name in (("Pvalb", "Pvalb"), ("Sst", "Sst"), ("Vip", "Htr3a"), ("Inh", "Htr3a"))
}  # fmt: skip

#: Embedded models of each class; Htr3a stands for Vip and Inh, and 6a also for what 6b lacks.
L6_CT = "471819401 466632464 471786879 471410185"
L6_IT = "488680211 475744706"
L5_NP = "480353286 473601979 314831019 469793303"
I5_HTR3A = "482644550 478110866 481001895 481136138"
MODELS = {
    ("1", "Pvalb"): "484635029 488501071",
    ("1", "Sst"): "485466109",
    ("1", "Htr3a"): "475585413 478107198",
    ("2/3", "IT"): "487661754 485912047 478499902 382982932 476087653",
    ("2/3", "Pvalb"): "484635029 488501071",
    ("2/3", "Sst"): "473540161 475068599 324493977 476686112",
    ("2/3", "Htr3a"): "475622793 479220013 475622680 327962063 474267418",
    ("4", "IT"): "395830185 314900022 485836906 386049446 483061182 469798159 314642645 476455864 "
    "318808427 477135941",
    ("4", "Pvalb"): "487667205 318331342",
    ("4", "Sst"): "473016550 485058595",
    ("4", "Htr3a"): "474626527",
    ("5", "IT"): f"480351780 354190013 {L5_NP}",
    ("5", "ET"): "471129934 485574832 485880739 471767045 487664663 486052980",
    ("5", "NP"): L5_NP,
    ("5", "Pvalb"): "486783119 471085676 321023397 471077857 478793814",
    ("5", "Sst"): "482690728 464198958 478396248 323475862",
    ("5", "Htr3a"): I5_HTR3A,
    ("6a", "IT"): L6_IT,
    ("6a", "CT"): L6_CT,
    ("6b", "6b"): f"{L6_CT} {L6_IT}",
    ("6a", "Pvalb"): "471087830 478828646 466245544 475888653",
    ("6a", "Sst"): "476104386 473564515 323452196",
    ("6a", "Htr3a"): "481001895 481136138",
}


def main(source: Path) -> None:
    """Write the six tables."""
    folder = source / "v1_model/billeh2020"
    counts = read_counts(folder / "v1_node_models.json")
    edges = read_edges(folder / "v1_v1_edge_models.csv")
    connections = connection_table(folder / "v1_conn_props.json", edges)
    models = model_table(counts)
    pairs = sorted(
        {
            (group(CLASSES[layer, name]), model)
            for layer, name, model in models[["layer", "class", "model"]].itertuples(index=False)
        }
    )
    kinetics = kinetics_table(folder / "synaptic_models")
    effect = Effect()

    tables = {
        "classes": pd.DataFrame(
            [
                (layer, name, population, group(population))
                for (layer, name), population in CLASSES.items()
            ],
            columns=["layer", "class", "population", "group"],
        ),
        "models": models,
        "connections": connections,
        "weights": weight_table(pairs, edges, kinetics, effect),
        "kinetics": with_ours(kinetics),
    }
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        file = OUTPUT / f"wiring_{name}.csv"
        table.to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
        print(f"{file.name}: {len(table)} rows, {file.stat().st_size / 1e3:.1f} kB")


def group(population: str) -> str:
    """Name that v1_conn_props.json uses: e23Cux2 -> e2, i5Htr3a -> i5H."""
    sign, layer, line = re.fullmatch(r"([ei])(\d+)(.*)", population).groups()  # type: ignore[union-attr]
    return f"{sign}{layer[0]}" + (line[0] if sign == "i" else "")


def read_counts(file: Path) -> pd.DataFrame:
    """Biophysical cells of V1 by population and model."""
    # The models of i6Htr3a are those of i5Htr3a under an id of their own.
    alias = {581001895: "481001895", 581136138: "481136138"}
    rows = [
        (population, alias.get(m["node_type_id"], str(m["node_type_id"])), m["N"])
        for place in json.loads(file.read_text())["locations"].values()
        for population, entry in place.items()
        for m in entry["models"]
        if m["model_type"] == "biophysical"
    ]
    return pd.DataFrame(rows, columns=["population", "model", "count"])


def read_edges(file: Path) -> pd.DataFrame:
    """One row per source group and target (population, model), biophysical at both ends.

    180 rows contradict themselves (an excitatory source with a GABA synapse or the reverse, by
    the label e4Rorb or i5Htr3a) and 101 repeat another row under the label of its neighbour; of
    two rows of i6Htr3a on one model the repeated one has the weight of i5Htr3a.
    """
    edges = pd.read_csv(file, sep=" ").rename(
        columns={"source_label": "source", "target_label": "population", "weight_max": "weight"}
    )
    edges = edges[~edges["source"].str.startswith("LIF")]
    edges = edges[~edges["population"].str.startswith("LIF")]
    inhibitory = edges["params_file"].str.startswith("GABA")
    edges = edges[inhibitory == edges["source"].str.startswith("i")]
    edges = edges.assign(
        model=edges["target_model_id"].replace({581001895: 481001895, 581136138: 481136138}),
    ).astype({"model": str})
    key = ["population", "model", "source"]
    neighbour = edges[edges["source"] == "i5Htr3a"].set_index(["population", "model"])["weight"]
    at_neighbour = neighbour.groupby(level=[0, 1]).first()
    same = [
        source == "i6Htr3a" and at_neighbour.get((population, model)) == weight
        for population, model, source, weight in edges[[*key, "weight"]].itertuples(index=False)
    ]
    edges = edges.assign(copied=same).sort_values("copied", kind="stable").drop_duplicates(key)
    edges = edges.assign(
        source=edges["source"].map(group), target=edges["population"].map(group)
    ).drop(columns="copied")
    spread = edges.groupby(["source", "population", "model"])["weight"].nunique()
    assert (spread == 1).all(), "weights differ within a source group"
    return edges.drop_duplicates(["source", "population", "model"])


def connection_table(file: Path, edges: pd.DataFrame) -> pd.DataFrame:
    """One row per pair of groups; the pairs that never connect have probability 0."""
    places = ["delay", "target_sections", "distance_range", "params_file", "weight_sigma"]
    assert (edges.groupby(["source", "target"])[places].nunique() == 1).all(axis=None)
    rules = edges.drop_duplicates(["source", "target"]).set_index(["source", "target"])
    rows = []
    for pair, entry in json.loads(file.read_text()).items():
        source, target = pair.split("-")
        row = {
            "source": source, "target": target, "probability": entry["A_literature"],
            "radius_um": entry["R0"], "sigma_um": entry["sigma"],
        }  # fmt: skip
        if entry["A_literature"] > 0.0:
            rule = rules.loc[source, target]
            low, high = json.loads(rule["distance_range"])
            # The build code draws with numpy.random.randint, which never gives its upper limit.
            fewest, most = entry["nsyn_range"][0], entry["nsyn_range"][1] - 1
            sections = " ".join(json.loads(rule["target_sections"]))
            row |= {
                "synapses_low": fewest, "synapses_high": most,
                "delay_ms": rule["delay"], "sections": sections,
                "distance_low_um": low, "distance_high_um": finite(high),
                "kinetics": Path(rule["params_file"]).stem,
                "direction_factor": direction_factor(rule["weight_sigma"], entry["B_ratio"]),
                "position_factor": position_factor(entry["sigma"])
                if rule["weight_func"] == "DirectionRule_EE" else 1.0,
            }  # fmt: skip
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.astype({"synapses_low": "Int64", "synapses_high": "Int64"})


def direction_factor(sigma: float, ratio: float | None) -> float:
    """Mean of exp(-(d / sigma)^2) over the connections, d the difference of preferred directions.

    Directions are uniform, so d is uniform from 0 to 180 degrees. Between excitatory cells the
    probability falls linearly with the difference of orientations (0 to 90 degrees) to ``ratio``
    of its value at 0.
    """
    d = (np.arange(18000) + 0.5) / 100.0  # degrees
    orientation = np.minimum(d, 180.0 - d)
    p = 1.0 if ratio is None else 1.0 - (1.0 - ratio) * orientation / 90.0
    return float(np.average(np.exp(-((d / sigma) ** 2)), weights=np.broadcast_to(p, d.shape)))


def position_factor(sigma: float) -> float:
    """Mean over the connections of the retinotopic part of the published rule DirectionRule_EE.

    The offset of the two cells along the target's preferred direction, in degrees of visual field,
    is normal where cells are uniform over the plane; the preferred direction is uniform.
    """
    direction = (np.arange(360) + 0.5) / 360.0 * np.pi / 2.0
    kx, kz = DEGREES_PER_UM
    variance = sigma**2 / 2.0 * ((kx * np.cos(direction)) ** 2 + (kz * np.sin(direction)) ** 2)
    anisotropy = 5.5 / 4.0 - 11.0 / 1680.0 * np.degrees(direction)
    return float(np.mean(anisotropy / np.sqrt(1.0 + variance)))


def model_table(counts: pd.DataFrame) -> pd.DataFrame:
    """Embedded models of each class; how many cells V1 has, in which population (blank: none)."""
    rows = []
    for (layer, name), population in CLASSES.items():
        same_group = counts[counts["population"].map(group) == group(population)]
        in_v1 = same_group.set_index("model")
        row = {"Vip": "Htr3a", "Inh": "Htr3a"}.get(name, name)
        for model in (MODELS.get((layer, row)) or MODELS["6a", row]).split():
            entry = in_v1.loc[model] if model in in_v1.index else (None, None)
            rows.append((layer, name, model, *entry))
    table = pd.DataFrame(rows, columns=["layer", "class", "model", "v1_population", "v1_count"])
    return table.astype({"v1_count": "Int64"})


class Effect:
    """How much a synapse does to a model, per weight and driving force, by where it sits.

    Within a class the V1 weights give all models the same potential at the soma (docs), so a
    model that V1 does not have gets the weight that does as much, measured with five synapses
    of 0.05 nS at rest.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[str, Place], float] = {}

    def __call__(self, model: str, place: Place) -> float:
        if (model, place) not in self.known:
            weight = 5e-5  # uS
            response = measure(model, [Connection(*place, weight)], repeats=24)
            drive = place[2].reversal - response.baseline  # mV
            self.known[model, place] = float(response.amplitude[0]) / (weight * drive)
        return self.known[model, place]


def weight_table(
    pairs: list[tuple[str, str]], edges: pd.DataFrame, kinetics: pd.DataFrame, effect: Effect
) -> pd.DataFrame:
    """weight_max (nS) of every model in use, by source group."""
    rows = []
    for target, model in pairs:
        here = edges[edges["target"] == target]
        row = {
            "group": target, "model": model,
            "origin": "V1" if model in set(here["model"]) else "scaled",
        }  # fmt: skip
        for source, known in here.groupby("source", sort=False):
            row[source] = weight_like_peers(known, "weight", model, kinetics, effect)
        rows.append(row)
    table = pd.DataFrame(rows)
    return table[["group", "model", "origin", *sorted(edges["source"].unique())]]


def weight_like_peers(
    known: pd.DataFrame, column: str, model: str, kinetics: pd.DataFrame, effect: Effect
) -> float:
    """Weight (nS) of ``model``: its own if it has one, else by comparison with embedded models."""
    own = known[known["model"] == model]
    if not own.empty:
        return float(own[column].iloc[0]) * 1e3
    embedded = known[known["model"].isin(library_cells().index)]
    does = [
        1e3 * row[column] * effect(row["model"], place_of(row, kinetics))
        for _, row in embedded.iterrows()
    ]
    mean = float(np.exp(np.mean(np.log(does))))
    return mean / effect(model, place_of(embedded.iloc[0], kinetics))


def place_of(row: pd.Series, kinetics: pd.DataFrame) -> Place:
    """Sections, distances (um) and kinetics of an edge type."""
    low, high = json.loads(row["distance_range"])
    file = row["params_file"] if "params_file" in row else row["dynamics_params"]
    synapse = exp2syn(*kinetics.set_index("name").loc[Path(file).stem])
    return tuple(json.loads(row["target_sections"])), (low, finite(high)), synapse


def finite(distance: float) -> float:
    """The files write 1e20 um for no limit."""
    return distance if distance < 1e19 else np.inf


#: mV; V1 has -70. The cells' voltages were corrected by -14 mV for the junction potential of their
#: pipettes (``junction_potential`` of every fit), those that -70 mV is from were not.
GABA_REVERSAL = -80.0
#: Excitation onto excitatory cells as one synapse that carries AMPA and NMDA; V1 has AMPA alone.
SLOW = ("AMPA_NMDA_ExcToExc", 1.0, 12.0, 0.0)


def kinetics_table(folder: Path) -> pd.DataFrame:
    """The two-exponential synapses as published."""
    rows = []
    for file in sorted(folder.glob("*.json")):
        entry = json.loads(file.read_text())
        if entry["level_of_detail"] == "exp2syn":
            rows.append((file.stem, entry["tau1"], entry["tau2"], entry["erev"]))
    return pd.DataFrame(rows, columns=["name", "tau1_ms", "tau2_ms", "erev_mV"])


def with_ours(kinetics: pd.DataFrame) -> pd.DataFrame:
    """With the reversal of GABA, and the slow synapse that tools/make_strengths.py gives out."""
    reversal = kinetics["erev_mV"].where(kinetics["erev_mV"] > -40.0, GABA_REVERSAL)
    return pd.concat(
        [kinetics.assign(erev_mV=reversal), pd.DataFrame([SLOW], columns=kinetics.columns)]
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
