"""`import tensorflow` and `import keras` write nothing, and hide no error. Each claim runs in a Python of its own.

Most of them use stand-ins for the two packages that write to file descriptor 2 as the real ones do, and load at once.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOISY = "import os\nos.write(2, b'noise from C\\n')\n"


@pytest.fixture
def stub(tmp_path: Path):
    """Write stand-ins for packages, and return a function that runs code which sees them."""

    def run(code: str, *, env: dict[str, str] | None = None, prefix: str = "", **modules: str):
        for name, source in modules.items():
            (tmp_path / f"{name}.py").write_text(source)
        hidden = ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND")
        inherited = {name: value for name, value in os.environ.items() if name not in hidden}
        path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
        command = [sys.executable, "-c", code]
        if prefix:
            command = ["sh", "-c", f'exec "$@" {prefix}', "sh", *command]
        return subprocess.run(
            command, env={**inherited, "PYTHONPATH": path, **(env or {})}, capture_output=True, text=True, timeout=120
        )

    return run


def test_the_stand_in_is_noisy_without_the_package(stub):
    assert stub("import tensorflow", tensorflow=NOISY).stderr == "noise from C\n"


@pytest.mark.parametrize("statement", ["import tensorflow", "import tensorflow as tf", "from tensorflow import os"])
def test_an_import_is_quiet(stub, statement):
    done = stub(f"import resnet_lessons\n{statement}\nprint('loaded')", tensorflow=NOISY)
    assert (done.returncode, done.stdout, done.stderr) == (0, "loaded\n", "")


def test_what_comes_after_the_import_is_seen_again(stub):
    done = stub("import resnet_lessons, tensorflow, os; os.write(2, b'after')", tensorflow=NOISY)
    assert done.stderr == "after"


def test_keras_importing_tensorflow_is_quiet_and_descriptor_2_comes_back(stub):
    code = "import resnet_lessons, keras, os; os.write(2, b'after')"
    done = stub(code, tensorflow=NOISY, keras="import tensorflow\n" + NOISY)
    assert done.stderr == "after"


def test_an_exception_shows_together_with_what_was_written(stub):
    done = stub("import resnet_lessons, tensorflow", tensorflow=NOISY + "raise RuntimeError('broken build')")
    assert done.returncode == 1
    assert done.stderr.startswith("noise from C\n")
    assert done.stderr.endswith("RuntimeError: broken build\n")


def test_an_exception_within_keras_shows_once(stub):
    done = stub("import resnet_lessons, keras", tensorflow=NOISY + "raise RuntimeError('x')", keras="import tensorflow")
    assert done.stderr.count("noise from C") == 1


def test_an_import_that_failed_can_be_repeated(stub):
    code = """
import resnet_lessons, os
for _ in range(2):
    try:
        import tensorflow
    except ImportError as error:
        print(error)
os.write(2, b"after")
"""
    done = stub(code, tensorflow="raise ModuleNotFoundError('made unimportable')")
    assert done.stdout == "made unimportable\n" * 2
    assert done.stderr == "after"


def test_a_missing_package_is_a_plain_module_not_found_error(stub):
    code = """
import resnet_lessons, sys
sys.path[:] = []
sys.path_importer_cache.clear()
sys.meta_path[:] = [f for f in sys.meta_path if "__editable__" not in repr(f)]
import tensorflow
"""
    done = stub(code)
    assert done.stderr.rstrip().endswith("ModuleNotFoundError: No module named 'tensorflow'")
    assert "quiet_tensorflow" not in done.stderr


def test_looking_for_the_package_does_not_load_it(stub):
    code = "import resnet_lessons, sys, importlib.util as u; print(u.find_spec('tensorflow').name, 'tensorflow' in sys.modules)"
    assert stub(code, tensorflow=NOISY).stdout == "tensorflow False\n"


def test_the_loaded_module_carries_its_real_loader(stub):
    code = """
import inspect, resnet_lessons, tensorflow
print(type(tensorflow.__loader__).__name__, type(tensorflow.__spec__.loader).__name__, len(inspect.getsource(tensorflow)))
"""
    assert stub(code, tensorflow="x = 1\n").stdout == "SourceFileLoader SourceFileLoader 6\n"


def test_a_package_already_loaded_is_left_alone(stub):
    code = "import tensorflow as a, resnet_lessons, tensorflow as b, os; print(a is b, 'KERAS_BACKEND' in os.environ)"
    assert stub(code, tensorflow="").stdout == "True False\n"


def test_settings_are_made_for_the_import_only_where_the_learner_has_none(stub):
    code = (
        "import resnet_lessons, tensorflow, os; print(os.environ['KERAS_BACKEND'], os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    )
    assert stub(code, tensorflow="").stdout == "tensorflow 3\n"
    assert stub(code, tensorflow="", env={"KERAS_BACKEND": "torch", "TF_CPP_MIN_LOG_LEVEL": "1"}).stdout == "torch 1\n"


def test_log_level_0_shows_everything(stub):
    done = stub("import resnet_lessons, tensorflow", tensorflow=NOISY, env={"TF_CPP_MIN_LOG_LEVEL": "0"})
    assert done.stderr == "noise from C\n"


@pytest.mark.skipif(os.name == "nt", reason="closes the descriptor with a POSIX shell")
def test_a_closed_descriptor_2_does_no_harm(stub):
    done = stub("import resnet_lessons, tensorflow; print('loaded')", tensorflow="", prefix="2>&-")
    assert (done.returncode, done.stdout) == (0, "loaded\n")


def test_two_threads_importing_at_once_leave_descriptor_2_as_it_was(stub):
    code = """
import importlib, os, resnet_lessons, threading
threads = [threading.Thread(target=importlib.import_module, args=[name]) for name in ("tensorflow", "keras")]
for t in threads: t.start()
for t in threads: t.join()
os.write(2, b"after")
"""
    slow = NOISY + "import time\ntime.sleep({})\n" + NOISY
    done = stub(code, tensorflow=slow.format(0.2), keras=slow.format(0.4))
    assert done.stderr == "after"


def test_the_traceback_of_another_thread_is_not_lost(stub):
    code = """
import resnet_lessons, threading
threading.Timer(0.1, lambda: 1 / 0).start()
import tensorflow
"""
    assert "ZeroDivisionError" in stub(code, tensorflow=NOISY + "import time\ntime.sleep(0.5)").stderr


def test_installing_twice_installs_one_finder(stub):
    code = """
import importlib, resnet_lessons, sys
importlib.reload(resnet_lessons)
print(sum(type(f).__name__ == "QuietFinder" for f in sys.meta_path))
"""
    assert stub(code).stdout == "1\n"


def test_importing_the_course_loads_no_framework_and_nothing_slow(stub):
    code = """
import sys
before = set(sys.modules)
import resnet_lessons
print(sorted(name for name in set(sys.modules) - before if not name.startswith("resnet_lessons")))
"""
    assert stub(code).stdout == "[]\n"


def test_names_are_offered_before_they_are_loaded(stub):
    code = "import resnet_lessons as r; print({'parity', 'resnet_config', 'trace'} <= set(dir(r)), r.progress.__name__)"
    assert stub(code).stdout == "True resnet_lessons.progress\n"


def test_a_name_that_does_not_exist_is_an_attribute_error_that_lists_the_others(stub):
    done = stub("import resnet_lessons; resnet_lessons.resnet")
    assert "AttributeError" in done.stderr
    assert "resnet_config" in done.stderr


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed")
@pytest.mark.parametrize("capture", ["fd", "no"])
def test_the_real_tensorflow_is_quiet_under_pytest_too(tmp_path, capture):
    (tmp_path / "test_it.py").write_text(
        """
import os, subprocess, sys
def test_quiet():
    code = "import resnet_lessons, tensorflow as tf; from tensorflow import keras; keras.layers.Dense(2)(tf.ones((1, 3)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.stderr == b""
"""
        if capture == "no"
        else """
import resnet_lessons
def test_quiet(capfd):
    import tensorflow as tf
    from tensorflow import keras
    keras.layers.Dense(2)(tf.ones((1, 3)))
    assert capfd.readouterr().err == ""
"""
    )
    plain = ["-p", "no:cacheprovider", "-p", "no:nbval"]
    command = [sys.executable, "-m", "pytest", "-q", *plain, f"--capture={capture}", "test_it.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    assert "tensorflow" not in done.stderr.lower()
