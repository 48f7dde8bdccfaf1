"""Machine code is taken from the cache only while all that it follows from is the same."""

import importlib
import importlib.util
import inspect
import os
import pkgutil
import sys
import typing

import numba
import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

import isocortex
from isocortex import compiling
from isocortex.engine import events, gaps, sampling
from isocortex.engine.parts import Drawn, Part, Shared, Steps
from isocortex.network import terminals
from isocortex.network.drawn import draw, pool
from isocortex.targets import simd


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
    monkeypatch.setattr(compiling, "texts", compiling.texts.__wrapped__)
    assert compiling.fingerprint.__wrapped__() != before


def _dispatchers():
    for module in pkgutil.walk_packages(isocortex.__path__, "isocortex."):
        if ".cli" in module.name or module.name.endswith("cuda"):
            continue
        try:
            imported = importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            assert error.name is not None and not error.name.startswith("isocortex")
            continue  # it needs an extra that is not installed
        for name, value in vars(imported).items():
            if isinstance(value, Dispatcher) and value._cache.cache_path is not None:
                yield f"{module.name}.{name}", value


def test_every_compiled_function_in_the_cache_knows_what_it_follows_from():
    """Numba alone looks at the file of a function and at none of those it calls."""
    found = dict(_dispatchers())
    assert "isocortex.engine.loop.run_windows" in found
    for name, function in found.items():
        assert function._cache._cache_file._version.endswith(compiling.fingerprint()), name


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


def test_code_that_was_given_a_class_that_is_gone_is_compiled_again(tmp_path):
    """Its index names the class, and could not be read: an update would have ended every run."""
    file = tmp_path / "takes.py"
    file.write_text(
        "from typing import NamedTuple\n"
        "class Pair(NamedTuple):\n    one: float\n    two: float\n"
        "def add(pair):\n    return pair.one + pair.two\n"
    )

    def loaded(fingerprint, name):
        spec = importlib.util.spec_from_file_location("takes", file)
        module = importlib.util.module_from_spec(spec)
        sys.modules["takes"] = module
        spec.loader.exec_module(module)
        made = compiling.compiled(module.add)
        made._cache._cache_file._version = fingerprint
        return made, getattr(module, name)

    before, pair = loaded("before", "Pair")
    assert before(pair(1.0, 2.0)) == 3.0
    text = file.read_text().replace("class Pair", "class Two")
    stat = file.stat()
    file.write_text(text)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after, two = loaded("after", "Two")
    assert after(two(1.0, 2.0)) == 3.0


class _Table(typing.NamedTuple):
    place: np.ndarray
    value: np.ndarray


def test_a_leaf_counts_no_references_and_is_no_call():
    """An atomic operation for every array of a table, at every call, took longer than the work."""

    def at(k, table):
        return table.value[table.place[k]]

    def total(table):
        found, k = 0.0, 0
        while k < len(table.place) and at(k, table) >= 0.0:
            found += at(k, table)
            k += 1
        return found

    at, table = compiling.leaf(at), _Table(np.arange(3), np.arange(3.0))
    made = numba.njit(_nrt=False)(total)
    assert made(table) == 3.0
    body = made.inspect_llvm(made.signatures[0]).split("\ndefine")[1].split("\n}")[0]
    assert "total" in body and "NRT_" not in body and " call " not in body


@pytest.mark.parametrize(
    "function",
    [events.place, events.delay_of, events._take, events._count, events._place_all,
     events._append_by_delay, draw._draw, draw.draw_local, draw.draw_long,
     pool.draw_from_pool, terminals.released, simd.jit(gaps.couple), simd.jit(sampling.sample)],
)  # fmt: skip
def test_what_is_done_for_every_event_or_trial_is_a_leaf(function):
    assert function.targetoptions["_nrt"] is False and function.targetoptions["forceinline"]


def test_what_is_seldom_done_is_called_and_counts_no_references():
    """Sums over whole cells took room from the kernels of everybody who asks for none."""
    options = simd.jit(sampling._weigh_shared).targetoptions
    assert options["_nrt"] is False and not options["forceinline"]
