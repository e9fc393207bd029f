"""Modules that one version of a model has to itself.

Two versions may each have a ``helper.py``. A version's folder is a package of its own in
``sys.modules``, and code in it that writes ``import helper`` gets the one that lies beside it,
whenever it runs, without ``sys.path`` being touched.
"""

import builtins
import hashlib
import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from pathlib import Path
from types import ModuleType
from typing import Any


def import_private(folder: Path, name: str) -> ModuleType:
    """Import ``name`` from ``folder``, afresh; its own imports look into ``folder`` first.

    What the module raises while it is imported comes through.
    """
    package = package_name(folder)
    forget(folder)
    root = ModuleType(package, "One version's folder.")
    root.__path__ = [str(folder)]
    sys.modules[package] = root
    sys.meta_path.insert(0, _Finder(package, folder))
    return importlib.import_module(f"{package}.{name}")


def forget(folder: Path) -> None:
    """Drop the modules that were imported from ``folder``; objects made from them live on."""
    package = package_name(folder)
    sys.meta_path[:] = [
        finder
        for finder in sys.meta_path
        if not (isinstance(finder, _Finder) and finder.package == package)
    ]
    for name in [one for one in sys.modules if one == package or one.startswith(package + ".")]:
        del sys.modules[name]


def package_name(folder: Path) -> str:
    """Return the name of the package that stands for ``folder``: the same one for the same path."""
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return f"headrace_version_{digest}"


class _Finder:
    """Finds the modules of one version's package, and of the packages in it."""

    def __init__(self, package: str, folder: Path) -> None:
        self.package = package
        private_import = self._import

        class PrivateSource(SourceFileLoader):
            """Runs a module whose import statements ask the version's folder first."""

            def exec_module(self, module: ModuleType) -> None:
                # An import statement calls the `__import__` of its module's own builtins.
                module.__dict__["__builtins__"] = {
                    **builtins.__dict__,
                    "__import__": private_import,
                }
                super().exec_module(module)

        self._loaders: tuple[tuple[type[Any], list[str]], ...] = (
            (ExtensionFileLoader, EXTENSION_SUFFIXES),
            (PrivateSource, SOURCE_SUFFIXES),
        )
        self._root = FileFinder(str(folder), *self._loaders)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(self.package + ".") or path is None:
            return None
        for entry in path:
            spec = FileFinder(entry, *self._loaders).find_spec(fullname, target)
            if spec is not None:
                return spec
        return None

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 - the signature of __import__
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        top = name.partition(".")[0]
        if level or not self._is_here(top):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        private = f"{self.package}.{name}"
        module = builtins.__import__(private, globals, locals, fromlist or (), 0)
        # `import a.b` binds `a`, which for us is the second part of the name.
        return module if fromlist else sys.modules[f"{self.package}.{top}"]

    def _is_here(self, top: str) -> bool:
        spec = self._root.find_spec(f"{self.package}.{top}")
        # A folder without __init__.py is data, or a package spread over many places: not ours.
        return spec is not None and spec.loader is not None
