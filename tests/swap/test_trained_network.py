"""A trained network keeps working when its upsampling is replaced, and gets better as it is trained on."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hand_written import UNet

from sapa_hf import replace_upsampling
from sapa_hf.data.scenes.raycast import render
from sapa_hf.data.scenes.rooms import CLASSES, random_room


def rooms(count, seed):
    """Photos (N, 3, 48, 64) of rendered rooms, and the classes of their pixels."""
    images, labels = [], []
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        image, label, _ = render(*random_room(rng), 48, 64, rng)
        images.append(torch.from_numpy(image).permute(2, 0, 1) / 255 - 0.5)
        labels.append(torch.from_numpy(label).long())
    return torch.stack(images), torch.stack(labels)


def mean_iou(model, images, labels):
    with torch.no_grad():
        guess = model.eval()(images).argmax(1)
    scores = []
    for number in labels.unique():
        either = (guess == number) | (labels == number)
        scores.append(((guess == labels) & (labels == number)).sum() / either.sum())
    return float(torch.stack(scores).mean())


def train(model, images, labels, steps, rate):
    optimizer = torch.optim.AdamW(model.train().parameters(), rate)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, steps)
    for step in range(steps):
        chosen = torch.randperm(len(images))[:8]
        batch, target = images[chosen], labels[chosen]
        if step % 2:
            batch, target = batch.flip(3), target.flip(2)
        optimizer.zero_grad()
        F.cross_entropy(model(batch), target).backward()
        optimizer.step()
        schedule.step()
    return model


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_a_trained_network_keeps_its_score_when_swapped_and_gains_by_training(mode):
    (images, labels), test = rooms(64, 0), rooms(32, 1)
    network = train(UNet(mode, 12, len(CLASSES)), images, labels, 120, 1e-2)
    before = mean_iou(network, *test)
    paper, swapped = copy.deepcopy(network), copy.deepcopy(network)
    replace_upsampling(swapped, "sapa-b", images[:1], embedding_dim=16)
    replace_upsampling(paper, "sapa-b", images[:1], embedding_dim=16, start="average", border="zero")
    after = mean_iou(swapped, *test)
    assert abs(after - before) < 0.015
    assert mean_iou(paper, *test) < before - 0.04  # what the start is for
    tuned = mean_iou(train(swapped, images, labels, 40, 2.5e-3), *test)
    print(f"{mode}: {before:.3f} before, {after:.3f} swapped, {tuned:.3f} after 40 steps")
    assert tuned > before + 0.01
