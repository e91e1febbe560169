"""What a lab imports: no framework, or only the one that it was opened for. One process uses one lab after the other."""

import json
import subprocess
import sys

import pytest

SLOW = ("matplotlib", "sklearn", "torch", "tensorflow", "keras")
USED = {  # in this order: what one lab has imported is there for the next
    "explorer": "lab = labs.explorer(50, 'v1.5'); lab.right(version='v2'); lab.select('layer2.0')",
    "stride_move": "lab = labs.stride_move(); lab.tick(0); lab.check()",
    "budget": "lab = labs.budget(); lab.predict('1', '64'); lab.hand_in(); assert '1 network handed in' in lab.status",
    "order_of_operations": (
        "lab = labs.order_of_operations(); lab.place('full'); lab.predict('explodes', 'both signs'); lab.run(); "
        "assert lab.answer"
    ),
    "schedules": "lab = labs.schedules('pytorch'); lab.choose(rate=0.3); lab.choose_task(4); lab.diagnose('none')",
    "lesion": "lab = labs.lesion(); lab.delete('layer2.1', predict='D'); lab.right",
    "identity_surgery": "lab = labs.identity_surgery('pytorch'); lab.predict('neither'); lab.outcome.right",
    "legal_addition": "labs.legal_addition('pytorch')",
    "first_divergence": "labs.first_divergence('pytorch')",
}
EXPECTED = {  # scikit-learn holds the digits
    **{lab: set() for lab in ("explorer", "stride_move", "budget", "order_of_operations")},
    **{lab: {"sklearn"} for lab in ("schedules", "lesion", "identity_surgery")},
    **{lab: {"sklearn", "torch"} for lab in ("legal_addition", "first_divergence")},
}


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Which of `SLOW` are there after each lab."""
    program = f"""
import json, os, sys
os.environ["RESNET_LESSONS_PROGRESS"] = {str(tmp_path_factory.mktemp("progress"))!r}
from resnet_lessons import labs
found = {{}}
for name, use in json.loads({json.dumps(json.dumps(USED))}).items():
    exec(use)
    found[name] = [module for module in {SLOW!r} if module in sys.modules]
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("lab", USED)
def test_a_lab_imports_no_more_than_it_needs(lab, imported):
    assert set(imported[lab]) <= EXPECTED[lab]


def test_the_chosen_framework_is_imported(imported):
    assert "torch" in imported["legal_addition"]
