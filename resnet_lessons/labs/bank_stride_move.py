"""Questions of chapter 04, the v1.5 stride move."""

from __future__ import annotations

from .questions import Question

QUESTIONS: dict[str, Question | list[Question]] = {
    "recall": [
        Question(
            "code",
            "The shortcut of a v1 block that changes shapes is one layer: a 1×1 convolution, 256 → 512 channels, stride 2, no "
            "bias. What is wrong?",
            {
                "BN is missing behind it": "A v1 projection is a 1×1 convolution and BN. (A v2 projection is the convolution "
                "alone.)",
                "The kernel should be 3×3": "Option B projects with a 1×1 (section 3.3 of the paper). It has to change "
                "channels and size, not to look around.",
                "The bias is missing": "Tempting, since nothing follows. But BN belongs behind the convolution, and BN "
                "would subtract a bias again.",
                "A ReLU is missing behind it": "Then the shortcut could only add. The one ReLU follows the addition.",
            },
            "BN is missing behind it",
        ),
        Question(
            "shape",
            "layer2.0, the first block of ResNet-50's second stage, gets (256, 56, 56): channels, height, width. It is a "
            "bottleneck of width 128 with stride 2. What leaves it?",
            {
                "(512, 28, 28)": "The expansion is 4: 4 · 128 channels. The stride halves height and width.",
                "(128, 28, 28)": "128 is the width, the channels inside the block. Its last 1×1 makes four times as many.",
                "(1024, 28, 28)": "Four times the input's channels; but the expansion multiplies the width, and that is 128.",
                "(512, 14, 14)": "That takes two strides of 2 in a row. The block has one, wherever it sits.",
            },
            "(512, 28, 28)",
        ),
        Question(
            "mistake",
            "Somebody translates a ResNet-20 of the CIFAR family from PyTorch to Keras. On images of 33×33 all layers agree, on "
            "32×32 nothing does from the first strided 3×3 on, though all shapes fit. Which mistake?",
            {
                "padding='same' at stride 2": "On an even map it pads below and on the right only, PyTorch's padding=1 on "
                "every side: the windows are shifted by one. On odd maps the two agree.",
                "The kernel was not transposed": "A tempting guess for wrong values. But then odd sizes would differ too.",
                "BN's ε is Keras's default": "It would change values a little, at every size.",
                "The stride sits on another layer": "Soon. But that, too, would show at every size.",
            },
            "padding='same' at stride 2",
        ),
    ],
    "same": Question(
        "same",
        "In ResNet-50 you move the stride of three blocks from their first 1×1 convolution to their 3×3. Nothing else changes. "
        "Which of these stays the same?",
        {
            "Every tensor's name and shape; the outputs change": "A stride is no tensor. The first such 3×3 now has direct "
            "neighbours where it had every second pixel, and from there on values differ.",
            "The outputs: the block halves its map either way": "The shapes of the outputs are the same, their values are not.",
            "The multiply-adds: the weights are the same": "Cost is weights times positions. The first 1×1 now works at four "
            "times as many positions.",
            "Only the number of parameters; shapes of weights shift along": "A weight's shape is made of channels and kernel "
            "size. The stride is in neither.",
        },
        "Every tensor's name and shape; the outputs change",
    ),
    "padding": Question(
        "padding",
        "Your Keras bottleneck of v1 is proven right, with <code>padding='same'</code> on its 3×3. You move the stride there. "
        "What else has to change?",
        {
            "The 3×3's padding": "As long as the 3×3 had stride 1, 'same' was symmetric. At stride 2 on an even map it pads "
            "(0, 1): pad by one on every side yourself, then 'valid'.",
            "Nothing: 'same' gives the same sizes": "It does give the same sizes. On even maps its windows are shifted by one "
            "pixel: the trap of chapter 02, which v1 avoids by luck.",
            "The 1×1's padding": "A window of one pixel needs no padding, at any stride.",
            "The projection's stride": "It keeps its stride of 2: the map is halved on both ways.",
        },
        "The 3×3's padding",
    ),
    "map": [
        Question(
            "map-v1",
            "A <b>v1</b> bottleneck with stride 2 gets a map of 7×7. How many of the 49 pixels can change the block's output?",
            {
                "16": "Branch and shortcut both begin with a 1×1 of stride 2. Both read rows 0, 2, 4, 6 of columns 0, 2, 4, 6, "
                "the same 16 pixels.",
                "9": "A stride of 2 makes 4 rows of 7, not 3: row 6 is kept as well.",
                "32": "16 for the branch and 16 for the shortcut; but they are the same 16.",
                "49": "You count on the 3×3 to look at the neighbours. It comes behind the stride: its neighbours are two "
                "input pixels apart.",
            },
            "16",
        ),
        Question(
            "map-v15",
            "And in a <b>v1.5</b> bottleneck: what do branch and shortcut read of an 8×8 map?",
            {
                "The branch all, the shortcut a quarter": "The 3×3's windows overlap although they move by two. The projection "
                "is still a strided 1×1: nobody moved that.",
                "Both all": "That is what “v1.5 sees everything” suggests. The move is in the branch alone; the projection has "
                "no 3×3 to move a stride to.",
                "The branch all, the shortcut nothing": "It reads every second row of every second column, as in v1.",
                "Both a quarter, but not the same one": "A 3×3 with stride 2 leaves nothing out: its windows overlap by one.",
            },
            "The branch all, the shortcut a quarter",
        ),
    ],
    "photograph": Question(
        "photograph",
        "So three times in ResNet-50 v1, three quarters of a map are dropped. Does the network never look at three quarters of "
        "the photograph's pixels?",
        {
            "No: it drops positions of a map, each of which has seen many pixels": "Before layer2.0 each position has seen 35 "
            "pixels by 35, and the ones that are kept are 8 pixels apart: their fields overlap widely. What is lost is "
            "computed values, not pixels.",
            "Yes: 3/4, and of what is left 3/4 again": "That mixes up pixels of the image and positions of a map. Stem and "
            "first stage read every pixel of the image before anything is dropped.",
            "Yes, but only one pixel in four counts in any photograph": "Neighbouring pixels are alike, it is true. But no "
            "pixel of the image is dropped here.",
            "No: the shortcut brings them back": "The shortcut of v1 reads the very same quarter as the branch.",
        },
        "No: it drops positions of a map, each of which has seen many pixels",
    ),
    "cost": Question(
        "cost",
        "ResNet-50 v1 takes 3.86 billion multiply-adds for an image of 224×224. What does the move make of it?",
        {
            "3.86: it has the same weights": "The same weights, at four times as many positions in three layers.",
            "4.09: six percent more": "Three 1×1 convolutions now run before the map is halved. Each costs four times as "
            "much; all others cost what they did.",
            "4.8: a quarter more": "Three layers of 53 change, and 1×1 layers are among the cheaper ones.",
            "15.4: four times as much": "Four times is right for the three layers in question. They are a small part.",
        },
        "4.09: six percent more",
    ),
    "gluon": Question(
        "gluon",
        "Gluon's table, top-1: depth 50: v1 77.36, v1.5 (there: v1b) 77.67. Depth 34: v1 74.37, v1b <b>74.65</b>. How much of "
        "the 0.31 at depth 50 may you credit to the stride?",
        {
            "Cannot tell: one network, trained twice, differs by 0.28": "ResNet-34 has basic blocks: v1 and v1b are the same "
            "network there. A difference of 0.31, seen once, need not come from the stride.",
            "0.31: only the stride differs": "Only the stride, and the run: there is one of each. Depth 34 shows what two "
            "runs can differ by with no stride moved.",
            "0.03: 0.31 − 0.28": "The 0.28 is no offset that all pairs share. Another pair of runs may differ by as much the "
            "other way.",
            "None: v1.5 is no better": "That is not shown either. Where you cannot tell a gain you cannot rule it out.",
        },
        "Cannot tell: one network, trained twice, differs by 0.28",
    ),
    "swap": Question(
        "swap",
        "You train a v1 network and load its weights into the v1.5 network, every name and shape checked. What happens?",
        {
            "An error: sizes do not match": "No tensor's size depends on a stride. The check compares names and shapes, and "
            "they are all equal.",
            "It runs, with a warning": "Nobody is left to warn: every key is found, every shape fits.",
            "It runs, and is about as good": "The weights are good ones; but each 3×3 learned on every second pixel, and now "
            "sees direct neighbours.",
            "It runs, and many answers are wrong": "No error, no warning: just another function. It is the kind of mistake that "
            "only a look at the answers finds.",
        },
        "It runs, and many answers are wrong",
    ),
    "libraries": [
        Question(
            "hugging-face",
            "In transformers, <code>ResNetConfig(downsample_in_bottleneck=True)</code> makes a ResNet-50 …",
            {
                "v1": "It puts the stride on the bottleneck's first 1×1. The name misleads: either way the bottleneck "
                "downsamples, and False, the default, leaves the stride to the 3×3.",
                "v1.5": "The name sounds like it, with the 3×3 in the middle. But it is the default, False, that makes v1.5.",
                "v2": "A place of a stride makes no pre-activation. The library calls its pre-activation ResNets BiT.",
            },
            "v1",
        ),
        Question(
            "keras",
            "<code>keras.applications.ResNet50V2</code> strides in the <i>last</i> block of a stage, which changes no channels. "
            "What must this block's shortcut do?",
            {
                "Shrink the map": "Channels fit, height and width do not. It is a max-pool with a window of one pixel and stride "
                "2: it picks every second row and column, and has no weights.",
                "Project, with BN": "Nothing is to be projected: the channels stay. (And a v2 projection has no BN.)",
                "Nothing": "An identity hands on the large map, and the branch comes back with the small one: they could not be "
                "added.",
            },
            "Shrink the map",
        ),
    ],
    "suspects": [
        Question(
            "block-p",
            "What is wrong with <b>P</b>?",
            {
                "padding='same' on the strided 3×3": "The windows lie one pixel further down and right: rows 0, 1, 2, then 2, 3, "
                "4. So even rows are read twice where odd ones should be, and the last window hangs over the edge.",
                "The stride sits on the first 1×1": "Then three quarters of the pixels would be crossed out.",
                "The stride sits on the last 1×1": "Then the 3×3 would run on the large map, and cost four times as much; here "
                "the cost is v1.5's.",
                "The 3×3 is not padded": "Then the output would be 3×3, not 4×4, and could not be added to the shortcut.",
            },
            "padding='same' on the strided 3×3",
        ),
        Question(
            "block-q",
            "What is wrong with <b>Q</b>?",
            {
                "The stride sits on the last 1×1": "It picks every second output of the 3×3, and the 3×3 has computed all of "
                "them: the same pixels are read, in as many ways, at twice the cost.",
                "The stride sits on the first 1×1": "Then three quarters of the pixels would be crossed out.",
                "Nothing: it is v1.5": "The map is v1.5's, pixel by pixel. The cost is not.",
                "padding='same' on the strided 3×3": "Then even rows would be read twice, not odd ones.",
            },
            "The stride sits on the last 1×1",
        ),
    ],
    "autopsy": Question(
        "autopsy",
        "You copy torchvision's ResNet-50 weights into this network, tensor by tensor, with care. Images of 224×224: do the "
        "logits agree?",
        {
            "No: same version, but its 3×3 windows that stride (max-pool and convolutions) pad otherwise": "They pad 'SAME': "
            "(0, 1) on even maps. It begins at the max-pool, on 112 rows. The stem's 7×7 alone is padded as in PyTorch, (3, 3).",
            "Yes: both are v1.5": "The strides agree. The version is not all that a stride can get wrong: see Recall 3.",
            "No: it is v1, and torchvision v1.5": "So its docstring says. Its code strides in the 3×3.",
            "No: its projections have no BN": "They have one each, norm_proj.",
        },
        "No: same version, but its 3×3 windows that stride (max-pool and convolutions) pad otherwise",
    ),
}
