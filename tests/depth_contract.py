"""What every depth model promises on top of the contract of all models."""

import torch
from model_contract import ModelContract
from transformers import AutoModelForDepthEstimation


class DepthContract(ModelContract):
    auto_class = AutoModelForDepthEstimation
    output = "predicted_depth"

    def labels(self, images):
        depth = torch.rand(len(images), *images.shape[2:]) + 0.5  # far from where an untrained model is
        depth[:, :5] = 0
        return depth

    def unlabelled(self, images):
        return torch.zeros(len(images), *images.shape[2:])

    def test_depth_has_the_images_size_and_lies_in_the_range(self):
        model, images = self.make(), self.images(2, self.strictest_size)
        depth = self.predict(model, images)
        assert depth.shape == (2, *self.strictest_size)
        assert depth.min() > 0 and depth.max() < model.config.max_depth

    def test_what_lies_beyond_the_range_costs_nothing(self):
        model, images = self.make(), self.images()
        labels = self.labels(images)
        loss = model(images, labels=labels).loss
        labels[:, :2] = torch.tensor([float("nan"), float("inf")])[None, :, None]
        labels[:, 2] = model.config.max_depth + 1
        torch.testing.assert_close(model(images, labels=labels).loss, loss)
