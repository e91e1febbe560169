"""The numbers in chapter 07's questions are computed again."""

from resnet_lessons import resnet_config, trace
from resnet_lessons.labs import bank_further


def test_a_bn_of_resnet_20_averages_batch_height_and_width():
    question = bank_further.RECALL[1]
    first = next(layer for layer in trace(resnet_config(20, family="cifar"), image_size=(32, 32)) if layer.kind == "bn")
    channels, height, width = first.out_shape
    assert question.answer == f"{64 * height * width:,}"
    assert f"{64 * height * width * channels:,}" in question.options


def test_hours_of_an_epoch_and_what_each_wrong_answer_forgot():
    question = bank_further.QUESTIONS["epoch"]
    macs = sum(layer.macs for layer in trace(resnet_config(50, "v1.5"), image_size=(224, 224)))
    assert f"{macs / 1e9:.2f} billion multiply-adds" in question.text
    hours = macs * 1_281_167 / 200e9 / 3600
    expected = [f"{factor * hours:.0f} hours" for factor in (3 * 2, 3, 2, 1)]
    assert list(question.options) == expected
    assert question.answer == expected[0]


def test_bytes_in_a_ring_and_in_an_exchange_of_everybody_with_everybody():
    question = bank_further.QUESTIONS["ring"]
    size = 4 * resnet_config(50).parameters
    assert f"{size / 1e6:.0f} MB" in question.text
    assert question.answer == f"{2 * 255 / 256 * size / 1e6:.0f} MB"
    assert f"{255 * size / 1e9:.0f} GB" in question.options


def test_a_mean_of_unequal_means_weighs_images_unequally():
    feedback = bank_further.QUESTIONS["uneven"].options[bank_further.QUESTIONS["uneven"].answer]
    assert f"1/{2 * 24}" in feedback
    assert f"1/{2 * 40}" in feedback
