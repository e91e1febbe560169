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
