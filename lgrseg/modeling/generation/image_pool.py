"""Earlier images of a generator, which a discriminator sees again."""

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Returns images or, half of the time, earlier ones, so that a judge does not forget them.

    Source: Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial
    Training", CVPR 2017, section 2.3; CycleGAN has 50 images.

    The images are buffers, so a checkpoint contains them and a resumed run continues exactly. They
    are chosen without reading a number from the device, so a GPU does not have to wait. With
    several processes torch copies the buffers of the first process to the others before each step.
    """

    images: Tensor
    count: Tensor

    def __init__(self, *, num_images: int, shape: tuple[int, int, int]):
        """Make an empty pool.

        Args:
            num_images: number of images, 1 or more.
            shape: (C, H, W) of an image.

        Raises:
            ValueError: there is no image.
        """
        super().__init__()
        if num_images < 1:
            raise ValueError(f"num_images={num_images}: a pool has at least one image")
        self.num_images = num_images
        self.register_buffer("images", torch.zeros(num_images, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, images: Tensor, generators: list[torch.Generator]) -> Tensor:
        """Exchange images with the pool.

        Until the pool is full, each image is stored and returned. Then each is, with probability
        1/2, exchanged for a random one of the pool; otherwise it is returned and not stored.

        Args:
            images: (N, C, H, W) new images, of the shape of the pool.
            generators: one random generator for each image.

        Returns:
            (N, C, H, W) images without a gradient.
        """
        chosen = []
        for image, generator in zip(images.to(self.images), generators, strict=True):
            place, coin = torch.rand(2, generator=generator, device=generator.device)
            is_full = self.count >= self.num_images
            index = torch.where(is_full, (place * self.num_images).long(), self.count)
            index = index.clamp(max=self.num_images - 1)[None]
            earlier = self.images.index_select(0, index)[0]
            returns_earlier = is_full & (coin < 0.5)
            stores = returns_earlier | ~is_full
            self.images.index_copy_(0, index, torch.where(stores, image, earlier)[None])
            self.count += (~is_full).long()
            chosen.append(torch.where(returns_earlier, earlier, image))
        return torch.stack(chosen).to(images)
