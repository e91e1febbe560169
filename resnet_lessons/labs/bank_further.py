"""The questions of chapter 07: several processes, checkpoints, precision, and scale."""

from __future__ import annotations

from .questions import Question

RECALL = [
    Question(
        "recall-step",
        "One update:<pre>loss.backward()\noptimizer.step()\noptimizer.zero_grad()\nnet.eval()</pre>The next batch goes "
        "through the same four lines. (In Keras: a first batch with <code>training=True</code>, all others with "
        "<code>training=False</code>.) What is wrong with the training?",
        {
            "BN uses running statistics from the second batch on": "<code>net.eval()</code> stays in force until "
            "<code>net.train()</code> is called. The weights still move, but no batch is normalised by itself any more.",
            "the gradients of two batches add up in each update": "They would without <code>zero_grad()</code>. It "
            "stands behind the step, which is as good as in front of the next <code>backward()</code>.",
            "the weights stay as they are after the first batch": "<code>eval()</code> stops no gradient; it changes what BN "
            "and dropout compute.",
        },
        "BN uses running statistics from the second batch on",
        link="primer.ipynb",
        link_text="primer, section 2",
    ),
    Question(
        "recall-shape",
        "A batch of 64 images of 3×32×32 enters ResNet-20. How many numbers does the first BN average to get the mean of one "
        "channel?",
        {
            "65,536": "64 images of 32×32 positions: the mean of a channel is taken over batch, height and width.",
            "64": "One for each image: that would be so behind the pooling, on maps of 1×1.",
            "1,024": "The positions of a single image. What is averaged over those alone is called instance normalisation.",
            "1,048,576": "All 16 channels together. Each channel has a mean of its own.",
        },
        "65,536",
    ),
    Question(
        "recall-mistake",
        "A network in training mode and its twin agree in <code>float64</code> to 13 digits, logits and gradients. In "
        "<code>float32</code> the logits agree to five digits, and one gradient tensor differs by a tenth. Which mistake is it?",
        {
            "none": "Some ReLU's input is so near to 0 that rounding decides its sign, and with it whether a gradient passes. "
            "Chapter 01 showed it; <code>float64</code> acquits the code.",
            "BN's ε": "It would show in <code>float64</code> as well, and far above the last digits.",
            "the padding at stride 2": "So large a mistake shows in <code>float64</code>, too.",
        },
        "none",
    ),
]

QUESTIONS: dict[str, Question | list[Question]] = {
    "recall": RECALL,
    "split": Question(
        "split",
        "A ResNet-8, a batch of 64 images, one update, in <code>float64</code>. First one process computes it. Then two do, "
        "from the same weights, each with 32 of the 64 images: they average their gradients. Compare the two updates.",
        {
            "they differ by more than a tenth": "A mean of means is the mean, and the gradient of a sum is the sum of the "
            "gradients: both are true, and neither helps. In training mode BN normalises each image by the batch that it "
            "is in, and that batch has 32 images now.",
            "they agree to about 15 digits": "They would if every image's loss depended on that image alone. Which layer "
            "sees the others?",
            "they agree to the last bit": "Not even sums do, in another order. But rounding is not what decides here.",
            "they agree to three or four digits": "A compromise without a cause: rounding in <code>float64</code> is far "
            "smaller, and what BN changes is far larger.",
        },
        "they differ by more than a tenth",
    ),
    "uneven": Question(
        "uneven",
        "BN aside (running statistics). Of 64 images one process gets 40, the other 24. Each computes the mean loss of its own "
        "images and its gradient, and the two gradients are averaged. The result is",
        {
            "a vector of another direction": "Each of the 24 counts 1/48 instead of 1/64, each of the 40 only 1/80. The mean "
            "must be weighted by the number of images.",
            "the gradient of the 64 images": "So it is with 32 and 32. A mean of means is the mean only of equal parts.",
            "that gradient times a factor": "The two shares get different factors, 64/80 and 64/48; no single rate undoes both.",
        },
        "a vector of another direction",
    ),
    "checkpoint": Question(
        "checkpoint",
        "A training with momentum, its rate on a schedule, saves its weights now and then, running statistics included. Order "
        "and augmentation of the images are functions of seed, epoch and image number. It is killed within an epoch. What else "
        "must have been saved, so that the resumed training ends with the same weights, bit for bit?",
        {
            "momentum and the number of updates done": "The next update depends on both: on the momentum buffer directly, and "
            "the number of updates says which rate and which images come next.",
            "momentum and the random generator's state": "Such a state must be saved where one is drawn from. Here nothing "
            "draws: the order can be computed again. But the place in it must be known.",
            "the number of updates done and the loss": "The right images come next, but the first updates go in another "
            "direction: the momentum of all earlier ones is lost. Nothing depends on the loss.",
            "nothing, if it resumes at an epoch's beginning": "Then some images of that epoch come twice, at other rates, and "
            "the momentum is lost as well.",
        },
        "momentum and the number of updates done",
    ),
    "forgotten": Question(
        "forgotten",
        "Now only BN's running statistics are lost in the checkpoint: they are 0 and 1 again. All else is there. At the end "
        "of the resumed training",
        {
            "trained weights the same, bit for bit; test accuracy perhaps not": "In training mode no layer reads the running "
            "statistics. They are an output of training, and an input of evaluation.",
            "all weights differ a little": "That would need a layer that reads running statistics in training mode.",
            "everything is the same: they are computed anew from the batches": "A running mean forgets slowly: momentum 0.1 "
            "keeps 0.9 of the old value at each update.",
        },
        "trained weights the same, bit for bit; test accuracy perhaps not",
    ),
    "counter": Question(
        "counter",
        "A counter in <code>bfloat16</code> starts at 0 and gets 1 added, 1,000 times. It ends at",
        {
            "256": "bfloat16 keeps 8 significant bits. From 256 on its neighbours are 2 apart: 257 lies in the middle, and is "
            "rounded to the even one, 256.",
            "1000": "1,000 can be written exactly, with 8 bits. But the way there leads past 257, which cannot.",
            "1024": "The next power of two. No sum is rounded that far.",
            "infinity": "bfloat16 has float32's range, up to 3.4·10³⁸. float16 is the one that ends at 65,504.",
        },
        "256",
    ),
    "noise": Question(
        "noise",
        "The first gradient of the ResNet-8 again, measured against one process in <code>float64</code>. Which of these is "
        "farthest from it (the distance of all tensors together)?",
        {
            "two processes with half the batch each": "0.24 of its length. It is another function that is differentiated.",
            "bfloat16 autocast (Keras: mixed_bfloat16)": "0.08 of its length: two to three digits in every "
            "convolution, and ReLUs that flip.",
            "float32": "About a millionth: rounding in the seventh digit.",
            "float32 with channels_last (PyTorch)": "The same function, summed in another order: about a millionth.",
        },
        "two processes with half the batch each",
    ),
    "epoch": Question(
        "epoch",
        "ResNet-50 v1.5 takes 4.09 billion multiply-adds for one image, forwards. On a processor that sustains 200 billion "
        "floating-point operations a second, one epoch of training on ImageNet's 1,281,167 images takes about",
        {
            "44 hours": "3 · 2 · 4.09·10⁹ · 1.28·10⁶ / 2·10¹¹ s: three passes' worth, and two operations a multiply-add.",
            "22 hours": "That counts a multiply-add as one operation. Processors' operations count both.",
            "15 hours": "The forward pass alone. The backward pass computes two gradients at each layer, of its input and of "
            "its weights.",
            "7 hours": "The forward pass alone, and a multiply-add as one operation.",
        },
        "44 hours",
    ),
    "ring": Question(
        "ring",
        "The gradients of ResNet-50 are 102 MB. Two processes that average them in a ring send 102 MB each. How much does each "
        "of 256 processes send?",
        {
            "204 MB": "2·(n−1)/n times the size: 1 for n = 2, nearly 2 for all large n.",
            "102 MB": "The share would have to be the same whatever n is. It grows, but hardly.",
            "13 GB": "128 times as much: so it would be if everybody sent everything to half of the others.",
            "26 GB": "That is everybody sending everything to everybody. In a ring each sends to its neighbour only.",
        },
        "204 MB",
    ),
}
