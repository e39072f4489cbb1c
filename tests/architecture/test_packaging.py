"""The same package from a checkout, a wheel and a conda environment."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("gpu_pipeline", "kernels", "resilience")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def requirements_of(extra):
    """Requirements of an extra, those of the extras it names included."""
    for requirement in map(Requirement, EXTRAS[extra]):
        if requirement.name == PROJECT["name"]:
            for inner in sorted(requirement.extras):
                yield from requirements_of(inner)
        else:
            yield requirement


def sources():
    """Names in the wheel of all files of the tree; rglob does not follow symlinks."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                inside = path.relative_to(ROOT).as_posix()
                yield inside if folder == "gpu_pipeline" else f"gpu_pipeline/{inside}"


@pytest.mark.parametrize("folder", ["kernels", "resilience"])
def test_symlink_leads_to_top_level_folder(folder):
    """A checkout without symlinks leaves a text file there, and type checkers see no package."""
    link = ROOT / "gpu_pipeline" / folder
    assert link.is_symlink()
    assert link.readlink() == Path("..") / folder
    assert link.resolve() == ROOT / folder


def test_conda_environment_agrees_with_pyproject():
    """The file repeats the name, the Python version and the extras, which a change of pyproject.toml forgets."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["name"]
    conda = [Requirement(line) for line in environment["dependencies"] if isinstance(line, str)]
    assert {line.name: line.specifier for line in conda} == {
        "python": SpecifierSet(PROJECT["requires-python"]),
        "pip": SpecifierSet(),
    }
    (pip,) = [line["pip"] for line in environment["dependencies"] if isinstance(line, dict)]
    (editable,) = [Requirement(line.replace("-e .", PROJECT["name"])) for line in pip]
    assert editable.extras == {"demo", "dev"}
    assert editable.extras <= EXTRAS.keys()


def test_constraints_name_versions_and_no_places():
    """A compiled file can carry the address of the index it was made with, which nobody else can reach."""
    for line in (ROOT / "requirements" / "constraints.txt").read_text(encoding="utf-8").splitlines():
        requirement = Requirement(line)
        assert requirement.url is None, line
        assert [pin.operator for pin in requirement.specifier] == ["=="], line


def test_constraints_satisfy_every_requirement():
    """A requirement added without compiling the file anew is installed unpinned, or not at all."""
    pins = {}
    for line in (ROOT / "requirements" / "constraints.txt").read_text(encoding="utf-8").splitlines():
        pin = Requirement(line)
        pins.setdefault(canonicalize_name(pin.name), []).extend(part.version for part in pin.specifier)
    wanted = [Requirement(line) for line in PROJECT["dependencies"]]
    wanted += [requirement for extra in ("dev", "demo", "jax", "dask") for requirement in requirements_of(extra)]
    for requirement in wanted:
        assert pins.get(canonicalize_name(requirement.name)), f"{requirement} is not in the constraints"
        assert all(requirement.specifier.contains(version) for version in pins[canonicalize_name(requirement.name)])


def test_no_extra_mixes_cuda_generations():
    """Wheels for CUDA 12 and 13 depend on different versions of one package: pip finds no solution."""
    for extra in EXTRAS:
        names = {requirement.name for requirement in requirements_of(extra)}
        assert not {"cupy-cuda12x", "cupy-cuda13x"} <= names, extra


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Wheel of the tree as it stands, built aside: build/ of a checkout may hold modules that are gone."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, tree]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_every_file_once(wheel):
    """A subpackage left out of the list is missing from the wheel; one found through a symlink is in it twice."""
    with zipfile.ZipFile(wheel) as archive:
        names = Counter(name for name in archive.namelist() if ".dist-info/" not in name)
    assert set(names.values()) == {1}
    assert sorted(names) == sorted(sources())


def test_wheel_states_its_license(wheel):
    """A wrong metadata version drops the license expression, and the wheel is of unknown license."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        assert "License-Expression: Apache-2.0" in archive.read(metadata).decode()
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
