"""Ion channels, calcium and synapses: one small file each, with its source."""

from __future__ import annotations

from isocortex.mechanisms.ca_hva import Ca_HVA
from isocortex.mechanisms.ca_lva import Ca_LVA
from isocortex.mechanisms.cadynamics import CaDynamics
from isocortex.mechanisms.density import Density
from isocortex.mechanisms.ih import Ih
from isocortex.mechanisms.im import Im
from isocortex.mechanisms.im_v2 import Im_v2
from isocortex.mechanisms.k_p import K_P
from isocortex.mechanisms.k_t import K_T
from isocortex.mechanisms.kd import Kd
from isocortex.mechanisms.kv2like import Kv2like
from isocortex.mechanisms.kv3_1 import Kv3_1
from isocortex.mechanisms.nap import Nap
from isocortex.mechanisms.nata import NaTa
from isocortex.mechanisms.nats import NaTs
from isocortex.mechanisms.nav import NaV
from isocortex.mechanisms.registry import Registry
from isocortex.mechanisms.sk import SK

#: Every distributed mechanism by the name fit files use.
DENSITY = Registry(
    (
        CaDynamics, Ca_HVA, Ca_LVA, Ih, Im, Im_v2, K_P, K_T, Kd, Kv2like, Kv3_1,
        NaTa, NaTs, NaV, Nap, SK,
    )
)  # fmt: skip

__all__ = ["DENSITY", "Density"]
