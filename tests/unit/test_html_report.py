"""The report of a run: what the page holds is what the files hold, and it holds everything."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote
from xml.etree import ElementTree

import h5py
import numpy as np
import pandas as pd
import pytest
from command_line import isocortex, one_line
from library_circuit import clamp, report, write_library_circuit
from viewer_run import FINISHED

import isocortex as ic
from isocortex.cortex.drive import TOLERANCE, target_of
from isocortex.html_report import report_page, write_report
from isocortex.html_report.findings import findings as findings_of
from isocortex.html_report.page import in_words, number
from isocortex.html_report.subject import subject_of
from isocortex.report import SpikeWriter
from isocortex.sonata.write import write_nodes, write_types

VOID = {"meta", "img", "rect", "br"}


class Page(HTMLParser):
    """Text by section, tables as lists of rows, and every tag with its attributes."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.tables, self.section = [], [], {}, None
        self.sections = {}
        self.feed(text)
        self.close()
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, name, attributes):
        attributes = dict(attributes)
        self.tags.append((name, attributes))
        if name not in VOID:
            self.open.append(name)
        if name == "section":
            self.section = attributes["id"]
            self.sections[self.section] = ""
        if name == "table":
            self.tables.setdefault(self.section, []).append([])
        if name == "tr":
            self.tables[self.section][-1].append([])
        if name in ("td", "th"):
            self.tables[self.section][-1][-1].append("")

    def handle_endtag(self, name):
        if name not in VOID:
            assert self.open.pop() == name

    def handle_data(self, text):
        if self.section is not None and "section" in self.open:
            self.sections[self.section] += text
        if "td" in self.open or "th" in self.open:
            self.tables[self.section][-1][-1][-1] += text

    def attributes(self, name):
        return [values for tag, values in self.tags if tag == name]


SECTIONS = ["findings", "run", "network", "rates", "spikes", "rhythms", "time", "configuration"]


@pytest.fixture
def driven(tmp_path):
    """Three cells, two of which spike, 50 ms."""
    return write_library_circuit(
        tmp_path / "c", cells=3, inputs={"clamp": clamp(0.5, (0, 1))}, reports={"v": report("v")},
        run={"tstop": 50.0},
    )  # fmt: skip


def write_spikes(folder, table, population="cortex"):
    folder.mkdir(parents=True, exist_ok=True)
    with SpikeWriter(folder / "spikes.h5", [population], "by_time") as spikes:
        spikes.append(population, table["node_ids"].to_numpy(), table["timestamps"].to_numpy())


@pytest.fixture
def cortex(tmp_path):
    """Results like those of a cortex, of 400 cells: by class, Poisson at given rates, 4 s."""
    classes = [("L2/3", "IT", "e", 1.5), ("L2/3", "Pvalb", "i", 1.0), ("L5", "ET", "e", 60.0),
               ("L5", "Sst", "i", 0.0)]  # fmt: skip
    types = pd.DataFrame(
        [
            {"node_type_id": k, "pop_name": f"p{k}", "layer": layer, "cell_class": name, "ei": ei,
             "model_type": "biophysical"}
            for k, (layer, name, ei, _) in enumerate(classes)
        ]
    )  # fmt: skip
    kinds = np.repeat(np.arange(4), 100)
    areas = np.array([b"VISp", b"MOp"])[np.arange(400) % 2]
    write_types(tmp_path / "types.csv", types)
    place = np.random.default_rng(1).uniform(3000.0, 6000.0, 400)  # um
    where = dict.fromkeys(("x", "y", "z", "depth", "normal_x", "normal_y", "normal_z"), place)
    attributes = {"area": areas, "hemisphere": np.full(400, b"left"), **where}
    write_nodes(tmp_path / "nodes.h5", "cortex", kinds, attributes)
    nodes = [{"nodes_file": "nodes.h5", "node_types_file": "types.csv"}]
    config = tmp_path / "simulation.json"
    config.write_text(json.dumps({"networks": {"nodes": nodes}, "output": {"output_dir": "out"}}))
    rng = np.random.default_rng(0)
    rates = np.array([rate for *_, rate in classes])[kinds]
    counts = rng.poisson(4.0 * rates)
    table = pd.DataFrame({"node_ids": np.repeat(np.arange(400), counts)})
    table["timestamps"] = rng.uniform(1.0, 4000.0, len(table)).round(3)
    write_spikes(tmp_path / "out", table.sort_values("timestamps"))
    run = {"tstop": 4000.0, "dt": 0.025, "integrator": "backward-euler", "precision": "double",
           "populations": {"cortex": [[0, 400]]}, "config_file": str(config)}  # fmt: skip
    facts = {"simulator": "Isocortex 0.0", "run": run, "summary": FINISHED}
    (tmp_path / "out" / "provenance.json").write_text(json.dumps(facts))
    return ic.Result(config), counts, kinds, classes


def findings(page):
    """(level, what) of each."""
    return re.findall(r"(Problem|Check|Note): ?([^\n]*)", page.sections["findings"])


# --- the page ---------------------------------------------------------------------------------


def test_the_page_is_whole_and_loads_nothing(driven):
    text = report_page(ic.run(driven))
    page = Page(text)
    assert list(page.sections) == SECTIONS
    targets = [link["href"] for link in page.attributes("a")]
    assert targets[: len(SECTIONS)] == [f"#{name}" for name in SECTIONS]
    assert all(t.startswith(("#", "https://doi.org/")) for t in targets)
    assert not {"script", "link", "iframe", "object"} & {name for name, _ in page.tags}
    loaded = [v for _, a in page.tags for k, v in a.items() if k in ("src", "srcset", "data")]
    assert loaded
    assert all(source.startswith("data:image/svg+xml,") for source in loaded)
    style = text[text.index("<style>") : text.index("</style>")]
    assert not re.search(r"@import|url\(", style)
    assert "@media print" in text and "prefers-color-scheme: dark" in text


def test_every_figure_says_in_words_what_it_shows(driven):
    page = Page(report_page(ic.run(driven)))
    alternatives = [image["alt"] for image in page.attributes("img")]
    assert len(alternatives) == 3  # rates, raster, voltages: 50 ms are too short for spectra
    assert all(len(text) > 30 for text in alternatives)
    names = [name for name, _ in page.tags]
    assert names.count("figcaption") == names.count("figure") == len(alternatives)
    for image in page.attributes("img"):
        drawing = ElementTree.fromstring(unquote(image["src"].split(",", 1)[1]))
        assert drawing.tag.endswith("svg") and len(list(drawing.iter())) > 100
        inner = [v for e in drawing.iter() for k, v in e.items() if k.endswith("href")]
        assert all(link.startswith(("#", "data:")) for link in inner)
    assert "too short for spectra" in page.sections["rhythms"]


def test_heads_of_rows_and_columns_are_marked(driven):
    page = Page(report_page(ic.run(driven)))
    heads = page.attributes("th")
    assert heads
    assert {head.get("scope") for head in heads} == {"row", "col"}
    for tables in page.tables.values():
        for rows in tables:
            assert len({len(row) for row in rows}) == 1, "every row has every column"


def test_names_cannot_smuggle_markup_in(tmp_path):
    evil = "<script>alert(1)</script>&\"'"
    table = pd.DataFrame({"node_ids": [0, 1], "timestamps": [1.5, 9.0]})
    write_spikes(tmp_path / "<b>out</b>", table, evil.replace("/", "|"))
    with h5py.File(tmp_path / "<b>out</b>" / "spikes.h5") as file:
        assert next(iter(file["spikes"])).startswith("<script>")
    facts = {"simulator": evil, "run": {"tstop": 10.0, "config_file": evil}, "citations": [evil],
             "versions": {evil: evil}, "config_text": evil}  # fmt: skip
    (tmp_path / "<b>out</b>" / "provenance.json").write_text(json.dumps(facts))
    text = report_page(ic.Result(tmp_path / "<b>out</b>"))
    page = Page(text)
    assert not {"script", "b>out<"} & {name for name, _ in page.tags}
    assert "<script" not in text
    assert evil in page.sections["configuration"]


# --- what was run -----------------------------------------------------------------------------


def test_it_says_what_was_run_and_on_what(driven):
    result = ic.run(driven, precision="single", threads=1)
    page = Page(report_page(result))
    run, done = page.sections["run"], result.run_summary
    named = "/".join(driven.parts[-2:])
    for said in ("single", "0.1 ms", "50 ms", "backward-euler", named, "IClamp",
                 result.provenance["machine"]["cpu"], result.provenance["config_sha256"],
                 np.__version__):  # fmt: skip
        assert said in run
    assert f"synapses{done.n_synapses:,}" in page.sections["network"]
    assert f"compartments{done.n_compartments:,}" in page.sections["network"]
    stages = {row[0]: row for row in page.tables["time"][0][1:]}
    assert set(stages) == set(done.stages)
    total = sum(done.stages.values())
    for name, seconds in done.stages.items():
        assert stages[name][1] == in_words(seconds)
        assert float(stages[name][2]) == pytest.approx(100 * seconds / total, abs=0.06)
    assert driven.read_text().strip() in page.sections["configuration"]


def test_a_stopped_run_says_so(driven):
    def stop(t, tstop, spikes):
        raise KeyboardInterrupt

    content = json.loads(driven.read_text())
    content["run"]["tstop"] = 5000.0
    driven.write_text(json.dumps(content))
    with pytest.raises(KeyboardInterrupt):
        ic.run(driven, progress=stop)
    result = ic.Result(driven)
    level, what = findings(Page(report_page(result)))[0]
    assert level == "Problem"
    assert f"stopped at {result.duration:g} of 5000 ms" in what
    finished = Page(report_page(ic.run(driven, tstop=50.0)))
    assert "stopped at" not in finished.sections["findings"]


def test_a_killed_run_is_told_from_a_finished_one(driven):
    result = ic.run(driven)
    assert "do not say how the run ended" not in report_page(result)
    file = result.directory / "provenance.json"
    facts = json.loads(file.read_text())
    del facts["summary"]
    file.write_text(json.dumps(facts))
    page = Page(report_page(ic.Result(driven)))
    assert "do not say how the run ended" in page.sections["findings"]
    assert "not recorded" in page.sections["time"]


def test_a_configuration_that_changed_since_is_shown_as_it_was_run(driven):
    result, before = ic.run(driven), driven.read_text()
    assert "no longer what was run" not in report_page(result)
    driven.write_text(before.replace("50.0", "60.0"))
    page = Page(report_page(result))
    assert "no longer what was run" in page.sections["findings"]
    assert before.strip() in page.sections["configuration"]


def test_reports_that_were_left_out_are_named(driven):
    content = json.loads(driven.read_text())
    content["reports"]["lfp"] = {"module": "weight_recorder"}
    driven.write_text(json.dumps(content))
    page = Page(report_page(ic.run(driven, skip_unsupported_reports=True)))
    assert "left out: lfp (weight_recorder)" in page.sections["findings"]


@pytest.mark.parametrize(
    ("options", "noted", "silent"),
    [({}, ["not converged"], "Single precision"),
     ({"dt": 0.025, "precision": "single"}, ["Single precision"], "not converged"),
     ({"integrator": "crank-nicolson"}, [], "not converged")],
)  # fmt: skip
def test_choices_of_numerics_are_noted(driven, options, noted, silent):
    text = Page(report_page(ic.run(driven, **options))).sections["findings"]
    assert all(note in text for note in noted)
    assert silent not in text


# --- what the cells did -----------------------------------------------------------------------


def test_the_tables_of_rates_are_what_the_spikes_say(cortex):
    result, counts, kinds, classes = cortex
    page = Page(report_page(result))
    by_class, by_layer, _, by_area = page.tables["rates"]
    assert by_class[0] == ["class", "cells", "mean", "median", "5–95 %", "silent (%)", "reference",
                           "verdict"]  # fmt: skip
    hertz = counts / 4.0
    rows = {row[0]: row for row in by_class[1:]}
    verdicts = ["in range", "below range", "above range", "below range"]
    for k, (layer, name, _, _) in enumerate(classes):
        mine, row = hertz[kinds == k], rows[f"{layer} {name}"]
        low, high = (factor * target_of(layer[1:], name) for factor in TOLERANCE)
        assert row[1:] == [
            "100", f"{mine.mean():.2f}", f"{np.median(mine):.2f}",
            f"{np.quantile(mine, 0.05):.1f}–{np.quantile(mine, 0.95):.1f}",
            f"{100 * np.mean(mine == 0):.0f}", f"{low:.1f}–{high:.1f}", verdicts[k],
        ]  # fmt: skip
    assert [row[0] for row in by_layer[1:]] == ["L2/3", "L5"]
    assert by_layer[1][2] == f"{hertz[kinds < 2].mean():.2f}"
    areas = {row[0].split()[0]: row for row in by_area[1:]}
    assert areas["VISp"][0] == "VISp Primary visual area"
    assert areas["MOp"][2] == f"{hertz[1::2].mean():.2f}"
    assert areas["VISp"][2] == f"{hertz[::2].mean():.2f}"


def test_a_cortex_is_drawn_from_three_sides_and_by_area(cortex):
    result, counts, *_ = cortex
    shown = [image["alt"] for image in Page(report_page(result)).attributes("img")]
    (views,) = [text for text in shown if text.startswith("Somata of 400 cells")]
    (areas,) = [text for text in shown if text.startswith("Raster of all cells by area")]
    assert f"VISp {counts[::2].mean() / 4.0:.1f}" in areas


def test_what_is_odd_is_found(cortex):
    result, *_ = cortex
    found = findings(Page(report_page(result)))
    runaway = [what for level, what in found if level == "Problem"]
    assert len(runaway) == 1
    assert "Runaway" in runaway[0] and "L5 ET" in runaway[0] and "L2/3" not in runaway[0]
    (off,) = [what for _, what in found if "outside their reference range" in what]
    assert off.startswith("2 of 3 classes")
    assert "L2/3 Pvalb" in off and "L5 Sst" in off and "L2/3 IT" not in off


def change_spikes(result, change):
    """Rewrite the times of all spikes."""
    with h5py.File(result.directory / "spikes.h5", "r+") as file:
        times = file["spikes/cortex/timestamps"]
        times[...] = change(times[:])
    found = findings_of(subject_of(ic.Result(result.directory)))
    return "\n".join(finding.what for finding in found)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda t: np.where(t < 20, 0.5, t), "first 1 ms"),
        (lambda t: t + 100.0, "outside the run"),
        (lambda t: np.where(np.arange(len(t)) == 3, np.nan, t), "1 spikes have times outside"),
        (lambda t: 1.0 + 0.7 * t, "Activity ends at 280"),
        (lambda t: np.where(t < 1000, 0.0999 * t + 0.5, t), "begins with a transient"),
        (lambda t: np.floor(t / 500) * 500 + 0.02 * (t % 500) + 1, "comes in bursts"),
    ],
)
def test_odd_times_are_found(cortex, change, what):
    result, *_ = cortex
    assert what not in change_spikes(result, lambda t: t)
    assert what in change_spikes(result, change)


def test_silence_is_a_problem(driven):
    content = json.loads(driven.read_text())
    content["inputs"] = {}
    driven.write_text(json.dumps(content))
    page = Page(report_page(ic.run(driven)))
    level, what = findings(page)[0]
    assert level == "Problem"
    assert what.startswith("No cell fired within 50 ms.")
    assert page.tables["rates"][0][1][2] == "0.00"


def test_spectra_say_how_they_were_made(cortex):
    result, *_ = cortex
    page = Page(report_page(result))
    text = page.sections["rhythms"]
    assert "from 1 to 200 Hz" in text and "3 Hann segments of 2000 ms" in text
    assert "resolution 0.75 Hz" in text
    rows = {row[0]: row for row in page.tables["rhythms"][0][1:]}
    assert list(rows) == ["all cells", "L2/3", "L5", "IT", "ET", "Pvalb", "Sst"]
    assert float(rows["ET"][3]) == pytest.approx(1.0, abs=0.15)  # Poisson
    assert float(rows["ET"][5]) == pytest.approx(1.0, abs=0.05)
    assert rows["Sst"][2:4] == ["0", "–"]


# --- other simulators' results ----------------------------------------------------------------


@pytest.fixture
def foreign(driven):
    """What BMTK leaves: spikes and reports, no provenance."""
    result = ic.run(driven)
    (result.directory / "provenance.json").unlink()
    return driven


def test_results_without_provenance(foreign):
    result = ic.Result(foreign)
    page = Page(report_page(result))
    assert list(page.sections) == SECTIONS
    assert "another simulator" in page.sections["findings"]
    assert "time step" in page.sections["run"] and "do not record" in page.sections["run"]
    assert page.tables["rates"][0][1][:3] == ["cells", "3", f"{len(result.spikes) / 0.15:.2f}"]


def test_spikes_alone_and_a_configuration_give_the_silent_cells(foreign):
    result = ic.Result(foreign)
    (result.directory / "v.h5").unlink()
    alone = Page(report_page(ic.Result(foreign)))
    assert alone.tables["rates"][0][1][1] == "2"
    assert "may be missing" in alone.sections["findings"]
    told = Page(report_page(ic.Result(foreign), foreign))
    assert told.tables["rates"][0][1][1] == "3"
    assert float(told.tables["rates"][0][1][5]) == 33.0
    assert told.tables["rates"][0][1][2] == f"{len(result.spikes) / 0.15:.2f}"  # over 50 ms
    assert "may be missing" not in told.sections["findings"]


def test_two_populations_and_one_that_is_silent(tmp_path):
    with SpikeWriter(tmp_path / "spikes.h5", ["v1", "lgn", "tw"], "by_time") as spikes:
        spikes.append("v1", [1, 1, 3], [10.0, 20.0, 15.0])
        spikes.append("lgn", [3], [40.0])
    run = {"tstop": 50.0, "populations": {"v1": [[0, 4]], "lgn": [[3, 4]], "tw": [[0, 2]]}}
    (tmp_path / "provenance.json").write_text(
        json.dumps({"simulator": "s", "run": run, "summary": FINISHED})
    )
    page = Page(report_page(ic.Result(tmp_path)))
    rows = {row[0]: row[1:] for row in page.tables["rates"][0][1:]}
    assert {name: row[:2] for name, row in rows.items()} == {
        "v1": ["4", "15.00"], "lgn": ["1", "20.00"], "tw": ["2", "0.00"],
    }  # fmt: skip
    assert "No cell of population tw fired" in page.sections["spikes"]


def test_no_spikes_no_reports_and_no_duration(tmp_path):
    write_spikes(tmp_path, pd.DataFrame({"node_ids": [], "timestamps": []}))
    page = Page(report_page(ic.Result(tmp_path)))
    assert findings(page)[0][0] == "Problem"
    assert list(page.sections) == SECTIONS


# --- the command ------------------------------------------------------------------------------


def test_the_command_says_where_the_page_is(driven, tmp_path):
    result = ic.run(driven)
    for _ in range(2):  # replaced without asking
        status, printed, error = isocortex("report", result.directory)
        assert (status, error) == (0, "")
        assert printed == f"Report: {result.directory / 'report.html'}\n"
    here = tmp_path / "new" / "page.html"
    assert isocortex("report", driven, "-o", here)[1] == f"Report: {here}\n"
    assert here.read_text() == (result.directory / "report.html").read_text()


def test_the_page_is_the_same_each_time(driven):
    result = ic.run(driven)
    assert write_report(result).read_text() == report_page(ic.Result(driven))


def test_what_is_wrong_is_named(driven, tmp_path):
    one_line(isocortex("report", tmp_path / "none"), "none", "does not exist")
    result = ic.run(driven)
    config = tmp_path / "other.json"
    config.write_text("{")
    one_line(isocortex("report", result.directory, "--config", config), "other.json", "line 1")
    page = driven / "page.html"  # in a file, as if it were a folder
    one_line(isocortex("report", result.directory, "-o", page), page, "with -o")


def test_a_circuit_that_is_gone_costs_only_the_classes(driven):
    result = ic.run(driven)
    (driven.parent / "cells.h5").unlink()
    page = Page(report_page(result))
    assert "cells.h5" in page.sections["findings"]
    assert page.tables["rates"][0][1][:2] == ["cells", "3"]


def test_numbers_are_fit_to_read():
    assert [number(x) for x in (0, 0.01234, 1.5, 99.4, 123.4, 1234.4, None, float("nan"))] == [
        "0", "0.0123", "1.50", "99.4", "123", "1,234", "–", "–",
    ]  # fmt: skip
    assert [in_words(x) for x in (0.0123, 1.0, 90.0, 125.0, 9000.0)] == [
        "12 ms", "1.00 s", "90.0 s", "2.08 min", "2.50 h",
    ]  # fmt: skip
