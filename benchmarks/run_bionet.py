"""Run one simulation with BioNet; leave the number of compartments and the versions beside it.

Started by bionet.py with the Python that has NEURON and BMTK: `run_bionet.py CONFIG FACTS`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(config_file: str, facts_file: str) -> None:
    from bmtk.simulator import bionet
    from neuron import h

    config = bionet.Config.from_json(config_file, validate=True)
    config.build_env()
    network = bionet.BioNetwork.from_config(config)
    simulation = bionet.BioSimulator.from_config(config, network=network)
    simulation.run()
    facts = {"compartments": sum(section.nseg for section in h.allsec())}
    Path(facts_file).write_text(json.dumps(facts))
    bionet.nrn.quit_execution()


if __name__ == "__main__":
    main(*sys.argv[1:])
