"""Every public name exists, and importing the package is fast."""

import subprocess
import sys

import pytest
from conftest import ROOT

import vae_nb


def in_a_new_process(code):
    """Run Python code in a new process, where warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", vae_nb.__all__)
def test_every_exported_name_is_there(name):
    value = getattr(vae_nb, name)
    home = getattr(value, "__module__", None) or getattr(value, "__name__", "vae_nb")
    assert home.startswith("vae_nb")
    assert name in dir(vae_nb)
    if callable(value):
        assert value.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Vae'"):
        _ = vae_nb.Vae


def test_importing_the_core_imports_no_figures_widgets_or_papermill():
    code = (
        "import sys, vae_nb\n"
        "from vae_nb import VAE, load_config, load_images, train, load_or_train\n"
        "heavy = {'matplotlib', 'ipywidgets', 'papermill', 'IPython'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    result = in_a_new_process(code)
    assert result.returncode == 0, result.stderr


def test_importing_the_package_alone_does_not_import_numpy():
    result = in_a_new_process("import sys, vae_nb; assert 'numpy' not in sys.modules")
    assert result.returncode == 0, result.stderr


def test_every_name_can_be_the_first():
    """Each module can be imported without the others."""
    modules = sorted(vae_nb._PUBLIC)
    result = in_a_new_process(
        "import importlib, sys\n"
        f"for module in {modules}:\n"
        "    for name in [name for name in sys.modules if name.startswith('vae_nb')]:\n"
        "        del sys.modules[name]\n"
        "    importlib.import_module(module)\n"
    )
    assert result.returncode == 0, result.stderr
