"""A GPU: its memory, and kernels that run on it; one that is simulated; and one that is elsewhere.

NVIDIA's driver is all that running a kernel takes: its functions are called under their own names.
Copies happen in order, and kernels between them side by side. A kernel is assembly for whoever
compiles it, which the driver translates; numba-cuda (:mod:`isocortex.targets.cuda`) is needed only
to write that.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ctypes import byref, c_int, c_size_t, c_uint, c_void_p
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from weakref import finalize

import numpy as np
from numba.core import config

from isocortex.errors import ConfigError

#: Cells of a block: the threads of a warp, and the lanes of a CPU's block in single precision.
LANES = 32

#: The driver's numbers: attributes of a GPU, and what may go wrong.
MAJOR, MINOR, SHARED, NO_MEMORY, NEWER_TEXT = 75, 76, 97, 2, 222
#: Attributes of a kernel.
MOST_SHARED, CARVEOUT = 8, 9
#: Of compute capabilities, kB of shared memory that a block may have; 99 of those not listed.
SHARED_KB = {
    (7, 5): 64, (8, 0): 163, (8, 7): 163, (9, 0): 227, (10, 0): 227, (10, 3): 227, (11, 0): 227,
}  # fmt: skip
#: Bytes of these that kernels have of their own, whatever the model.
OWN = 2048
#: Kernels of small models that run side by side; what is on none of these waits for all of them.
STREAMS = 16


class Launch(Protocol):
    """A kernel that has been given its arguments, but for the first two."""

    def __call__(self, blocks: int, first: int, last: int) -> None:
        """Start it on so many blocks of threads."""


class Written(Protocol):
    """A kernel: as it is written, warps of a block of threads, bytes of their shared memory."""

    @property
    def function(self) -> Any: ...
    @property
    def warps(self) -> int: ...
    @property
    def shared(self) -> int: ...


class Machine(Protocol):
    """What an engine needs of a GPU; what ``put`` and ``room`` return is an array there.

    Attributes
    ----------
    capability : the GPU's.
    shared : bytes of shared memory that a block of threads may have.
    simulated : kernels run as they are written.
    """

    capability: tuple[int, int]
    shared: int
    simulated: bool

    def use(self) -> None:
        """Before this thread calls anything else."""

    def put(self, array: np.ndarray) -> Any:
        """Copy it there."""

    def room(self, n: int, dtype: Any) -> Any:
        """An array that is not written to yet."""

    def write(self, to: Any, array: np.ndarray, at: int = 0) -> None:
        """Overwrite elements from ``at`` on."""

    def read(self, array: Any, begin: int = 0, end: int | None = None) -> np.ndarray:
        """A copy of some elements, flat."""

    def copy(self, to: Any, array: Any) -> None:
        """Overwrite the beginning of an array there with all of another."""

    def free(self, array: Any) -> None:
        """Give its memory back."""

    def wait(self) -> None:
        """Until all kernels that were started have ended."""

    def bind(self, kernel: Written, assembly: Path | None, arguments: tuple[Any, ...]) -> Launch:
        """A kernel and its arguments: nested tuples of arrays there, and of numbers.

        Parameters
        ----------
        assembly : the file of what it is compiled to; None for who simulates it.
        """


class Array(NamedTuple):
    """An array in a GPU's memory."""

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype


class Gpu:
    """The first GPU; what it was asked to hold is let go with this object.

    Raises
    ------
    ConfigError : there is no driver, or no GPU.
    """

    simulated = False

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(os.environ.get("LIBCUDA", "libcuda.so.1"))
        except OSError as error:
            raise ConfigError(
                "there is no NVIDIA driver (libcuda.so.1) on this machine", field="device",
                fix="Run on a machine with an NVIDIA GPU, or with device cpu.",
            ) from error  # fmt: skip
        device, self._context, count = c_int(), c_void_p(), c_int()
        status = self._library.cuInit(c_uint(0))
        if status or self._library.cuDeviceGetCount(byref(count)) or not count.value:
            raise ConfigError(
                f"the NVIDIA driver finds no GPU ({self._words(status)})", field="device",
                fix="See whether nvidia-smi lists one, or run with device cpu.",
            )  # fmt: skip
        self._call("cuDeviceGet", byref(device), c_int(0))
        self._device = device.value
        self._call("cuDevicePrimaryCtxRetain", byref(self._context), device)
        self._kernels: dict[Path, tuple[c_void_p, list[int], c_void_p]] = {}
        self._given: tuple[Any, ...] = ()
        self._words_given: list[list[Any]] = []
        self._held: set[int] = set()
        self._modules: list[c_void_p] = []
        self._streams = [c_void_p() for _ in range(STREAMS)]
        finalize(
            self, _let_go, self._library, self._context, self._held, self._modules, self._streams
        )
        self.use()
        self.capability = self._attribute(MAJOR), self._attribute(MINOR)
        self.shared = self._attribute(SHARED) - OWN
        for stream in self._streams:
            self._call("cuStreamCreate", byref(stream), c_uint(0))
        name = ctypes.create_string_buffer(100)
        self._call("cuDeviceGetName", name, c_int(100), device)
        self.name = name.value.decode()

    def _words(self, status: int) -> str:
        text = ctypes.c_char_p()
        self._library.cuGetErrorString(c_int(status), byref(text))
        return (text.value or b"").decode()

    def _call(self, name: str, *arguments: Any) -> None:
        """Call the driver.

        Raises
        ------
        RuntimeError : with the driver's words.
        """
        status = getattr(self._library, name)(*arguments)
        if status:
            raise RuntimeError(f"{name}: {status} {self._words(status)}")

    def _attribute(self, number: int) -> int:
        value = c_int()
        self._call("cuDeviceGetAttribute", byref(value), c_int(number), c_int(self._device))
        return value.value

    def use(self) -> None:
        self._call("cuCtxSetCurrent", self._context)

    def put(self, array: np.ndarray) -> Array:
        there = self._allocate(array.shape, array.dtype)
        self.write(there, array)
        return there

    def room(self, n: int, dtype: Any) -> Array:
        return self._allocate((n,), np.dtype(dtype))

    def _allocate(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        address, size = c_void_p(), max(int(np.prod(shape)) * dtype.itemsize, 16)
        status = self._library.cuMemAlloc_v2(byref(address), c_size_t(size))
        if status == NO_MEMORY:
            free, total = c_size_t(), c_size_t()
            self._call("cuMemGetInfo_v2", byref(free), byref(total))
            raise ConfigError(
                f"{self.name} has {free.value / 1e9:.1f} of its {total.value / 1e9:.1f} GB free, "
                f"and the next array takes {size / 1e9:.1f}", field="device",
                fix="Make the circuit smaller, take a GPU with more memory, or run with device "
                "cpu.",
            )  # fmt: skip
        if status:
            raise RuntimeError(f"cuMemAlloc: {status} {self._words(status)}")
        self._held.add(address.value or 0)
        return Array(address.value or 0, shape, dtype)

    def write(self, to: Array, array: np.ndarray, at: int = 0) -> None:
        array = np.ascontiguousarray(array, to.dtype)
        if array.nbytes:
            address = c_void_p(to.address + at * to.dtype.itemsize)
            source = c_void_p(array.ctypes.data)
            self._call("cuMemcpyHtoD_v2", address, source, c_size_t(array.nbytes))

    def read(self, array: Array, begin: int = 0, end: int | None = None) -> np.ndarray:
        end = int(np.prod(array.shape)) if end is None else end
        out = np.empty(end - begin, array.dtype)
        if out.nbytes:
            address = c_void_p(array.address + begin * array.dtype.itemsize)
            target = c_void_p(out.ctypes.data)
            self._call("cuMemcpyDtoH_v2", target, address, c_size_t(out.nbytes))
        return out

    def copy(self, to: Array, array: Array) -> None:
        n_bytes = c_size_t(int(np.prod(array.shape)) * array.dtype.itemsize)
        there, here = c_void_p(to.address), c_void_p(array.address)
        self._call("cuMemcpyDtoD_v2", there, here, n_bytes)

    def free(self, array: Array) -> None:
        self._held.discard(array.address)
        self._call("cuMemFree_v2", c_void_p(array.address))

    def wait(self) -> None:
        self._call("cuCtxSynchronize")

    def bind(self, kernel: Written, assembly: Path | None, arguments: tuple[Any, ...]) -> Launch:
        assert assembly is not None
        if assembly not in self._kernels:
            self._kernels[assembly] = self._load(assembly, kernel.shared)
        function, sizes, stream = self._kernels[assembly]
        values = [ctypes.c_int64(), ctypes.c_int64(), *self._flattened(arguments)]
        if sizes != sizes_of(values):
            raise RuntimeError(f"{assembly} is a kernel with other parameters")
        return _Launch(self, function, kernel, values, stream)

    def _flattened(self, arguments: tuple[Any, ...]) -> Iterator[Any]:
        """The words of all arguments: kernels bound after each other have most in common."""
        known = dict(zip(map(id, self._given), self._words_given, strict=True))
        self._words_given = [known.get(id(each)) or list(flattened(each)) for each in arguments]
        self._given = arguments
        return chain.from_iterable(self._words_given)

    def _load(self, path: Path, shared: int) -> tuple[c_void_p, list[int], c_void_p]:
        """The kernel in the GPU's own code, the bytes of its parameters, and its stream."""
        text, module, function = path.read_text(encoding="utf-8"), c_void_p(), c_void_p()
        made = path.with_suffix(".cubin")
        image = made.read_bytes() if made.exists() else text.encode() + b"\0"
        status = self._library.cuModuleLoadData(byref(module), image)
        if status == NEWER_TEXT:
            version = c_int()
            self._call("cuDriverGetVersion", byref(version))
            major, minor = version.value // 1000, version.value % 1000 // 10
            raise ConfigError(
                f"the driver is of CUDA {major}.{minor}, older than the compiler of the kernels",
                field="device", fix="Take a driver of CUDA 12.9 or newer.",
            )  # fmt: skip
        if status:
            raise RuntimeError(f"{path}: {status} {self._words(status)}")
        self._modules.append(module)
        entry, sizes = parameters_of(text)
        self._call("cuModuleGetFunction", byref(function), module, entry.encode())
        if shared:
            self._call("cuFuncSetAttribute", function, c_int(MOST_SHARED), c_int(shared))
            self._call("cuFuncSetAttribute", function, c_int(CARVEOUT), c_int(100))
        return function, sizes, self._streams[len(self._kernels) % STREAMS]


def _let_go(
    library: Any,
    context: c_void_p,
    held: set[int],
    modules: list[c_void_p],
    streams: list[c_void_p],
) -> None:
    """Give back all but the context; at the end of the process the driver may have done so."""
    if not library.cuCtxSetCurrent(context):
        for address in held:
            library.cuMemFree_v2(c_void_p(address))
        for module in modules:
            library.cuModuleUnload(module)
        for stream in streams:
            if stream:
                library.cuStreamDestroy_v2(stream)


class _Launch:
    """See :class:`Launch`."""

    def __init__(
        self, gpu: Gpu, function: c_void_p, kernel: Written, values: list[Any], stream: c_void_p
    ) -> None:
        self._gpu, self._function, self._values = gpu, function, values
        self._pointers = (c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        self._one, self._lanes, self._stream = c_uint(1), c_uint(LANES), stream
        self._warps, self._shared = c_uint(kernel.warps), c_uint(kernel.shared)

    def __call__(self, blocks: int, first: int, last: int) -> None:
        self._values[0].value, self._values[1].value = first, last
        one, none = self._one, c_void_p(0)
        self._gpu._call(
            "cuLaunchKernel", self._function, c_uint(blocks), one, one, self._lanes, self._warps,
            one, self._shared, self._stream, self._pointers, none,
        )  # fmt: skip


def parameters_of(assembly: str) -> tuple[str, list[int]]:
    """The name of a kernel, and the bytes of each parameter."""
    entry = re.search(r"\.entry\s+([\w$]+)\s*\((.*?)\)", assembly, re.DOTALL)
    assert entry is not None
    return entry[1], [int(n) // 8 for n in re.findall(r"\.param \.[a-z](\d+)", entry[2])]


def sizes_of(values: Iterable[Any]) -> list[int]:
    """The bytes of parameters that have these values."""
    return list(map(ctypes.sizeof, values))


def flattened(value: Any) -> Any:
    """Arguments as Numba's kernels take them: an array is five words, its shape and its strides."""
    word = ctypes.c_int64
    if isinstance(value, Array):
        size, n = value.dtype.itemsize, int(np.prod(value.shape))
        yield from (c_void_p(0), c_void_p(0), word(n), word(size), c_void_p(value.address))
        yield from (word(length) for length in value.shape)
        for k in range(len(value.shape)):
            yield word(size * int(np.prod(value.shape[k + 1 :])))
    elif isinstance(value, tuple):
        for part in value:
            yield from flattened(part)
    elif value is None:
        yield c_void_p(0)
    elif isinstance(value, np.uint64):
        yield ctypes.c_uint64(int(value))
    elif isinstance(value, int):
        yield word(value)
    elif isinstance(value, np.float32):
        yield ctypes.c_float(float(value))
    elif isinstance(value, float):
        yield ctypes.c_double(value)
    else:
        raise TypeError(f"{value!r} cannot be given to a kernel")


class Simulated:
    """A GPU that numba-cuda simulates: ``NUMBA_ENABLE_CUDASIM=1``."""

    capability, shared, simulated = (9, 0), 227 * 1024, True

    def use(self) -> None:
        pass

    def put(self, array: np.ndarray) -> np.ndarray:
        return array.copy()

    def room(self, n: int, dtype: Any) -> np.ndarray:
        return np.zeros(n, dtype)

    def write(self, to: np.ndarray, array: np.ndarray, at: int = 0) -> None:
        to.reshape(-1)[at : at + array.size] = array.reshape(-1)

    def read(self, array: np.ndarray, begin: int = 0, end: int | None = None) -> np.ndarray:
        return array.reshape(-1)[begin:end].copy()

    def copy(self, to: np.ndarray, array: np.ndarray) -> None:
        to[: len(array)] = array

    def free(self, array: np.ndarray) -> None:
        pass

    def wait(self) -> None:
        pass

    def bind(self, kernel: Written, assembly: Path | None, arguments: tuple[Any, ...]) -> Launch:
        from numba import cuda

        function = cuda.jit(kernel.function)

        def launch(blocks: int, first: int, last: int) -> None:
            function[blocks, (LANES, kernel.warps), 0, kernel.shared](first, last, *arguments)

        return launch


class Elsewhere:
    """A GPU that is not here: kernels are compiled for it, and nothing runs.

    Attributes
    ----------
    found : the files of the kernels.
    """

    simulated = False

    def __init__(self, capability: tuple[int, int]) -> None:
        self.capability = capability
        self.shared = SHARED_KB.get(capability, 99) * 1024 - OWN
        self.found: list[Path] = []

    def use(self) -> None:
        pass

    def put(self, array: np.ndarray) -> Array:
        return Array(0, array.shape, array.dtype)

    def room(self, n: int, dtype: Any) -> Array:
        return Array(0, (n,), np.dtype(dtype))

    def write(self, to: Array, array: np.ndarray, at: int = 0) -> None:
        pass

    def read(self, array: Array, begin: int = 0, end: int | None = None) -> np.ndarray:
        n = int(np.prod(array.shape))
        return np.zeros((n if end is None else end) - begin, array.dtype)

    def copy(self, to: Array, array: Array) -> None:
        pass

    def free(self, array: Array) -> None:
        pass

    def wait(self) -> None:
        pass

    def bind(self, kernel: Written, assembly: Path | None, arguments: tuple[Any, ...]) -> Launch:
        assert assembly is not None
        _, sizes = parameters_of(assembly.read_text(encoding="utf-8"))
        if sizes != sizes_of(flattened((0, 0, *arguments))):
            raise RuntimeError(f"{assembly} has other parameters than it will be given")
        if assembly not in self.found:
            self.found.append(assembly)
        return lambda blocks, first, last: None


#: In whose place the first GPU is not asked for.
_elsewhere: list[Elsewhere] = []


@contextmanager
def elsewhere(capability: tuple[int, int]) -> Iterator[Elsewhere]:
    """Engines that are made meanwhile compile for a GPU of this compute capability."""
    _elsewhere.append(Elsewhere(capability))
    try:
        yield _elsewhere[-1]
    finally:
        _elsewhere.pop()


def machine() -> Gpu | Simulated | Elsewhere:
    """The first GPU, or in its place a simulated one, or one that is elsewhere."""
    if _elsewhere:
        return _elsewhere[-1]
    return Simulated() if getattr(config, "ENABLE_CUDASIM", 0) else Gpu()
