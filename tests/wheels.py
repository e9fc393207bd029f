"""A package in two versions, as wheels in a folder, for environments that are installed from it."""

import zipfile
from pathlib import Path
from typing import Final

#: What the distribution is called; its module has underscores, and says which version it is.
NAME: Final = "headrace-tests-number"
MODULE: Final = "headrace_tests_number"


def write(folder: Path) -> None:
    """Write both wheels."""
    folder.mkdir(parents=True, exist_ok=True)
    for version in ("1.0", "2.0"):
        info = f"{MODULE}-{version}.dist-info"
        files = {
            f"{MODULE}.py": f"NUMBER = {version}\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
        with zipfile.ZipFile(folder / f"{MODULE}-{version}-py3-none-any.whl", "w") as wheel:
            for name, text in (files | {f"{info}/RECORD": record}).items():
                wheel.writestr(name, text)


def requirements(wheels: Path, version: str) -> str:
    """Return a requirements file that asks for one of them, and for nothing from a network."""
    return f"--no-index\n--find-links {wheels}\n{NAME}=={version}\n"
