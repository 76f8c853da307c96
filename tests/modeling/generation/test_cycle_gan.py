"""lgrseg/modeling/generation: the losses by hand, who gets which gradient, the pool, the branch."""

import pytest
import torch
from torch import nn

from lgrseg.modeling.foundation import build_encoder, frozen
from lgrseg.modeling.generation.cycle_gan import CycleGAN
from lgrseg.modeling.generation.image_pool import ImagePool
from lgrseg.modeling.generation.networks import PatchJudge, ResNetGenerator
from lgrseg.structures import Clip, UnlabelledViews

SMALL = {"embedding_size": 8, "hidden_sizes": [8] * 4, "depths": [1] * 4}


class Times(nn.Module):
    """Multiplies by a number."""

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, images):
        return self.factor * images


def clip(value, size=8):
    return Clip(torch.full((1, 1, size, size), value), torch.arange(1), "v", seed=1)


def batch(a, b):
    return [], [], [UnlabelledViews([clip(a)], [clip(b)])]


def small_gan():
    networks = [Times(factor) for factor in (2.0, 0.5, 0.25, 3.0)]
    names = ("to_b", "to_a", "judge_a", "judge_b")
    return CycleGAN(**dict(zip(names, networks, strict=True)), image_size=(8, 8))


def test_losses_by_hand():
    # a = 0.2, b = -0.4 (frames 0.6 and 0.3): fakes b' = 2a = 0.4, a' = b/2 = -0.2; both cycles are
    # exact; identity: |0.1 - 0.2| + |-0.8 + 0.4| = 0.5. Judges: a/4 and 3b.
    losses = small_gan()(*batch(0.6, 0.3))
    wanted = {
        "loss_fool_a": (0.25 * -0.2 - 1) ** 2,
        "loss_fool_b": (3 * 0.4 - 1) ** 2,
        "loss_cycle": 0.0,
        "loss_identity": 5 * 0.5,
        "loss_judge_a": ((0.25 * 0.2 - 1) ** 2 + (0.25 * -0.2) ** 2) / 2,
        "loss_judge_b": ((3 * -0.4 - 1) ** 2 + (3 * 0.4) ** 2) / 2,
    }
    values = {name: loss.item() for name, loss in losses.items()}
    assert values == pytest.approx(wanted, abs=1e-5)


def test_one_backward_pass_gives_each_player_the_gradient_of_its_own_loss():
    together = small_gan()
    sum(together(*batch(0.6, 0.3)).values()).backward()
    apart = small_gan()
    losses = apart(*batch(0.6, 0.3))
    of_judges = losses.pop("loss_judge_a") + losses.pop("loss_judge_b")
    of_judges.backward()
    assert apart.to_a.factor.grad is None and apart.to_b.factor.grad is None
    gradients = [apart.judge_a.factor.grad.clone(), apart.judge_b.factor.grad.clone()]
    sum(losses.values()).backward()
    assert [apart.judge_a.factor.grad, apart.judge_b.factor.grad] == gradients  # unchanged
    for name, parameter in apart.named_parameters():
        assert torch.allclose(parameter.grad, together.get_parameter(name).grad), name
    # d/df of (3 f a - 1)^2 + 5 |f b - b| and of the cycles 10 |f/2 a - a|, 10 |f b/2 - b| at f = 2,
    # where an absolute value of 0 has no gradient: 2 (1.2 - 1) 3 0.2 + 5 0.4
    assert together.to_b.factor.grad.item() == pytest.approx(2 * 0.2 * 0.6 + 5 * 0.4, abs=1e-4)


def test_a_patch_of_the_judge_has_70_pixels():
    for num_strides, side in ((3, 70), (2, 34), (1, 16)):
        judge = PatchJudge(width=2, num_strides=num_strides)
        convolutions = nn.Sequential(*[m for m in judge.layers if isinstance(m, nn.Conv2d)])
        for convolution in convolutions:
            nn.init.ones_(convolution.weight)
        images = torch.zeros(1, 1, 160, 160, requires_grad=True)
        scores = convolutions(images)
        scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
        rows = images.grad[0, 0].sum(dim=1).nonzero()
        assert int(rows.max() - rows.min()) + 1 == side


def test_the_pool_gives_earlier_images_back():
    pool = ImagePool(num_images=3, shape=(1, 1, 1))
    generator = torch.Generator().manual_seed(0)
    returned, inside = [], []
    for number in range(1, 201):
        image = torch.full((1, 1, 1, 1), float(number))
        returned.append(int(pool(image, [generator])))
        inside.append(pool.images.flatten().tolist())
    assert returned[:3] == [1, 2, 3] and inside[2] == [1, 2, 3]
    earlier = [value for number, value in enumerate(returned, 1) if value != number]
    assert 70 < len(earlier) < 130  # half of 197
    assert len(earlier) == len(set(earlier))  # each leaves the pool once
    for number, value in enumerate(returned[3:], 4):
        before, after = set(inside[number - 2]), set(inside[number - 1])
        assert before - after == ({value} if value != number else set())


@pytest.mark.parametrize("is_frozen", [True, False])
def test_loaded_weights_of_the_branch_stay(is_frozen):
    torch.manual_seed(1)
    encoder = build_encoder("resnet18", **SMALL)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    branch = frozen(encoder=encoder) if is_frozen else encoder
    generator = ResNetGenerator(width=4, num_blocks=1, branch=branch)
    for name, value in generator.branch.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert 0.01 < generator.encode[1].weight.std() < 0.03  # the others are CycleGAN's
    images = torch.rand(2, 1, 64, 64) * 2 - 1
    generator.train()(images).square().sum().backward()
    trained = {n.split(".")[0] for n, p in generator.named_parameters() if p.grad is not None}
    assert trained == {"encode", "join", "decode"} | (set() if is_frozen else {"branch"})
    assert generator.branch.training != is_frozen


def test_frames_of_any_kind_are_restyled():
    gan = small_gan().eval()
    frames = torch.tensor([0.25, 0.5, 0.75])[None, :, None, None].expand(1, 3, 12, 8)
    # The mean is 0.5, so 0 within the model; 0.6 is 0.2, twice that is 0.4, so 0.7.
    assert torch.allclose(gan.restyled(frames, style="b"), torch.full((1, 1, 12, 8), 0.5))
    grey = torch.full((1, 1, 12, 8), 0.6)
    assert torch.allclose(gan.restyled(grey, style="b"), torch.full((1, 1, 12, 8), 0.7))
    assert torch.allclose(gan.restyled(grey, style="a"), torch.full((1, 1, 12, 8), 0.55))


def test_what_is_wrong_is_said():
    gan = small_gan()
    with pytest.raises(
        ValueError, match=r"frames have \(16, 16\) px, but the model has image_size"
    ):
        gan([], [], [UnlabelledViews([clip(0.5, size=16)], [clip(0.5)])])
    with pytest.raises(ValueError, match="trains on frames of two styles"):
        gan([clip(0.5)], [])
    with pytest.raises(ValueError, match="style 'c': the two styles are"):
        gan.restyled(torch.rand(1, 1, 8, 8), style="c")
    with pytest.raises(ValueError, match="10 x 8 px; sides must be multiples of 4"):
        ResNetGenerator(width=4, num_blocks=1)(torch.zeros(1, 1, 10, 8))
    with pytest.raises(ValueError, match="predicts no masks"):
        gan.eval()([])


def test_the_generator_draws_no_pattern_into_a_plain_image():
    torch.manual_seed(0)
    generator = ResNetGenerator(width=8, num_blocks=1)
    middle = generator(torch.full((1, 1, 64, 64), 0.3))[..., 26:38, 26:38]
    assert middle.std() < 1e-5  # only the edges of the image differ, because they are padded
