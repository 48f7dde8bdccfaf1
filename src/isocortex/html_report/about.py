"""What was run, on which network and machine, and where the time went."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from isocortex.analysis import brain
from isocortex.circuit.changes import UNCOUNTED
from isocortex.cortex.atlas import load_atlas
from isocortex.cortex.counts import CLASSES
from isocortex.cortex.recipe import recipe_told
from isocortex.errors import InputError
from isocortex.html_report.page import (
    Cell,
    Markup,
    barred,
    cells_in_words,
    facts,
    figure,
    in_words,
    joined,
    number,
    paragraph,
    section,
    table,
    tag,
)
from isocortex.html_report.subject import Subject
from isocortex.text import exact

Section = tuple[str, str, Markup]
#: Somata that are drawn; of more, this many at random.
MOST_SOMATA = 100_000
UNRECORDED = "not recorded"
#: Keys of an input that its row names elsewhere or that say where its data lie.
INPUT_KEYS = ("input_type", "module", "node_set")


def lead(subject: Subject) -> Markup:
    """Title, when and by what it was computed, and the six figures to see first."""
    done = subject.result.run_summary
    cells = subject.cells
    spikes = len(subject.result.spikes)
    mean = cells["rate_hz"].mean() if len(cells) else None
    key = {
        "cells": f"{len(cells):,}",
        "simulated": in_words(1e-3 * subject.duration),
        "spikes": f"{spikes:,}",
        "mean rate": f"{number(mean)} Hz",
        "silent cells": f"{number(100 * (cells['spikes'] == 0).mean(), 2)} %",
    }
    if done is not None:
        key["wall-clock time"] = in_words(_total(subject))
    by = subject.result.provenance.get("simulator", "a simulator that left no provenance")
    when = f" on {done.started[:10]}" if done and done.started else ""
    return joined(
        [
            tag("h1", f"Simulation report: {subject.name}"),
            paragraph(f"Computed by {by}{when}.", class_="soft"),
            tag(
                "dl",
                joined(
                    tag("div", tag("dt", name) + tag("dd", value)) for name, value in key.items()
                ),
                class_="key",
            ),
        ],
        "\n",
    )


def _began(run: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    """Where a branch began, and where a run went on."""
    rows: list[tuple[str, Cell]] = []
    if "from" in run:
        rows.append(("branch from", f"{run['from']['time']:g} ms of {run['from']['state']}"))
    if run.get("continued"):
        rows.append(("continued at", ", ".join(f"{t:g}" for t in run["continued"]) + " ms"))
    return rows


def _total(subject: Subject) -> float:
    done = subject.result.run_summary
    if done is None:
        return 0.0
    return sum(done.stages.values())


# --- what was run -----------------------------------------------------------------------------


def what_was_run(subject: Subject) -> Section:
    """Configuration, numerics, versions, machine."""
    run, provenance = subject.run, subject.result.provenance
    done = subject.result.run_summary

    def said(key: str, unit: str = "") -> str:
        return f"{exact(run[key])} {unit}" if key in run else UNRECORDED

    versions = provenance.get("versions", {})
    conditions = subject.settings.get("conditions", {})
    files: list[tuple[str, Cell]] = [
        ("results", subject.sendable(str(subject.result.directory.resolve()))),
        ("configuration", run.get("config_file") or subject.named_config or UNRECORDED),
        ("fingerprint (SHA-256)", provenance.get("config_sha256", UNRECORDED)),
        ("versions", _pairs(versions) or UNRECORDED),
    ]
    rows: list[tuple[str, Cell]] = [
        ("simulator", provenance.get("simulator", UNRECORDED)),
        ("started", done.started.replace("T", " ") if done and done.started else UNRECORDED),
        ("seed", UNRECORDED if provenance.get("seed") is None else str(provenance["seed"])),
        ("duration asked for", said("tstop", "ms")),
        ("duration reached", f"{subject.end:g} ms"),
        *_began(run),
        ("time step", said("dt", "ms")),
        ("integrator", run.get("integrator", UNRECORDED)),
        ("precision", run.get("precision", UNRECORDED)),
        ("engine", run.get("engine", UNRECORDED)),
    ]
    named = {"celsius": ("temperature", "°C"), "v_init": ("initial voltage", "mV")}
    rows += [
        (what, f"{exact(conditions[k])} {unit}")
        for k, (what, unit) in named.items()
        if isinstance(conditions.get(k), int | float)
    ]
    rows += _machine(provenance.get("machine", {}))
    parts: list[Cell] = [facts(_recorded(files)), facts(_recorded(rows), columns=2)]
    lost = [name for name, value in [*files, *rows] if value == UNRECORDED]
    if lost:
        parts.append(paragraph(f"The results do not record: {', '.join(lost)}.", class_="soft"))
    inputs = subject.settings.get("inputs", {})
    if isinstance(inputs, dict) and inputs:
        parts.append(table("Inputs, as configured.", ["input", "kind", "onto", "with"], [
            [name, *_input(value)] for name, value in inputs.items()
        ], words=4))  # fmt: skip
    overrides = run.get("connection_overrides")
    if overrides:
        parts.append(table("Connections with other weights, the last that fits a synapse.", [
            "override", "from", "onto", "weights times",
        ], [_override(each) for each in overrides], words=3))  # fmt: skip
    changes = run.get("changes")
    if changes:
        header = ["change", "from (ms)", "to (ms)", "what", "touched"]
        parts.append(table("Changes to the circuit.", header, map(_change, changes), words=5))
    reports = list(_reports(subject))
    if reports:
        header = ["report", "population", "variable", "cells", "elements", "samples", "every (ms)"]
        parts.append(table("Recorded beside spikes.", header, reports, words=3))
    return section("run", "What was run", *parts)


def _recorded(rows: list[tuple[str, Cell]]) -> list[tuple[str, Cell]]:
    return [(name, value) for name, value in rows if value != UNRECORDED]


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _machine(machine: dict[str, Any]) -> list[tuple[str, Cell]]:
    memory, threads = machine.get("memory_gb"), machine.get("threads")
    return [
        ("processor", machine.get("cpu", UNRECORDED)),
        ("threads", f"{threads} of {machine['cores']} cores" if threads else UNRECORDED),
        ("memory of the machine", f"{memory:g} GB" if memory else UNRECORDED),
        ("system", machine.get("system", UNRECORDED)),
    ]


def _input(value: Any) -> tuple[str, str, str]:
    """Kind, target and the rest of one input."""
    if not isinstance(value, dict):
        return "", "", str(value)
    kind = ", ".join(str(value[key]) for key in INPUT_KEYS[:2] if key in value)
    rest = {key: v for key, v in value.items() if key not in INPUT_KEYS}
    return kind, str(value.get("node_set", "")), _pairs(rest)


def _change(told: dict[str, Any]) -> list[Cell]:
    shown = {k: v for k, v in told.items()
             if k not in ("type", "name", "start", "stop", "touched")}  # fmt: skip
    touched = {k: v for k, v in told.get("touched", {}).items() if k != "channels"}
    channels = told.get("touched", {}).get("channels") or {}
    counts = [f"{n:,} {what}" for what, n in touched.items()]
    counts += [f"{n:,} compartments with {name}" for name, n in channels.items()]
    until = exact(told["stop"]) if told.get("stop") is not None else "end"
    name = told.get("name") or told.get("type", "")
    about = ", ".join(counts) or UNCOUNTED
    return [name, exact(told.get("start", 0.0)), until, json.dumps(shown), about]


def _override(told: dict[str, Any]) -> list[Cell]:
    """Name, ends and factor of an override, as the provenance tells them."""
    ends = [
        ", ".join(f"{at['nodes']:,} of {name}" for name, at in told[end].items())
        for end in ("source", "target")
    ]
    return [str(told["name"]), *ends, exact(told["weight"])]


def _reports(subject: Subject) -> Iterator[list[Cell]]:
    for name in subject.result.reports:
        for population in dict.fromkeys(subject.cells["population"]):
            try:
                data = subject.result.report(name, population)
            except InputError:  # none of this population
                continue
            times = data["time"].values
            step = f"{times[1] - times[0]:g}" if len(times) > 1 else "–"
            unit = f" ({data.attrs['units']})" if data.attrs.get("units") else ""
            yield [
                name, population, f"{data.attrs.get('variable', '?')}{unit}",
                f"{len(set(data['node_id'].values.tolist())):,}", f"{data.sizes['element']:,}",
                f"{data.sizes['time']:,}", step,
            ]  # fmt: skip


# --- network ----------------------------------------------------------------------------------


def network(subject: Subject) -> Section:
    """Counts of cells, compartments and synapses; populations; the cortex by layer and class."""
    done = subject.result.run_summary
    parts: list[Cell] = []
    if done is not None:
        counts = {
            "biophysical cells": done.n_cells, "point neurons": done.n_points,
            "virtual nodes (inputs)": done.n_virtual, "compartments": done.n_compartments,
            "synapses": done.n_synapses, "synaptic events": done.n_events,
        }  # fmt: skip
        parts.append(facts(((name, f"{n:,}") for name, n in counts.items()), columns=2))
    else:
        parts.append(paragraph(f"Compartments and synapses: {UNRECORDED}.", class_="soft"))
    if subject.recipe:
        parts.append(tag("h3", "Recipe of the cortex"))
        parts.append(facts(recipe_told(subject.recipe).items(), columns=2))
    rows = [
        [name, _values(nodes.table, "model_type"), nodes.file.name,
         f"{len(nodes.node_ids):,}", _distinct(nodes.table, "model_template")]
        for name, nodes in subject.nodes.items()
    ]  # fmt: skip
    if rows:
        header = ["population", "model types", "file", "nodes", "templates"]
        parts.append(table("Populations of nodes.", header, rows, words=3))
    else:
        rows = [[n, f"{len(ids):,}"] for n, ids in subject.result.nodes.items()]
        parts.append(table("Populations, of the cells that the output knows.",
                           ["population", "cells"], rows))  # fmt: skip
    if subject.is_cortex:
        parts.append(_layers_by_class(subject.cells))
        parts += [_views(nodes.table) for nodes in subject.nodes.values() if _placed(nodes.table)]
    return section("network", "Network", *parts)


def _values(nodes: pd.DataFrame, column: str) -> str:
    if column not in nodes:
        return "–"
    counts = nodes[column].astype(object).value_counts()
    return ", ".join(f"{name}" for name in counts.index) or "–"


def _distinct(nodes: pd.DataFrame, column: str) -> str:
    n = nodes[column].astype(object).nunique() if column in nodes else 0
    return f"{n}" if n else "–"


def _layers_by_class(cells: pd.DataFrame) -> Markup:
    counts = pd.crosstab(cells["layer"].astype(str), cells["class"], margins=True)
    order = [name for name in CLASSES if name in counts]
    rows = [
        ["all" if layer == "All" else layer,
         *(f"{row[name]:,}" if row[name] else "–" for name in order), f"{row['All']:,}"]
        for layer, row in counts.iterrows()
    ]  # fmt: skip
    caption = "Cells by layer and class, all areas and both hemispheres."
    return table(caption, ["layer", *order, "all"], rows)


def _placed(nodes: pd.DataFrame) -> bool:
    return set(brain.COLUMNS) <= set(nodes)


def _views(nodes: pd.DataFrame) -> Markup:
    shown = nodes if len(nodes) <= MOST_SOMATA else nodes.sample(MOST_SOMATA, random_state=0)
    what = cells_in_words(len(shown))
    if len(shown) < len(nodes):
        what += f", drawn at random of {len(nodes):,},"
    return figure(
        brain.views(shown, load_atlas()),
        f"Somata of {what} from above, from the left and from the front, over the outline of the "
        "isocortex",
        f"Somata of {what} from three sides, in the atlas’s colours of their areas, over the "
        "outline of the isocortex. Bars: 1 mm.",
    )


# --- time -------------------------------------------------------------------------------------


def time_spent(subject: Subject) -> Section:
    """Stages of the run by wall-clock, the slowest first."""
    done = subject.result.run_summary
    if done is None:
        return section("time", "Where the time went", paragraph(f"Time: {UNRECORDED}."))
    total = _total(subject)
    stages = sorted(done.stages.items(), key=lambda stage: -stage[1])
    longest = max((seconds for _, seconds in stages), default=1.0) or 1.0
    rows = [
        [name, in_words(seconds), barred(seconds, f"{100 * seconds / total:.1f}", longest)]
        for name, seconds in stages
    ]
    spent = facts(
        [
            ("wall-clock, in all", in_words(total)),
            ("per simulated second", in_words(done.seconds_per_second)),
            ("per compartment and step", f"{done.ns_per_compartment_step:.2f} ns, with synapses "
                                         "and output"),
            ("peak memory", f"{done.peak_memory_mb:,.0f} MB"),
        ],
        columns=2,
    )  # fmt: skip
    caption = "Stages of the run, measured, the slowest first. Kernels are compiled once and "
    caption += "loaded from the cache afterwards."
    header = ["stage", "time", "share (%)"]
    return section("time", "Where the time went", spent, table(caption, header, rows))


# --- the configuration ------------------------------------------------------------------------


def configuration(subject: Subject) -> Section:
    """The file as it was run, what to cite, and who made the page."""
    text = subject.config_text
    kept = "config_text" in subject.result.provenance
    parts: list[Cell] = []
    if text is not None:
        parts.append(
            paragraph("As it was run." if kept else "As it is now; the results do not hold it.")
        )
        parts.append(tag("pre", tag("code", text.strip())))
    else:
        parts.append(paragraph("Not at hand."))
    citations = subject.result.provenance.get("citations", [])
    if citations:
        parts.append(tag("h3", "To cite"))
        parts.append(tag("ul", joined(tag("li", citation) for citation in citations)))
    return section("configuration", "Configuration", *parts)
