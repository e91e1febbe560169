"""Each guard fails a notebook that has its fault, through pytest and nbval as CI runs them."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.notebooks.single_route import leave_out_slow_imports

import pytest
from nbval_guards import KERNELSPEC, LANGUAGE_INFO, find_faults

TESTS = Path(__file__).parents[1]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SVG = '<svg xmlns="http://www.w3.org/2000/svg"{}><rect width="1" height="1"/></svg>'
RAN = "run `make chapters`"


def code(source: str, count: int | None = 1, outputs: list | None = None, **metadata: Any) -> dict:
    return {
        "cell_type": "code", "id": "code", "metadata": metadata, "source": source,
        "execution_count": count, "outputs": outputs or [],
    }  # fmt: skip


def text(source: str, **metadata: Any) -> dict:
    return {"cell_type": "markdown", "id": "text", "metadata": metadata, "source": source}


def stream(printed: str, name: str = "stdout") -> dict:
    return {"output_type": "stream", "name": name, "text": printed}


def shown(metadata: dict | None = None, **data: Any) -> dict:
    named = {name.replace("_", "/").replace("/xml", "+xml"): value for name, value in data.items()}
    return {"output_type": "display_data", "data": named, "metadata": metadata or {}}


def error(*traceback: str) -> dict:
    return {"output_type": "error", "ename": "KeyError", "evalue": "'x'", "traceback": list(traceback)}


def notebook(*cells: dict, **changes: Any) -> dict:
    result = {
        "cells": copy.deepcopy(list(cells)),
        "metadata": {"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    for position, cell in enumerate(result["cells"]):
        cell["id"] = f"{cell['id']}-{position}"
    result.update(changes)
    return result


PICTURE = f'<img alt="Two curves that cross at epoch 3" src="data:image/png;base64,{PNG}">'
CLEAN = {
    "printing": notebook(text("# A\n\nProse."), code("print(1)", 1, [stream("1\n")]), code("", None), code("x = 2", 2)),
    "a_picture_in_html": notebook(code("show()", 1, [shown(text_html=PICTURE, image_png=PNG)])),
    "a_drawing_with_a_label": notebook(code("show()", 1, [shown(text_html=SVG.format(' role="img" aria-label="A block"'))])),
    "a_drawing_with_a_title": notebook(
        code("show()", 1, [shown(text_html='<svg role="img"><title>A block</title><g/></svg>')])
    ),
    "an_expected_error": notebook(code("{}['x']", 1, [error("KeyError: 'x'")], tags=["raises-exception"])),
    "code_in_prose": notebook(text("Write `<img src=x>` or:\n\n```\n![](x.png)\n```\n\n![a curve](x.png)")),
    "tags": notebook(text("a", tags=["pytorch"]), code("b = 1", tags=["both", "nbval-ignore-output"])),
    "math_and_urls": notebook(text(r"$F:\mathbb{R}$, https://example.org/home/x, a ratio 1/work/2, and `a;`")),
    "a_comment_at_the_end": notebook(code("a = '#'  # b"), code("# a;", 2)),
    "a_semicolon_inside": notebook(code("a = 1; b = 2")),
    "nbgrader": notebook(code("a = 1", nbgrader={"grade": False, "solution": True, "grade_id": "a"})),
}  # fmt: skip

NO_ALT = "a picture without alt text, which JupyterLab shows only for a picture in HTML"
FAULTS: dict[str, tuple[dict, str]] = {
    "never_run": (notebook(code("print(1)", None)), "was never run, so nothing checks it; " + RAN),
    "wrong_start": (notebook(code("a = 1", 3)), "ran as number 3, expected 1"),
    "wrong_order": (notebook(code("a = 1", 2), code("b = 1", 1)), "ran as number 1, expected 3"),
    "gap": (notebook(code("a = 1", 1), code("b = 1", 3)), "ran as number 3, expected 2: not run from top to bottom"),
    "empty_with_output": (notebook(code(" ", None, [stream("1")])), "is empty but has outputs"),
    "png": (notebook(code("show()", 1, [shown(image_png=PNG)])), NO_ALT),
    "png_with_alt_in_metadata": (notebook(code("show()", 1, [shown({"alt": "x"}, image_png=PNG)])), NO_ALT),
    "svg": (notebook(code("show()", 1, [shown(image_svg_xml=SVG.format(""))])), NO_ALT),
    "img_without_alt": (notebook(code("show()", 1, [shown(text_html="<div><img src='x'></div>")])), "an <img> without alt"),
    "img_with_empty_alt": (notebook(code("show()", 1, [shown(text_html="<IMG alt=' ' src='x'/>")])), "an <img> without alt"),
    "img_in_markdown": (notebook(text('A\n\n<img src="x.png">')), "text cell at position 0 ('A'): an <img> without alt"),
    "markdown_picture": (notebook(text("![](x.png)")), "a picture without alt text: write ![what it shows]"),
    "picture_in_markdown_output": (notebook(code("f()", 1, [shown(text_markdown="![](x.png)")])), "write ![what it shows]"),
    "inline_svg_without_role": (
        notebook(code("show()", 1, [shown(text_html=SVG.format(' aria-label="x"'))])),
        "an <svg> that a screen reader cannot name",
    ),
    "inline_svg_without_name": (
        notebook(code("show()", 1, [shown(text_html=SVG.format(' role="img"'))])),
        "an <svg> that a screen reader cannot name",
    ),
    "stderr": (notebook(code("f()", 1, [stream("I0000 oneDNN", "stderr")])), "wrote to stderr: 'I0000 oneDNN'"),
    "tensorflow_first": (
        notebook(code("f()", 1, [stream("WARNING: All log messages before absl::InitializeLog()", "stderr")])),
        "import resnet_lessons before TensorFlow, then " + RAN,
    ),
    "untagged_error": (notebook(code("{}['x']", 1, [error("KeyError")])), "ended in KeyError; repair it"),
    "semicolon": (notebook(code("a = 1\na;  # hide\n\n")), "ends in ';', which hides the value"),
    "path_in_source": (notebook(code("open('/home/ada/x.txt')")), "names a path of one machine: '/home/ada'"),
    "path_in_prose": (notebook(text("see /Users/ada/x")), "names a path of one machine: '/Users/ada'"),
    "path_on_windows": (notebook(code(r"open('C:\\Users\\ada')")), r"names a path of one machine: 'C:\\\\Users'"),
    "path_in_output": (notebook(code("f()", 1, [stream("saved /root/x\n")])), "its output names a path of one machine"),
    "path_in_html": (notebook(code("f()", 1, [shown(text_html="<p>/work/x</p>")])), "its output names a path"),
    "path_in_traceback": (
        notebook(code("f()", 1, [error("File \x1b[32m/work/x.py\x1b[39m")], tags=["raises-exception"])),
        "its output names a path of one machine: '/work/x.py'",
    ),
    "warning": (notebook(code("f()", 1, [stream("x.py:3: UserWarning: slow\n")])), "holds a warning ('UserWarning:')"),
    "unknown_tag": (notebook(code("a = 1", tags=["torch"])), "unknown or banned tag 'torch'; allowed: both"),
    "skip_tag": (notebook(code("a = 1", tags=["nbval-skip"])), "unknown or banned tag 'nbval-skip'"),
    "skip_comment": (notebook(code("# NBVAL_SKIP\na = 1")), "the comment NBVAL_SKIP is shown to learners"),
    "two_routes": (notebook(text("a", tags=["pytorch", "both"])), "tagged for two routes (both, pytorch)"),
    "cell_metadata": (notebook(code("a = 1", execution={"x": 1}, collapsed=True)), "needs: collapsed, execution"),
    "other_kernel": (
        notebook(metadata={"kernelspec": {"name": "conda-env"}, "language_info": LANGUAGE_INFO}),
        "the kernel is 'conda-env', not 'python3'",
    ),
    "python_version": (
        notebook(metadata={"kernelspec": KERNELSPEC, "language_info": {**LANGUAGE_INFO, "version": "3.11.2"}}),
        "language_info is not the one without versions; " + RAN,
    ),
    "widget_state": (
        notebook(metadata={"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO, "widgets": {}}),
        "metadata that no reader needs: widgets",
    ),
    "widget_reference": (
        notebook(code("f()", 1, [shown(text_plain="x", **{"application_vnd.jupyter.widget-view+json": {"model_id": "1"}})])),
        "a widget of a kernel that is gone",
    ),
    "old_format": (notebook(nbformat_minor=4), "the format is not 4.5"),
    "same_id": (notebook(cells=[text("a"), text("b")]), "its id occurs twice"),
    "attachment": (notebook({**text("a"), "attachments": {"x.png": {"image/png": PNG}}}), "has pictures attached"),
}  # fmt: skip


def run_pytest(folder: Path, *options: str) -> str:
    command = [
        sys.executable, "-m", "pytest", "-c", "empty.ini", "--rootdir", ".", "-p", "nbval_guards", "-p", "no:cacheprovider",
        "--nbval", "--nbval-current-env", "-rA",
        "--color=no", *options,
    ]  # fmt: skip
    (folder / "empty.ini").write_text("[pytest]\npythonpath = .\n")
    leave_out_slow_imports(folder)
    path = {"PYTHONPATH": str(TESTS)}

    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **path}, capture_output=True, text=True, encoding="utf-8", timeout=300
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says about all of these notebooks at once, without starting a kernel."""
    folder = tmp_path_factory.mktemp("notebooks")
    for name, content in CLEAN.items():
        (folder / f"clean_{name}.ipynb").write_text(json.dumps(content), encoding="utf-8")
    for name, (content, _) in FAULTS.items():
        (folder / f"fault_{name}.ipynb").write_text(json.dumps(content), encoding="utf-8")
    return run_pytest(folder, "-k", "guards")


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_notebook_passes(report, name):
    assert f"PASSED clean_{name}.ipynb::guards" in report, find_faults(CLEAN[name])


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_fails_its_notebook_with_the_cure(report, name):
    _, message = FAULTS[name]
    assert f"FAILED fault_{name}.ipynb::guards" in report
    section = report.partition(f"fault_{name}.ipynb is not fit to be committed:")[2]
    first = section.partition("\n____")[0]
    assert message in first


def test_only_the_one_fault_is_reported():
    for name, (content, message) in FAULTS.items():
        faults = find_faults(content)
        assert len(faults) == (2 if name == "wrong_order" else 1), (name, faults)
        assert any(message in fault for fault in faults), (name, faults)


def test_a_fault_names_the_cell_as_nbval_counts_it():
    content = notebook(text("# Title"), code("a = 1"), text("then"), code("b = 1\nb;", 2))
    assert find_faults(content)[0].startswith("code cell 1 ('b = 1'): ")


def test_a_file_that_is_no_notebook_fails(tmp_path):
    (tmp_path / "a.ipynb").write_text("<<<<<<< merge")
    assert "a.ipynb" in (text := run_pytest(tmp_path, "-k", "guards"))
    assert "passed" not in text.splitlines()[-1]


def test_cells_run_with_their_own_time_limit_and_a_progress_store_of_their_own(tmp_path):
    store = "import os\nfile = os.path.join(os.environ['RESNET_LESSONS_PROGRESS'], 'x')\nprint(os.path.exists(file))"
    write = code(store + "\nwith open(file, 'w'):\n    pass", 1, [stream("False\n")])
    slow = code("import time\ntime.sleep(30)", 2, resnet_lessons={"timeout": 1})
    after = code("import time\ntime.sleep(1.2)", 2)
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook(write, after)))
    (tmp_path / "b.ipynb").write_text(json.dumps(notebook(write, slow)))
    report = run_pytest(tmp_path, "--nbval-cell-timeout", "20")
    for item in ("a.ipynb::Cell 0", "a.ipynb::Cell 1", "a.ipynb::guards", "b.ipynb::Cell 0"):
        assert f"PASSED {item}" in report, report
    assert "FAILED b.ipynb::Cell 1" in report
    assert "Timeout of 1 seconds exceeded" in report


def test_it_works_with_several_workers(tmp_path):
    pytest.importorskip("xdist")
    for name in "ab":
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(notebook(code("print(1)", 1, [stream("1\n")]))))
    report = run_pytest(tmp_path, "-n", "2", "--dist", "loadfile")
    assert "4 passed" in report, report


def test_a_question_compares_clean_and_a_picture_in_html_is_not_compared(tmp_path):
    ask = "from resnet_lessons import labs\nq = labs.predict('c', 'k', 'Which?', ['a', 'b'])\nq.choose('b')\nq"
    question = {"text_plain": "Which?\nA.  a\nB.  b", "text_html": "<p>Which?</p><p>A.  a<br>B.  b</p>"}
    result = {**shown(**question), "output_type": "execute_result", "execution_count": 1}
    draw = f"from IPython.display import HTML, display\ndisplay(HTML({PICTURE!r}))"
    plain = {"text_plain": "<IPython.core.display.HTML object>"}
    other = shown(text_html=PICTURE.replace(PNG, PNG[:-4] + "AAAA"), **plain)
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook(code(ask, 1, [result]), code(draw, 2, [other]))))
    report = run_pytest(tmp_path)
    assert "3 passed" in report, report
