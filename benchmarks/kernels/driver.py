"""NVIDIA's driver, as far as running kernels needs it: no other package, no compiler.

Names of functions are the driver's own; all others say what they do. Everything happens on the
default stream, in order.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import byref, c_float, c_int, c_size_t, c_uint, c_void_p
from typing import Any

import numpy as np

ATTRIBUTES = {
    "multiprocessors": 16, "clock_kHz": 13, "memory_clock_kHz": 36, "bus_bits": 37, "l2_bytes": 38,
    "shared_bytes_of_multiprocessor": 81, "shared_bytes_of_block": 97, "registers": 82,
    "major": 75, "minor": 76,
}  # fmt: skip
OF_FUNCTION = {"shared": 1, "constant": 2, "local": 3, "registers": 4}
MOST_SHARED, CARVEOUT = 8, 9


class Driver:
    """The first GPU, its primary context current on this thread."""

    def __init__(self) -> None:
        self._live: set[int] = set()
        self._library = ctypes.CDLL(os.environ.get("LIBCUDA", "libcuda.so.1"))
        device, context = c_int(), c_void_p()
        self.call("cuInit", c_uint(0))
        self.call("cuDeviceGet", byref(device), c_int(0))
        self.device = device.value
        self.call("cuDevicePrimaryCtxRetain", byref(context), device)
        self.call("cuCtxSetCurrent", context)
        self.attributes = {name: self._attribute(k) for name, k in ATTRIBUTES.items()}

    def call(self, name: str, *arguments: Any) -> None:
        """Call the driver.

        Raises
        ------
        RuntimeError : with the driver's words.
        """
        status = getattr(self._library, name)(*arguments)
        if status:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(c_int(status), byref(text))
            raise RuntimeError(f"{name}: {status} {(text.value or b'').decode()}")

    def _attribute(self, number: int) -> int:
        value = c_int()
        ask = self._library.cuDeviceGetAttribute  # 0 for what a driver does not tell
        return 0 if ask(byref(value), c_int(number), c_int(self.device)) else value.value

    def about(self) -> dict[str, Any]:
        """What GPU it is."""
        name, version = ctypes.create_string_buffer(100), c_int()
        self.call("cuDeviceGetName", name, c_int(100), c_int(self.device))
        self.call("cuDriverGetVersion", byref(version))
        free, total = self.memory()
        return self.attributes | {
            "name": name.value.decode(), "driver_cuda": version.value, "free": free, "total": total,
        }  # fmt: skip

    def memory(self) -> tuple[int, int]:
        """Bytes free, and in all."""
        free, total = c_size_t(), c_size_t()
        self.call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value, total.value

    def allocate(self, size: int) -> int:
        """Address of so many bytes, not written to."""
        address = c_void_p()
        self.call("cuMemAlloc_v2", byref(address), c_size_t(max(size, 16)))
        self._live.add(address.value or 0)
        return address.value or 0

    def free_all(self) -> None:
        """Give back whatever was allocated."""
        for address in list(self._live):
            self.free(address)

    def free(self, address: int) -> None:
        """Give memory back."""
        self._live.discard(address)
        self.call("cuMemFree_v2", c_void_p(address))

    def upload(self, address: int, array: np.ndarray) -> None:
        """Copy to the GPU."""
        array = np.ascontiguousarray(array)
        if array.nbytes:
            source = c_void_p(array.ctypes.data)
            self.call("cuMemcpyHtoD_v2", c_void_p(address), source, c_size_t(array.nbytes))

    def download(self, address: int, like: np.ndarray) -> np.ndarray:
        """Copy from the GPU."""
        out = np.empty_like(like)
        if out.nbytes:
            target = c_void_p(out.ctypes.data)
            self.call("cuMemcpyDtoH_v2", target, c_void_p(address), c_size_t(out.nbytes))
        return out

    def tile(self, address: int, array: np.ndarray, times: int) -> None:
        """Write an array so many times, one after the other."""
        array = np.ascontiguousarray(array)
        self.upload(address, array)
        done, size = 1, array.nbytes
        while done < times and size:
            more = min(done, times - done)
            self.copy(address + done * size, address, more * size)
            done += more

    def copy(self, to: int, source: int, size: int) -> None:
        """Copy within the GPU."""
        self.call("cuMemcpyDtoD_v2", c_void_p(to), c_void_p(source), c_size_t(size))

    def wait(self) -> None:
        """Until everything is done."""
        self.call("cuCtxSynchronize")

    def module(self, path: str) -> c_void_p:
        """Load a cubin."""
        module = c_void_p()
        with open(path, "rb") as file:
            self.call("cuModuleLoadData", byref(module), file.read())
        return module


class Events:
    """Time on the GPU between two marks."""

    def __init__(self, driver: Driver) -> None:
        self.driver, self.events = driver, (c_void_p(), c_void_p())
        for event in self.events:
            driver.call("cuEventCreate", byref(event), c_uint(0))

    def mark(self, which: int) -> None:
        """0: begin, 1: end."""
        self.driver.call("cuEventRecord", self.events[which], c_void_p(0))

    def seconds(self) -> float:
        """Between begin and end, once both have passed."""
        elapsed = c_float()
        self.driver.call("cuEventSynchronize", self.events[1])
        self.driver.call("cuEventElapsedTime", byref(elapsed), *self.events)
        return elapsed.value * 1e-3


class Kernel:
    """A kernel of a cubin."""

    def __init__(self, driver: Driver, entry: dict, path: str) -> None:
        self.driver, self.entry = driver, entry
        self._module, self.function = driver.module(path), c_void_p()
        name = entry["entry"].encode()
        driver.call("cuModuleGetFunction", byref(self.function), self._module, name)
        self.shared = entry["shared"]
        if self.shared:
            driver.call("cuFuncSetAttribute", self.function, c_int(MOST_SHARED), c_int(self.shared))
            driver.call("cuFuncSetAttribute", self.function, c_int(CARVEOUT), c_int(100))
        self.threads = entry["threads"][0] * entry["threads"][1]

    def about(self) -> dict[str, int]:
        """Registers and local memory of a thread, blocks on a multiprocessor."""
        found, blocks = {}, c_int()
        for name, number in OF_FUNCTION.items():
            value = c_int()
            self.driver.call("cuFuncGetAttribute", byref(value), c_int(number), self.function)
            found[name] = value.value
        self.driver.call(
            "cuOccupancyMaxActiveBlocksPerMultiprocessor", byref(blocks), self.function,
            c_int(self.threads), c_size_t(self.shared),
        )  # fmt: skip
        return found | {"blocks": blocks.value}

    def launch(self, blocks: int, values: list) -> None:
        """Run it; ``values`` as :func:`flattened` gives them."""
        pointers = (c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        x, y = self.entry["threads"]
        self.driver.call(
            "cuLaunchKernel", self.function, c_uint(blocks), c_uint(1), c_uint(1), c_uint(x),
            c_uint(y), c_uint(1), c_uint(self.shared), c_void_p(0), pointers, c_void_p(0),
        )  # fmt: skip


NUMBERS = {
    "int32": ctypes.c_int32, "int64": ctypes.c_int64, "float32": ctypes.c_float,
    "float64": ctypes.c_double,
}  # fmt: skip


def flattened(parameters: list, values: dict[str, Any], arrays: dict[str, tuple]) -> list:
    """Numbers as Numba's kernels take them: an array is five words, its shape and its strides.

    Parameters
    ----------
    parameters : of the kernel.
    values : numbers by name.
    arrays : address, shape and type by name.
    """
    flat: list = []
    word = ctypes.c_int64
    for name, what, kind, dimensions in parameters:
        if what == "number":
            flat.append(NUMBERS[kind](values[name]))
            continue
        address, shape, dtype = arrays[name]
        assert str(dtype) == kind and len(shape) == dimensions, (name, dtype, shape)
        items, size = int(np.prod(shape)), np.dtype(dtype).itemsize
        strides = [size * int(np.prod(shape[k + 1 :])) for k in range(dimensions)]
        flat += [c_void_p(0), c_void_p(0), word(items), word(size), c_void_p(address)]
        flat += [word(int(n)) for n in (*shape, *strides)]
    return flat
