"""Words of a recipe are told with their units."""

from dataclasses import asdict

from isocortex.cortex.recipe import Recipe, recipe_told


def test_quantities_of_a_recipe_have_units():
    told = recipe_told(asdict(Recipe(scale=0.002)))
    assert told["local velocity"] == "300 µm/ms" and told["long delay"] == "1 ms"
    assert told["scale"] == "0.002 of the neurons" and told["synapses"] == "2.6e+10 at scale 1"
    told_exactly = recipe_told({"scale": 0.00123456789, "long_delay": 1.0000001, "excitation": 2})
    assert list(told_exactly.values()) == [
        "0.00123456789 of the neurons", "1.0000001 ms", "2 times the weights of the tables",
    ]  # fmt: skip
    assert told["seed"] == "1" and told["local"] == "default" and told["density"] == "published"
