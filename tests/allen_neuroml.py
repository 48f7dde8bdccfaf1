"""A fit of the Allen Institute as its NeuroML export writes it."""


def as_neuroml(fit: dict, unit: str = "S_per_cm2", factor: float = 1.0) -> str:
    """The text of a NeuroML file with the parameters of a fit; densities in ``unit``."""
    passive, erev = fit["passive"][0], fit["conditions"][0]["erev"][0]
    lines = [f'<resistivity segmentGroup="all" value="{passive["ra"]!r} ohm_cm"/>']
    for cm in passive["cm"]:
        lines.append(
            f'<specificCapacitance segmentGroup="{cm["section"]}" value="{cm["cm"]!r} uF_per_cm2"/>'
        )
    calcium = {}
    for entry in fit["genome"]:
        name, channel, value = entry["name"], entry["mechanism"], float(entry["value"])
        ion = {"N": "na", "C": "ca"}.get(channel[:1], "k")
        reversal, kind = passive["e_pas"] if name == "g_pas" else erev.get(f"e{ion}"), ""
        if name == "g_pas":
            name, channel, ion = f"g_pas_{entry['section']}", "pas", "non_specific"
        elif channel == "CaDynamics":
            calcium[name] = value
            continue
        elif channel == "Ih":
            ion, reversal = "hcn", -45.0
        elif ion == "ca":
            kind = "Nernst"
        known = "" if kind else f'erev="{reversal!r} mV"'
        lines.append(
            f'<channelDensity{kind} id="{name}" segmentGroup="{entry["section"]}" ion="{ion}" '
            f'ionChannel="{channel}" {known} condDensity="{value * factor!r} {unit}"/>'
        )
    lines.append(
        '<concentrationModel id="CaDynamics" type="CaDynamics" segmentGroup="soma" '
        f'decay="{calcium["decay_CaDynamics"]!r} ms" gamma="{calcium["gamma_CaDynamics"]!r}"/>'
    )
    body = "\n".join(lines)
    return (
        f'<neuroml xmlns="http://www.neuroml.org/schema/neuroml2">\n<cell>{body}</cell></neuroml>'
    )
