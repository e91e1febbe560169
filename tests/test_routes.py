"""A single-route copy holds what everyone gets and what its own framework needs, and nothing else."""

from __future__ import annotations

import copy

from resnet_lessons.routes import ROUTES, cell_route, keep_route

import pytest


def code(source: str, count: int | None, *tags: str) -> dict:
    output = {"output_type": "execute_result", "execution_count": count, "data": {}, "metadata": {}}
    outputs = [] if count is None else [output]
    metadata = {"tags": list(tags)} if tags else {}
    return {
        "cell_type": "code", "id": source, "source": source, "metadata": metadata,
        "execution_count": count, "outputs": outputs,
    }  # fmt: skip


def text(source: str, *tags: str) -> dict:
    return {"cell_type": "markdown", "id": source, "source": source, "metadata": {"tags": list(tags)}}


@pytest.fixture
def notebook() -> dict:
    cells = [
        text("everyone"),
        code("torch", 1, "pytorch"),
        text("translate", "tensorflow"),
        code("keras", 2, "tensorflow"),
        code("prove", 3, "both", "raises-exception"),
        code("plain", 4),
    ]
    return {"cells": cells, "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}


def sources(notebook: dict) -> list[str]:
    return [cell["source"] for cell in notebook["cells"]]


def test_both_keeps_every_cell(notebook):
    assert sources(keep_route(notebook, "both")) == sources(notebook)


@pytest.mark.parametrize(
    ("route", "kept"),
    [("pytorch", ["everyone", "torch", "plain"]), ("tensorflow", ["everyone", "translate", "keras", "plain"])],
)
def test_a_single_route_drops_the_other_framework_and_what_needs_both(notebook, route, kept):
    assert sources(keep_route(notebook, route)) == kept


def test_execution_counts_have_no_gaps(notebook):
    cells = keep_route(notebook, "tensorflow")["cells"]
    assert [c["execution_count"] for c in cells if c["cell_type"] == "code"] == [1, 2]
    assert cells[-1]["outputs"][0]["execution_count"] == 2


def test_cells_that_never_ran_stay_unrun():
    notebook = {"cells": [code("a", None), code("b", None, "pytorch")], "metadata": {}}
    assert [c["execution_count"] for c in keep_route(notebook, "tensorflow")["cells"]] == [None]


@pytest.mark.parametrize("route", ROUTES)
def test_the_route_is_recorded_and_the_rest_of_the_metadata_kept(notebook, route):
    metadata = keep_route(notebook, route)["metadata"]
    assert metadata == {"kernelspec": {"name": "python3"}, "resnet_lessons": {"route": route}}


def test_the_original_is_left_as_it_is(notebook):
    before = copy.deepcopy(notebook)
    result = keep_route(notebook, "pytorch")
    result["cells"][1]["outputs"][0]["data"]["x"] = 1
    assert notebook == before


def test_an_unknown_route_names_the_three_there_are(notebook):
    with pytest.raises(ValueError, match="'both', 'pytorch', 'tensorflow'"):
        keep_route(notebook, "jax")


@pytest.mark.parametrize("route", ROUTES)
def test_a_cell_for_two_routes_is_refused_with_its_number(notebook, route):
    notebook["cells"][3]["metadata"]["tags"] = ["tensorflow", "both"]
    with pytest.raises(ValueError, match=r"cell 3: the tags 'both' and 'tensorflow' contradict"):
        keep_route(notebook, route)


def test_other_tags_are_no_route():
    assert cell_route(code("a", 1, "raises-exception")) is None
    assert cell_route(code("a", 1, "both", "raises-exception")) == "both"
