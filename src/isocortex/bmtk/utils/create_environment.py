"""``create_environment``: as :func:`build_env_bionet`, into one configuration file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from isocortex.bmtk.utils.environment import Environment, StrPath, simulation_sections
from isocortex.errors import ConfigError


def create_environment(
    simulator: str,
    base_dir: StrPath = ".",
    network_dir: StrPath | None = None,
    components_dir: StrPath | None = None,
    node_sets_file: StrPath | None = None,
    output_dir: StrPath | None = None,
    overwrite: bool = False,
    run_script: bool | str = True,
    config_file: str | None = None,
    config_name: str | None = None,
    split_configs: bool = False,
    network_filter: str | Sequence[str] | None = None,
    report_vars: Iterable[Any] = (),
    report_nodes: str | list[int] | None = None,
    spikes_inputs: Iterable[tuple[str | None, StrPath]] | None = None,
    rates_inputs: Any = None,
    clamp_reports: Iterable[str] = (),
    current_clamp: Mapping[str, Any] | None = None,
    file_current_clamp: Mapping[str, Any] | None = None,
    se_voltage_clamp: Mapping[str, Any] | None = None,
    tstart: float = 0.0,
    tstop: float = 1000.0,
    dt: float = 0.001,
    dL: float = 20.0,
    spikes_threshold: float = -15.0,
    nsteps_block: int = 5000,
    v_init: float = -80.0,
    celsius: float = 34.0,
    compile_mechanisms: bool = False,
    use_relative_paths: bool = True,
    include_examples: bool = False,
) -> None:
    """Write a configuration, the folders that it names and a run script.

    Parameters are those of :func:`isocortex.bmtk.utils.sim_setup.build_env_bionet`, and

    output_dir : of results, default ``output``.
    node_sets_file : a file in the base folder that the configuration is to name; none is written.
    overwrite : a configuration that is there already.
    run_script : whether to write one, or its name; default ``run_bionet.py``.
    config_file : default ``config.bionet.json``.
    config_name : a configuration ``config.<config_name>.json``, where no ``config_file`` is given.
    network_filter : texts one of which the names of network files must hold.
    split_configs, rates_inputs : refused.
    """
    if simulator.lower() not in ("bionet", "biophysical", "bio"):
        raise ConfigError(
            f"there is no simulator {simulator!r} here", field="create_environment",
            fix="Use bionet, or BMTK for the others.",
        )  # fmt: skip
    for argument, given, instead in (
        ("split_configs", split_configs, "Use build_env_bionet, which writes three files."),
        ("rates_inputs", rates_inputs, "BioNet has no rates: draw spikes by PoissonSpikeGenerator, "
         "and name their file in spikes_inputs."),
    ):  # fmt: skip
        if given:
            raise ConfigError("not supported", field=f"create_environment {argument}", fix=instead)
    environment = Environment(base_dir, network_dir, components_dir, output_dir)
    name = config_file or _name(config_name or "bionet")
    simulation = simulation_sections(
        environment, report_vars=report_vars, report_nodes=report_nodes,
        clamp_reports=clamp_reports, current_clamp=current_clamp,
        file_current_clamp=file_current_clamp, se_voltage_clamp=se_voltage_clamp,
        spikes_inputs=spikes_inputs,
        run={"tstart": tstart, "tstop": tstop, "dt": dt, "dL": dL,
             "spike_threshold": spikes_threshold, "nsteps_block": nsteps_block},
        conditions={"celsius": celsius, "v_init": v_init},
    )  # fmt: skip
    content = {
        "manifest": environment.manifest(), **simulation,
        "components": environment.make_components(include_examples),
        "networks": environment.networks(network_filter),
    }  # fmt: skip
    if node_sets_file is not None:
        content["node_sets_file"] = environment.relative(environment.base / node_sets_file)
    environment.write(name, content, overwrite)
    if run_script:
        script = run_script if isinstance(run_script, str) else "run_bionet.py"
        environment.write_script(script, name)


def _name(config_name: str) -> str:
    """The file of a configuration; who gives its whole name gets that."""
    before = "" if config_name.lower().startswith(("config", "cfg")) else "config."
    after = "" if config_name.lower().endswith("json") else ".json"
    return f"{before}{config_name}{after}".replace(" ", "_")
