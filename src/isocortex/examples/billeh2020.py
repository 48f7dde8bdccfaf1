"""Numbers from the Allen model of mouse V1 that the demo circuit needs.

Billeh et al. 2020, doi:10.1016/j.neuron.2020.01.040, and the files published with it;
layers 1 and 6 are left out. Weights are those of each cell model, delays the median of a class.
"""

from __future__ import annotations

from io import StringIO

import pandas as pd


def table(text: str) -> pd.DataFrame:
    """Read a table in a string: columns between blanks, the first one names the rows."""
    return pd.read_csv(StringIO(text), sep=r"\s+", index_col=0)


#: Depth of each layer below the pia, um.
LAYERS = {"L2/3": (100.0, 310.0), "L4": (310.0, 430.0), "L5": (430.0, 640.0)}

#: Radius of the disc in which probabilities were measured, um; also that of 300 cells here.
RADIUS = 75.0

#: Mean probability of connection within that radius, source (row) to target (column).
PROBABILITY = table("""
source    e23    e4     e5     i23Pvalb i23Sst i23Htr3a i4Pvalb i4Sst i4Htr3a i5Pvalb i5Sst i5Htr3a
e23       0.160  0.016  0.083  0.395    0.182  0.105    0.083   0.083 0.083   0.081   0.102 0
e4        0.140  0.243  0.104  0.100    0.100  0.100    0.430   0.571 0.571   0.101   0.128 0.050
e5        0.021  0.007  0.116  0.050    0.050  0.050    0.050   0.050 0.050   0.083   0.063 0.105
i23Pvalb  0.411  0.050  0.070  0.451    0.030  0.220    0.050   0.050 0.050   0.073   0     0
i23Sst    0.424  0.050  0.021  0.857    0.082  0.770    0.050   0.050 0.050   0       0     0
i23Htr3a  0.087  0.050  0      0.020    0.625  0.028    0.050   0.050 0.050   0       0     0
i4Pvalb   0.250  0.437  0.088  0.050    0.050  0.050    0.451   0.030 0.220   0.091   0.030 0.030
i4Sst     0.250  0.351  0.026  0.050    0.050  0.050    0.857   0.082 0.770   0.030   0     0.030
i4Htr3a   0.250  0.351  0      0.050    0.050  0.050    0.020   0.625 0.028   0.030   0.030 0.030
i5Pvalb   0      0      0.455  0.102    0      0        0.034   0.030 0.030   0.361   0.030 0.220
i5Sst     0.169  0.056  0.317  0        0.017  0        0.030   0.006 0.030   0.857   0.040 0.770
i5Htr3a   0      0.030  0.125  0        0      0        0.030   0.030 0.030   0.020   0.625 0.020
""")

#: Length over which the probability falls with horizontal distance, um (source, target class).
SIGMA = table("""
source  e    Pvalb  Sst  Htr3a
e       114  92     103  103
Pvalb   95   120    120  120
Sst     85   120    120  120
Htr3a   85   120    120  120
""")

#: Mean over all pairs of preferred directions of the rule that scales `WEIGHT`:
#: exp(-(difference / sigma)^2), the difference of orientation from 0 to 90 degrees, with sigma 30
#: degrees between excitatory cells and 90 for all other pairs.
TUNING = {("e", "e"): 0.295, ("e", "i"): 0.747, ("i", "e"): 0.747, ("i", "i"): 0.747}

#: Largest peak conductance of one synapse, nS, source population (row) to target cell model (column).
WEIGHT = table("""
source    487661754 395830185 485836906 386049446 471129934 480351780 484635029 486783119 473016550 482690728 475622793 482644550
e23       0.183     0.529     0.632     0.572     1.23      0.847     1.37      2.22      0.856     0.428     1.26      0
e4        0.482     0.369     0.438     0.396     1.04      0.719     0.953     2.09      2.17      0.42      0.641     1.23
e5        0.0234    0.117     0.137     0.125     2.49      1.72      0.284     2         0.634     0.42      0.214     1.82
i23Pvalb  0.0388    0.0243    0.0344    0.0214    0.0784    0.0493    0.12      0.144     0.168     0         0.112     0
i23Sst    0.0333    0.0167    0.0233    0.02      0.142     0.0994    0.0923    0         0.1       0         0.218     0
i23Htr3a  0.0294    0.0152    0.0204    0.0165    0         0         0.032     0         0.217     0         0.147     0
i4Pvalb   0.0363    0.0906    0.128     0.0795    0.32      0.198     0.12      0.173     0.168     0.0551    0.112     0.0624
i4Sst     0.0258    0.0525    0.0732    0.0629    0.187     0.129     0.0923    0.097     0.1       0         0.218     0.085
i4Htr3a   0.0244    0.0493    0.0662    0.0536    0         0         0.032     0.0372    0.217     0.0442    0.147     0.0594
i5Pvalb   0         0         0         0         0.631     0.39      0.0889    0.222     0.168     0.0538    0         0.0624
i5Sst     0.0106    0.0156    0.0217    0.0187    0.712     0.496     0         0.0856    0.189     0.0541    0         0.017
i5Htr3a   0         0.0152    0.0204    0.0165    0.528     0.332     0         0.0372    0.225     0.0442    0         0.0594
""")

#: Delay, ms, source class (row) to target class (column).
DELAY = table("""
source  e23  e4   e5   Pvalb  Sst  Htr3a
e23     1.6  1.6  1.8  1.2    1.5  1.5
e4      2.3  1.3  1.5  1.2    1.5  1.5
e5      3.0  2.5  1.5  1.2    1.5  1.5
Pvalb   0.9  0.9  0.9  1.6    1.2  1.2
Sst     1.5  1.5  1.5  1.5    1.5  1.5
Htr3a   1.5  1.5  1.5  1.5    1.5  1.5
""")

#: Where the synapses of a source class sit (um of path from the soma), on e and on i cells
#: (or on one class that differs).
PLACES = {
    ("e", "e"): (["basal", "apical"], (0.0, 200.0)),
    ("e", "e5"): (["basal", "apical"], (0.0, 1e20)),
    ("e", "i"): (["somatic", "basal"], (0.0, 1e20)),
    ("Pvalb", "e"): (["somatic", "basal", "apical"], (0.0, 50.0)),
    ("Pvalb", "i"): (["somatic", "basal"], (0.0, 50.0)),
    ("Sst", "e"): (["basal", "apical"], (50.0, 1e20)),
    ("Sst", "i"): (["basal"], (50.0, 1e20)),
    ("Htr3a", "e"): (["basal", "apical"], (50.0, 300.0)),
    ("Htr3a", "i"): (["basal"], (50.0, 300.0)),
}

#: Two-exponential conductances: rise and decay (ms), reversal potential (mV).
SYNAPSES = {
    ("e", "e"): ("AMPA_ExcToExc", {"tau1": 1.0, "tau2": 3.0, "erev": 0.0}),
    ("e", "i"): ("AMPA_ExcToInh", {"tau1": 0.1, "tau2": 0.5, "erev": 0.0}),
    ("i", "e"): ("GABA_InhToExc", {"tau1": 2.7, "tau2": 15.0, "erev": -70.0}),
    ("i", "i"): ("GABA_InhToInh", {"tau1": 0.2, "tau2": 8.0, "erev": -70.0}),
}

#: Synapses per connection: uniform from .. to (both included).
SYNAPSES_PER_CONNECTION = (3, 8)
