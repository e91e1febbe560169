"""A right block is kept, and given back in another notebook; everything else stays as it was."""

import json
import linecache
import re
from itertools import count
from pathlib import Path
from types import SimpleNamespace

from resnet_lessons import learner
from resnet_lessons.checks import chapter_01, chapter_02, kept
from resnet_lessons.checks.kept import folder, source_of
from resnet_lessons.checks.notebook import tasks_of
from resnet_lessons.frameworks import FRAMEWORKS

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
NUMBER = count()
TORCH = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n"
BLOCK = """
class MyBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        # two of each
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
"""
KERAS = "import keras\nfrom keras import layers, ops\n"
KERAS_BLOCK = """
def MyKerasBlock(channels):
    def conv():
        return layers.Conv2D(channels, 3, padding="same", use_bias=False)

    def norm():
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)

    x = keras.Input((None, None, channels))
    return keras.Model(x, ops.relu(x + norm()(conv()(ops.relu(norm()(conv()(x)))))))
"""
ex = chapter_01


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    """A learner's folder, empty."""
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path))
    return tmp_path / "my_blocks"


class Notebook:
    """Runs cells as IPython does: each has a file name of its own, and its source is in Python's line cache."""

    def __init__(self) -> None:
        self.globals: dict = {
            "__name__": "__main__",
            "ex": ex,
            "get_ipython": lambda: SimpleNamespace(run_line_magic=print),
        }

    def run(self, source: str):
        name = f"<cell {next(NUMBER)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), self.globals)
        return self.globals


def checked(*cells: str, name: str = "MyBlock"):
    """The outcome of the basic block's check for a notebook of these cells."""
    notebook = Notebook()
    for cell in cells:
        notebook.run(cell)
    return ex.basic_block.check(notebook.globals[name])


@pytest.mark.parametrize(
    ("framework", "cells", "name"),
    [("pytorch", (TORCH, BLOCK), "MyBlock"), ("tensorflow", (KERAS, KERAS_BLOCK), "MyKerasBlock")],
)
def test_a_right_block_is_given_back_with_its_imports(framework, cells, name, work, capsys):
    outcome = checked(*cells, name=name)
    assert outcome.right
    file = work / f"basic_block_{framework}.py"
    assert outcome.observed[-1].startswith(f"Kept as my_blocks/{file.name}: ")
    again = kept("basic_block", framework)
    assert again.__module__ == f"my_blocks.basic_block_{framework}"
    assert ex.basic_block.check(again).right  # it stands alone, and can be carried on from there
    assert capsys.readouterr().out == ""
    assert "# two of each" in file.read_text() or framework == "tensorflow"


def test_what_else_stands_in_the_cell_is_left_out(work):
    cell = f"""
get_ipython().run_line_magic('timeit', '1 + 1')
print("trying it out")
UNUSED = open("nowhere") if False else 1
KERNEL, AROUND = 3, 1
MyBlock = None
{BLOCK.replace("channels, 3, padding=1", "channels, KERNEL, padding=AROUND")}
MyBlock.author = "me"
outcome = ex.basic_block.check(MyBlock)
block = MyBlock(8)
"""
    notebook = Notebook()
    notebook.run(TORCH)
    notebook.run(cell)
    assert notebook.globals["outcome"].right
    text = (work / "basic_block_pytorch.py").read_text()
    assert "KERNEL, AROUND = 3, 1" in text
    assert not re.search(r"timeit|print|UNUSED|ex\.|block = MyBlock", text), text
    assert kept("basic_block", "pytorch").author == "me"


@pytest.mark.parametrize(
    "last",
    [
        "class Other(MyBlock):\n    pass\nMyBlock = Other",
        "make = MyBlock\nMyBlock = lambda channels: make(channels)",
        "def decorated(one):\n    return one\n\n@decorated\ndef build(channels):\n    return MyBlock(channels)\n",
    ],
    ids=["a subclass", "lambda", "a decorated function"],
)
def test_it_may_have_any_form(last):
    name = "build" if "build" in last else "MyBlock"
    assert checked(TORCH, f"{BLOCK}\n{last}", name=name).observed[-1].startswith("Kept as ")
    assert ex.basic_block.check(kept("basic_block", "pytorch")).right


def test_imports_of_other_cells_come_along_under_the_learners_names(work):
    cells = (
        "import torch as th\nimport torch.nn.functional as fun",
        "from torch.nn import Conv2d as Conv, BatchNorm2d",
    )
    block = BLOCK.replace("nn.Module", "th.nn.Module").replace("nn.Conv2d", "Conv").replace("nn.Batch", "Batch")
    assert checked(*cells, block.replace("F.relu", "fun.relu")).observed[-1].startswith("Kept as ")
    text = (work / "basic_block_pytorch.py").read_text()
    assert "import torch as th\n" in text
    assert "import torch.nn.functional as fun\n" in text
    assert "from torch.nn.modules.conv import Conv2d as Conv\n" in text


def test_a_helper_in_another_cell_is_named_and_the_answer_stays_right(work):
    outcome = checked(TORCH, "def conv(c):\n    return nn.Conv2d(c, c, 3, padding=1, bias=False)\nAROUND = 1",
                      BLOCK.replace("nn.Conv2d(channels, channels, 3, padding=1, bias=False)", "conv(channels)"))  # fmt: skip
    assert outcome.right
    assert outcome.observed[-1] == (
        "Not kept for later exercises: it uses conv, which another cell defines. Put that into the same cell, and check "
        "again."
    )
    assert not work.exists()


def test_code_without_a_source_cannot_be_kept():
    namespace: dict = {"__name__": "__main__"}
    exec(TORCH + BLOCK, namespace)
    outcome = ex.basic_block.check(namespace["MyBlock"])
    assert outcome.right
    assert "its source is not known here" in outcome.observed[-1]


def test_a_block_that_is_broken_later_does_not_replace_the_kept_one(work):
    assert checked(TORCH, BLOCK).right
    before = (work / "basic_block_pytorch.py").read_bytes()
    assert not checked(TORCH, BLOCK.replace("x + ", "")).right
    assert checked(TORCH, "one = 1", BLOCK.replace("x + ", "one * x + ")).right  # right, and cannot be carried
    assert (work / "basic_block_pytorch.py").read_bytes() == before
    assert [path.name for path in work.iterdir()] == ["basic_block_pytorch.py"]


def test_graded_cells_and_whole_notebooks_keep_nothing(work):
    notebook = Notebook()
    notebook.run(TORCH)
    ex.basic_block.graded(notebook.run(BLOCK))
    assert not work.exists()


def test_a_folder_that_cannot_be_written_is_said(work):
    work.write_text("a file in the folder's place")
    outcome = checked(TORCH, BLOCK)
    assert outcome.right
    assert outcome.observed[-1].startswith("Not kept for later exercises: ")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_where_nothing_is_kept_the_courses_own_comes_and_a_sentence_says_so(framework, capsys):
    block = kept("projection", framework)
    assert capsys.readouterr().out == (
        f"Nothing of yours is kept yet for 'projection' in {framework}: this is the course's own. "
        "`ex.projection.check(…)` in exercise 02_shortcut_projection keeps yours.\n"
    )
    assert chapter_02.projection._judge(block).right


def test_with_neither_the_error_says_what_to_do(monkeypatch):
    def nowhere():
        raise ValueError("the notebooks are not here")

    monkeypatch.setattr(learner, "course_folder", nowhere)
    with pytest.raises(ValueError, match=r"In exercise 01_basic_block, `ex\.basic_block\.check\(…\)` keeps your block"):
        kept("basic_block", "pytorch")


@pytest.mark.parametrize("text", ["KEPT = (", "raise RuntimeError('no')", "x = 1"])
def test_a_damaged_file_is_said_and_the_courses_own_comes(text, work, capsys):
    work.mkdir()
    (work / "basic_block_pytorch.py").write_text(text)
    assert chapter_01.basic_block._judge(kept("basic_block", "torch")).right
    assert capsys.readouterr().out.startswith("my_blocks/basic_block_pytorch.py cannot be loaded (")


def test_what_does_not_exist_is_refused_with_what_does():
    with pytest.raises(ValueError, match="there is no block 'count'; kept are 'basic_block', 'option_a', 'projection'"):
        kept("count", "pytorch")
    with pytest.raises(ValueError, match="there is no framework 'jax'"):
        kept("projection", "jax")


def test_blocks_lie_in_the_work_folder_that_the_notebook_is_in(tmp_path, monkeypatch):
    monkeypatch.delenv("RESNET_LESSONS_PROGRESS")
    place = tmp_path / "mine" / "exercises" / "01_basic_block"
    place.mkdir(parents=True)
    (tmp_path / "mine" / learner.RECORD).write_text(json.dumps({}))
    monkeypatch.chdir(place)
    assert folder() == tmp_path / "mine" / "my_blocks"
    monkeypatch.chdir(tmp_path)
    assert folder() == ROOT / "work" / "my_blocks"


def test_nbgrader_gives_nobody_anothers_block(monkeypatch, work):
    assert checked(TORCH, BLOCK).right
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert folder() != work
    assert folder().is_dir()
    assert not list(folder().iterdir())


def test_keys_are_names_of_one_task_only():
    chapters = sorted(path.stem for path in (ROOT / "resnet_lessons/checks").glob("chapter_*.py"))
    keys = [task.key for name in chapters for task in tasks_of(name) if task.keeps]
    assert {"basic_block", "option_a", "projection"} <= set(keys)
    assert len(keys) == len(set(keys))


def test_the_source_binds_one_name_and_computes_the_same():
    import torch

    notebook = Notebook()
    notebook.run(TORCH)
    block = notebook.run(BLOCK)["MyBlock"]
    namespace: dict = {}
    exec(source_of(block), namespace)
    torch.manual_seed(0)
    one = block(4)
    torch.manual_seed(0)
    other = namespace["KEPT"](4)
    x = torch.randn(2, 4, 6, 6)
    np.testing.assert_array_equal(one(x).detach(), other(x).detach())
