"""nbgrader's settings for this course: `solutions/` is the source, `exercises/` its release (CONTRIBUTING.md).

An instructor runs nbgrader's commands in this folder as they are: `nbgrader autograde 01_basic_block`.
"""

c = get_config()  # type: ignore[name-defined]  # noqa: F821  # nbgrader provides it

c.CourseDirectory.course_id = "resnet-lessons"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", ".ruff_cache", "ruff.toml"]

# Valid wherever a statement is, and it shows and raises nothing: an untouched notebook runs up to its points.
c.ClearSolutions.code_stub = {"python": "pass  # your code here"}
c.ClearSolutions.text_stub = "*Your answer here.*"

# A learner's notebook is graded to its end, whatever raises; a cell that hangs is given up.
c.Execute.timeout = 120
c.Execute.interrupt_on_timeout = True

# What learners do to the cells of a notebook is repaired from the release, or reported by student and cell.
c.Autograde.sanitize_preprocessors = [
    "nbgrader.preprocessors.ClearOutput",
    "resnet_lessons.checks.submission.PrepareSubmission",
    "nbgrader.preprocessors.DeduplicateIds",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.OverwriteCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.pre_convert_hook = "resnet_lessons.checks.submission.name_notebook"
