"""Machine code is taken from the cache only while all that it follows from is the same."""

import importlib
import importlib.util
import inspect
import pkgutil
import typing

from numba.core.dispatcher import Dispatcher

import isocortex
from isocortex import compiling
from isocortex.engine.parts import Drawn, Part, Shared, Steps


def _named_tuples(kind):
    """A named tuple and those in its fields."""
    if hasattr(kind, "_fields"):
        yield kind
        for field in typing.get_type_hints(kind).values():
            yield from _named_tuples(field)


def test_a_change_of_any_named_tuple_that_kernels_read_by_position_is_noticed():
    kinds = {found for kind in (Part, Drawn, Shared, Steps) for found in _named_tuples(kind)}
    assert {"Layout", "States", "Probes", "PointState", "Axons"} <= {k.__name__ for k in kinds}
    hashed = {str(file) for file in compiling.sources()}
    assert {inspect.getsourcefile(kind) for kind in kinds} <= hashed


def test_a_change_of_a_source_changes_the_fingerprint(tmp_path, monkeypatch):
    before = compiling.fingerprint.__wrapped__()
    assert before == compiling.fingerprint()
    arrays = next(f for f in compiling.sources() if f.parts[-2:] == ("layout", "arrays.py"))
    read = type(arrays).read_bytes
    monkeypatch.setattr(
        type(arrays), "read_bytes", lambda file: read(file) + b"#" * (file == arrays)
    )
    assert compiling.fingerprint.__wrapped__() != before


def _dispatchers():
    for module in pkgutil.walk_packages(isocortex.__path__, "isocortex."):
        if ".cli" in module.name or module.name.endswith("cuda"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Dispatcher) and value._cache.cache_path is not None:
                yield f"{module.name}.{name}", value


def test_every_compiled_function_in_the_cache_knows_what_it_follows_from():
    """Numba alone looks at the file of a function and at none of those it calls."""
    found = dict(_dispatchers())
    assert "isocortex.engine.loop.run_windows" in found
    for name, function in found.items():
        stamp = function._cache._cache_file._source_stamp
        assert stamp[1] == compiling.fingerprint(), name


def test_code_of_another_fingerprint_is_compiled_again(tmp_path, monkeypatch):
    file = tmp_path / "adds.py"
    file.write_text("def add(pair):\n    return pair[0] + 2 * pair[1]\n")
    spec = importlib.util.spec_from_file_location("adds", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def hits(fingerprint):
        monkeypatch.setattr(compiling, "fingerprint", lambda: fingerprint)
        function = compiling.compiled(module.add)
        assert function((1, 2)) == 5
        return sum(function.stats.cache_hits.values())

    assert [hits("one"), hits("one"), hits("two"), hits("two")] == [0, 1, 0, 1]
