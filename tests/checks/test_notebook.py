"""`resnet-lessons check` runs a whole notebook in a process of its own, and survives what only a process can stop."""

import json
from pathlib import Path

from resnet_lessons import cli
from resnet_lessons.checks import notebook_table
from resnet_lessons.checks.notebook import Report, check_notebook
from tests.command_line import assert_one_line

import psutil
import pytest

RIGHT = """
import torch
from torch import nn
class MyBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.f = nn.Sequential(
            nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c), nn.ReLU(),
            nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c))
    def forward(self, x):
        return torch.relu(x + self.f(x))
"""


def write(path: Path, *sources: str, tasks: str | None = "chapter_01") -> Path:
    cells = [{"cell_type": "code", "metadata": {}, "source": source, "outputs": []} for source in sources]
    metadata = {"resnet_lessons": {"tasks": tasks}} if tasks else {}
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


def test_what_ends_the_process_is_reported_and_the_rest_is_judged(tmp_path):
    report = check_notebook(
        write(
            tmp_path / "mine.ipynb",
            RIGHT,
            "parameters = 18560",
            "import os; os._exit(7)",
            "prediction = undefined_name",
            "import os\nclass Repaired(MyBlock):\n    def forward(self, x): os._exit(3)",
            "class TwoLines(MyBlock):\n    def forward(self, x): return torch.relu(self.f(x))",
            "ex.basic_block.check(MyBlock)  # what a learner runs herself is not run again\nex.count.hint()",
        )
    )
    found = {key: outcome["status"] for key, outcome in report.outcomes.items()}
    assert found == {
        "two_lines": "not yet", "repair": "not yet", "count": "right", "basic_block": "right",
        "predict": "not attempted", "residual_mlp": "not attempted",
    }  # fmt: skip
    assert report.outcomes["two_lines"]["mistakes"] == ["no_addition"]
    assert "ended the Python process" in report.outcomes["repair"]["observed"][0]
    assert any("Code cell 3 ended the Python process" in note for note in report.notes)
    assert any("Code cell 4 raised NameError" in note for note in report.notes)
    assert report.right == 2


def test_a_cell_that_never_ends_is_left_out(tmp_path):
    path = write(tmp_path / "mine.ipynb", "parameters = 18560", "while True: pass")
    before = kernels()  # of tests that ran in this process, such as those in a browser
    report = check_notebook(path, seconds=2)
    assert report.outcomes["count"]["status"] == "right"
    assert "Code cell 2 was still running after 2 seconds" in report.notes[0]
    assert set(kernels()) <= set(before)


def kernels() -> list[str]:
    """Command lines of the kernels that this process has started and that still run."""
    running = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
    return [line for line in running if "ipykernel" in line]


def test_the_command_prints_a_table_or_json_and_fails_unless_all_is_right(tmp_path, capsys, monkeypatch):
    path = write(tmp_path / "mine.ipynb", "parameters = 18560 + 64")
    assert cli.run(["check", str(path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [task["task"] for task in found["tasks"]][:2] == ["two_lines", "count"]
    assert {"counted_biases"} == {key for task in found["tasks"] for key in task["mistakes"]}
    assert found["right"] == 0
    assert "biases counted\nThe convolutions have none" in found["tasks"][1]["explanation"]
    monkeypatch.setattr(notebook_table, "check_notebook", lambda path, seconds: report_of(path, found))
    assert cli.run(["check", str(path)]) == 1
    captured = capsys.readouterr()
    assert "18,624 is not right" in captured.out
    assert "biases" not in captured.out  # the mistake's name is for those who ask
    assert "--explain names the mistakes in count." in captured.out
    assert "0 of 6 right." in captured.out
    assert captured.err == ""
    assert cli.run(["check", str(path), "--explain"]) == 1
    assert "count: biases counted\nThe convolutions have none" in capsys.readouterr().out


def report_of(path, found: dict) -> Report:
    """What was printed as JSON, as it was: one kernel serves for all forms of the answer."""
    return Report(path, {task["task"]: task for task in found["tasks"]}, found["notes"])


def test_a_file_that_is_no_exercise_is_one_line(tmp_path, capsys):
    assert_one_line(["check", str(write(tmp_path / "mine.ipynb", "1", tasks=None))], "is no exercise", capsys)
    assert_one_line(["check", str(tmp_path / "nowhere.ipynb")], "nowhere.ipynb", capsys)


@pytest.mark.parametrize(
    ("content", "message"), [("{", "is not a readable notebook"), (None, "is no exercise"), ("chapter_99", "no tasks")]
)
def test_what_is_no_exercise_is_refused(tmp_path, content, message):
    path = tmp_path / "mine.ipynb"
    if content == "{":
        path.write_text(content)
    else:
        write(path, "1", tasks=content)
    with pytest.raises(ValueError, match=message):
        check_notebook(path)
