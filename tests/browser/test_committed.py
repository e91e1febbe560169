"""The comparison of what the browser shows with what was committed can fail."""

from tests.browser.committed import differences

import pytest

PICTURE = '<img alt="{}" src="data:image/png;base64,{}">'


def cell(*outputs: dict, tags: tuple[str, ...] = ()) -> dict:
    return {"cell_type": "code", "id": "one", "metadata": {"tags": list(tags)}, "outputs": list(outputs)}


def printed(text: str) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": text}


def shown(**data: str) -> dict:
    return {"output_type": "display_data", "data": {kind.replace("_", "/"): text for kind, text in data.items()}}


def found(committed: dict, *outputs: dict) -> list[str]:
    return differences({"cells": [{"cell_type": "markdown", "id": "text"}, committed]}, {"one": list(outputs)})


def test_the_same_is_the_same_however_it_was_cut() -> None:
    assert found(cell(printed("a\nb\n")), printed("a"), printed("\nb\n")) == []
    assert (
        found(cell(shown(text_html=PICTURE.format("a curve", "AAAA"))), shown(text_html=PICTURE.format("a", "BB")))
        == []
    )
    assert found(cell(printed("1"), tags=("nbval-ignore-output",)), printed("2")) == []


@pytest.mark.parametrize(
    "outputs",
    [
        [printed("loss 0.124")],
        [],
        [printed("loss 0.123"), printed("and more")],
        [printed("loss 0.123"), shown(text_plain="5")],
        [printed("loss 0.123"), {"output_type": "error", "ename": "ValueError", "evalue": "no"}],
        [{**printed("loss 0.123"), "name": "stderr"}],
    ],
)
def test_a_difference_is_found(outputs: list[dict]) -> None:
    (line,) = found(cell(printed("loss 0.123")), *outputs)[:1]
    assert line.startswith("cell one, ")


def test_other_cells_are_no_comparison() -> None:
    with pytest.raises(AssertionError, match="not the same cells"):
        differences({"cells": [cell()]}, {"two": []})
