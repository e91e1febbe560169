"""Messages that both loops give."""

NOT_REPEATABLE = (
    "TensorFlow runs operations side by side here, so that a resumed training will not be the same to the last bit. For "
    "that, call tf.config.threading.set_inter_op_parallelism_threads(1) before anything is computed (in a notebook: after "
    "restarting the kernel)."
)


def wrong_dtype(precision: str, built: str, wanted: str) -> str:
    """The message for a network that was built in another dtype than the recipe needs."""
    fit = "float64" if built == "float64" else "float32"
    return (
        f"precision is {precision!r}, which needs a network in {wanted}; this one is in {built}. Build it with "
        f'dtype="{wanted}", or take a recipe with precision="{fit}".'
    )
