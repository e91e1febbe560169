"""What is done in each lab: some of it with the mouse, some with the keyboard, until it answers to both."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.lab_hands import Hands

ANSWER = "✓ Right|✗ Not so"


def identity_surgery(lab: Hands) -> None:
    lab.click("residual-20")
    lab.click("exactly the same outputs")
    lab.sees(rf"({ANSWER}).*largest difference of a logit")
    lab.press(lab.titled("Blocks: 3"), "Space")
    lab.press("other answers")
    lab.sees(rf"({ANSWER}).*test accuracy before → after")
    lab.press("60 % or lower")
    lab.press("Stop", "Space")
    lab.sees("[Ss]topped|after (one|1) epoch|test accuracy")


def first_divergence(lab: Hands) -> None:
    lab.click("bn1")
    lab.sees(rf"({ANSWER}).*Difference of each layer")
    for letter in "ABCDE":  # until the right one is found
        lab.press(rf"/^{letter}\./", "Space")
        lab.sees(r"✓ Right: .*▸|✗ Not so: .*(differs at|In such a block)")
    lab.press("Next fault")
    lab.sees(r"Fault 2\. Named \d of 1 at the first try")


def legal_addition(lab: Hands) -> None:
    lab.click("Add")
    lab.sees("First predict what the cheapest legal shortcut costs")
    lab.click("nothing")
    lab.click("none of these fits")
    lab.click("Add")
    lab.sees(f"Round 1.*({ANSWER})")
    lab.press("identity", "Space")
    lab.press("Add")
    lab.sees("✓ Right: identity|✗ Not legal: identity")


def budget(lab: Hands) -> None:
    lab.click(lab.titled("multiply-adds: as many"))
    lab.press(lab.titled("parameters: as many"))
    lab.sees("✓ Right for the multiply-adds: as many.*✗ Not so for the parameters")
    lab.click("bottleneck")
    lab.press(lab.control("layer3", "spinbutton"), "ArrowUp", "ArrowUp", "ArrowUp")
    lab.sees("59 layers: 3-4-9-3 bottlenecks")
    lab.press("Hand in", "Space")
    lab.sees("with 1 network handed in")


def stride_move(lab: Hands) -> None:
    lab.click(lab.control("row 0", "checkbox"))
    lab.click("Check this map")
    lab.sees(ANSWER)
    for _ in range(2):
        lab.press("Next map")
        lab.press(lab.control("row 1", "checkbox"), "Space")
        lab.press("Check this map")
        lab.sees(ANSWER)
    lab.press(lab.control("3×3, stride", "combobox"), "2")
    lab.press(lab.control("shortcut", "combobox"), "ArrowDown")
    lab.press("Try this design", "Space")
    lab.sees("✓|✗")


def order_of_operations(lab: Hands) -> None:
    lab.click("original")
    lab.click("grows like the depth")
    lab.press("never negative", "Space")
    lab.press("Run it")
    lab.sees("(✓ Right: the strength|✗ Not so: you predicted “grows like the depth”).*the signal")
    lab.press("clear")
    for word in ("BN", "ReLU", "conv", "+"):
        lab.press(word, "Space")
    lab.sees(r"BN.*ReLU.*conv.*\+")


def lesion(lab: Hands) -> None:
    lab.click("layer1.1")
    lab.click("below 50 %")
    lab.sees(r"(✓ Right|✗ Not so).*[Ww]ithout layer1\.1")
    lab.press("residual-20")
    lab.press("layer2.1", "Space")
    lab.press("95 % or more")
    lab.sees(r"(✓ Right|✗ Not so).*[Ww]ithout layer2\.1")
    lab.press(lab.root.get_by_role("combobox"), "ArrowDown")
    lab.press("This one")
    lab.sees("✓ Right|✗ Not so")


def schedules(lab: Hands) -> None:
    lab.click(lab.titled("Epochs: 1"))
    lab.press(lab.titled("Peak rate: 0.3"), "Space")
    lab.press(lab.root.get_by_role("button").filter(has_text="below").first)
    lab.sees(r"Building the network|Update \d+ of|[✓✗] .*test")
    lab.press("Stop")
    lab.press("/^4/")
    lab.press("Its rate is far too low", "Space")
    lab.sees(ANSWER)


def explorer(lab: Hands) -> None:
    depth = lab.root.get_by_role("textbox").first
    lab.click(depth)
    depth.fill("34")
    lab.press(depth, "Enter")
    lab.sees("ResNet-34")
    lab.press(lab.control("the map", "radio"), "ArrowDown")
    lab.sees("next layer ▸")
    lab.press("next layer ▸", "Space")
    lab.sees("bn1")
    lab.click(lab.control("a comparison", "radio"))
    lab.sees("Compare with")


def mystery_net(lab: Hands) -> None:
    lab.click("/^A\\./")
    lab.sees("First use a probe")
    lab.click("/evaluation/")
    lab.press("/[Pp]arameters/", "Space")
    lab.press("/^A\\./")
    lab.sees(ANSWER)


SCRIPTS: dict[str, dict[str, Callable[[Hands], None]]] = {
    "00_start_here": {"Identity surgery": identity_surgery},
    "01_basic_block": {"Find the planted fault": first_divergence},
    "02_shortcut_projection": {"Make this addition legal": legal_addition},
    "03_bottleneck": {"Budget": budget},
    "04_stride_move": {"Coverage": stride_move},
    "05_pre_activation": {"Order of operations": order_of_operations, "Lesion": lesion},
    "06_full_training": {"Schedule explorer": schedules},
    "07_further": {},
    "explorer": {"Architecture explorer": explorer},
    "mystery_net": {"Mystery net": mystery_net},
    "primer": {},
}
