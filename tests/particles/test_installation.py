"""One version for both packages, and an environment in which files of another project are mixed with ours."""

import shutil
import subprocess
import sys
import tomllib

import pytest
from source_tree import PACKAGES, ROOT

import meanfield
import particles
from particles.dataset import source
from particles.installation import DISTRIBUTION, _hash, check_installation


@pytest.fixture
def site(tmp_path):
    """A folder as an installer leaves it: the packages' entries and the list of them."""
    lines = []
    for package in PACKAGES:
        (tmp_path / package / "inner").mkdir(parents=True)
        (tmp_path / package / "__pycache__").mkdir()
        for name in ("__init__.py", "inner/part.py"):
            path = tmp_path / package / name
            path.write_text(f"# {package} {name}\n")
            lines.append(f"{package}/{name},{_hash(path)},{path.stat().st_size}")
    info = tmp_path / "attention_meanfield-0.1.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("\n".join([*lines, "attention_meanfield-0.1.0.dist-info/RECORD,,", ""]))
    return tmp_path


def test_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["name"] == DISTRIBUTION
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "particles/installation.py"
    assert particles.__version__ == meanfield.__version__
    assert f"version: {particles.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert source() == f"attention-meanfield {particles.__version__}"


def test_an_installation_of_this_project_alone_is_right(site):
    check_installation(site)


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("name", ["core.py", "other/part.py"])
def test_a_file_of_another_project_is_named(site, package, name):
    path = site / package / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    with pytest.raises(ImportError, match=f"{package}/{name.split('/')[0]} is no file of {DISTRIBUTION}") as refused:
        check_installation(site)
    assert "fresh environment" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("spoil", [lambda path: path.write_text("# theirs\n"), lambda path: path.unlink()])
def test_an_entry_written_over_or_removed_is_named(site, package, spoil):
    spoil(site / package / "__init__.py")
    with pytest.raises(ImportError, match=rf"{package}/__init__\.py is not the file"):
        check_installation(site)


def test_a_checkout_and_an_editable_installation_are_not_compared(site):
    (record,) = site.glob("*.dist-info/RECORD")
    (site / "particles" / "core.py").write_text("")
    record.write_text("_attention_meanfield.pth,,\n")
    check_installation(site)
    record.unlink()
    check_installation(site)


def imported(folder, module):
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import {module}"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)


def test_importing_fails_in_one_sentence_where_a_foreign_package_is_first(tmp_path):
    shutil.copytree(ROOT / "meanfield", tmp_path / "meanfield", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "particles").mkdir()
    (tmp_path / "particles" / "__init__.py").write_text("from particles import core\n")
    (tmp_path / "particles" / "core.py").write_text("class SMC: pass\n")
    done = imported(tmp_path, "meanfield")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: `particles`, which meanfield stands on, is missing or")
    assert "During handling" not in done.stderr


def test_importing_fails_in_one_sentence_where_files_are_mixed(site):
    for package in PACKAGES:
        shutil.rmtree(site / package)
        shutil.copytree(ROOT / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    (record,) = site.glob("*.dist-info/RECORD")
    names = [path.relative_to(site) for package in PACKAGES for path in (site / package).rglob("*") if path.is_file()]
    record.write_text("".join(f"{name.as_posix()},{_hash(site / name)},1\n" for name in names))
    (site / "particles" / "smc_samplers.py").write_text("")
    for module in PACKAGES:
        done = imported(site, module)
        assert done.returncode == 1
        assert "smc_samplers.py is no file of attention-meanfield" in done.stderr.splitlines()[-1]
    (site / "particles" / "smc_samplers.py").unlink()
    assert imported(site, "meanfield").stderr == ""
