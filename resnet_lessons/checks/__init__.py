"""What each exercise asks, how an answer is checked, and the mistakes that can be named.

In a notebook:

    from resnet_lessons.checks import chapter_01 as ex
    ex.basic_block.check(MyBlock)      right, not yet, or not attempted; never raises
    ex.basic_block.hint()              the next of three hints;  .solution() shows a solution
    ex.basic_block.stuck()             what to do when it does not come out right, in five steps
    ex.basic_block.graded(globals())   raises unless right: for an instructor's points

    checks.align(answer, reference)    which tensor of a block stands for which of a reference, whatever its names
    checks.kept("projection", "pytorch")    your own block of an earlier exercise

How an answer is judged
-----------------------
`evidence` builds the learner's block, gives every tensor random values, runs it in evaluation and in training mode, and
notes everything, inside a `guard`. `uses` says which layers ran and which feeds which; `align` pairs them with the layers of
the reference. The reference is a `wiring.Reference`: one function over an abstract `on`, run in NumPy with the learner's own
tensors. `diagnose` runs it as it is, and with one mistake, two, three: what reproduces outputs, gradients and running
statistics is what the learner built. `structure` adds what behaviour cannot tell.

To add a mistake
----------------
1. Say what such a block does otherwise: a field of the reference's wiring (in `blocks`), right by default, and the line of
   the body that reads it. If behaviour cannot tell it, write a detector in `structure` instead: evidence in, what is seen out.
2. Add a `Mistake` to a catalogue (`basic_mistakes`): key, title, explanation, why with its source, the chapter's section,
   where it was seen, and `edits=[{"field": value}]` or `visible=detector`.
3. Add an answer that makes it to `WRONG` in `tests/checks/answers.py`; one body serves both frameworks. The tests then ask
   that it is named, in both, and nothing else; and that no right answer is refused.

To add an exercise
------------------
1. A reference in `blocks` (layers, body, wiring), unless one fits.
2. A `BlockTask`, a `ValueTask`, a `cases.CasesTask` (a block that is judged in several shapes and strides) or a
   `function_task.FunctionTask` (a function of arrays or numbers) in the chapter's module (`chapter_01`, `chapter_02`), and in
   its `TASKS`. `names` are the variables that hold the answer, one a framework.
3. Cells in `solutions/NN_name/exercise.ipynb`: the text; for each framework a cell tagged with its route and with nbgrader's
   `grade_id` "key-pytorch" or "key-tensorflow" and the answer between BEGIN and END SOLUTION; `ex.key.check(Name)` below it;
   at the end, `ex.key.graded(globals())` under the `grade_id` "key-points". `metadata["resnet_lessons"]["tasks"]` of the
   notebook names the chapter's module.
4. `make chapters ONLY=solutions`, then `make exercises`.
"""

from .align import Alignment, align
from .kept import kept
from .mistakes import Mistake, Section
from .outcome import NotRightError, Outcome
from .task import BlockTask, Task, ValueTask

__all__ = [
    "Alignment",
    "BlockTask",
    "Mistake",
    "NotRightError",
    "Outcome",
    "Section",
    "Task",
    "ValueTask",
    "align",
    "kept",
]
