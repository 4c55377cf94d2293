"""A training whose network is one number, for tests of the course alone."""

from __future__ import annotations

import json

import numpy as np

from odconv_training import LAST, Course, Facts, Processes, Samples, Source, Trainer

STEPS = 5  # of an epoch: four batches of eight, and one of twelve
END = 2 * STEPS


class Number(Trainer):
    """Its network is one weight; its checkpoints are JSON.

    Attributes:
        calls: what the course asked for, in order.
        right: how many of the ten validation samples the answers of each epoch get right.
    """

    framework = "torch"

    def __init__(self, options, processes=None, right=()):
        super().__init__(options, processes or Processes())
        self.weight = 0.5
        self.facts = Facts("abacus", 1)
        self.calls = []
        self.right = iter(right)

    def batches(self, samples, indices, epoch):
        for batch in indices:
            yield batch, samples.labels[batch]

    def step(self, step, images, labels, count, rate, temperature):
        self.calls.append(("step", step, len(labels), count))
        self.weight = 0.9 * self.weight + rate * labels.sum() / temperature + 0.01 * step
        return self.weight

    def answers(self, samples, indices):
        self.calls.append("answers")
        right = next(self.right, 0)
        for batch in indices:
            labels = samples.labels[batch]
            logits = np.eye(10)[np.where(batch < right, labels, (labels + 1) % 10)]
            yield logits, labels  # (batch, 10) and (batch,)

    def average_statistics(self):
        self.calls.append("average")

    def write(self, path, content):
        self.calls.append(("write", content["step"], content["epoch"]))
        path.write_text(json.dumps({**content, "weight": self.weight}), encoding="utf-8")

    def read(self, path):
        return json.loads(path.read_text(encoding="utf-8"))

    def restore(self, path, content):
        self.weight = content["weight"]


def source():
    labels = np.random.default_rng(3).integers(0, 10, 54)
    return Source(tuple("0123456789"), Samples(labels[:44]), Samples(labels[44:]))


def run(options, trainer=None):
    course = Course(options, source(), trainer or Number(options))
    course.run()
    return course


def last(options):
    return json.loads((options.output / LAST["torch"]).read_text(encoding="utf-8"))


def saved(trainer):
    return [call[1:] for call in trainer.calls if call[0] == "write"]
