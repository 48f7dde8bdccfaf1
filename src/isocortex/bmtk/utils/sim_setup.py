"""``build_env_bionet``: the files that a simulation of a built network starts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from isocortex.bmtk.utils.environment import Environment, StrPath, simulation_sections


def build_env_bionet(
    base_dir: StrPath = ".",
    network_dir: StrPath | None = None,
    components_dir: StrPath | None = None,
    node_sets_file: StrPath | None = None,
    include_examples: bool = False,
    overwrite_config: bool = False,
    tstart: float = 0.0,
    tstop: float = 1000.0,
    dt: float = 0.001,
    dL: float = 20.0,
    spikes_threshold: float = -15.0,
    nsteps_block: int = 5000,
    v_init: float = -80.0,
    celsius: float = 34.0,
    report_vars: Iterable[Any] = (),
    report_nodes: str | list[int] | None = None,
    clamp_reports: Iterable[str] = (),
    current_clamp: Mapping[str, Any] | None = None,
    file_current_clamp: Mapping[str, Any] | None = None,
    se_voltage_clamp: Mapping[str, Any] | None = None,
    spikes_inputs: Iterable[tuple[str | None, StrPath]] | None = None,
    compile_mechanisms: bool = False,
    use_relative_paths: bool = True,
    config_file: str = "config.json",
) -> None:
    """Write configuration, circuit and simulation, node sets, folders and a run script.

    Parameters
    ----------
    base_dir, network_dir, components_dir : see
        :class:`isocortex.bmtk.utils.environment.Environment`.
    include_examples : copy the components of BMTK's examples, which must be installed for it.
    tstop, dt, dL, spikes_threshold, v_init, celsius : ms, ms, um, mV, mV, degC.
    report_vars : quantities to record at somata; of ``report_nodes``, or ``(population, name)``.
    current_clamp, se_voltage_clamp : its keys in a configuration; ``gids`` are its nodes.
    spikes_inputs : (population, file) of virtual nodes.
    compile_mechanisms, use_relative_paths : change nothing: channels need no compiling here, and
        paths inside the base are relative to it.
    """
    environment = Environment(base_dir, network_dir, components_dir)
    stem = Path(config_file).stem
    names = {"network": f"circuit_{stem}.json", "simulation": f"simulation_{stem}.json"}
    manifest = environment.manifest()
    simulation = simulation_sections(
        environment, report_vars=report_vars, report_nodes=report_nodes,
        clamp_reports=clamp_reports, current_clamp=current_clamp,
        file_current_clamp=file_current_clamp, se_voltage_clamp=se_voltage_clamp,
        spikes_inputs=spikes_inputs,
        run={"tstart": tstart, "tstop": tstop, "dt": dt, "dL": dL,
             "spike_threshold": spikes_threshold, "nsteps_block": nsteps_block},
        conditions={"celsius": celsius, "v_init": v_init},
    )  # fmt: skip
    node_sets = str(node_sets_file or "node_sets.json")
    circuit = {
        "manifest": manifest, "components": environment.make_components(include_examples),
        "networks": environment.networks(),
    }  # fmt: skip
    sets = {"biophysical_nodes": {"model_type": "biophysical"},
            "point_nodes": {"model_type": "point_process"}}  # fmt: skip
    if not (environment.base / node_sets).exists():  # those of one's own stay
        environment.write(node_sets, sets, False)
    named = environment.relative(environment.base / node_sets)
    simulation = {"manifest": manifest, "node_sets_file": named, **simulation}
    here = {key: f"$BASE_DIR/{name}" for key, name in names.items()}
    whole: dict[str, Any] = {"manifest": {"$BASE_DIR": "${configdir}"}, **here}
    files = {config_file: whole, names["network"]: circuit, names["simulation"]: simulation}
    for name, content in files.items():
        environment.write(name, content, overwrite_config)
    environment.write_script("run_bionet.py", config_file)
