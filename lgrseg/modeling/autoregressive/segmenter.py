"""AR-SEG: predicts the mask tokens of every frame by a decoder-only transformer.

Sources: AiT (Ning et al., "All in Tokens", ICCV 2023) for soft tokens and the loss through the
frozen tokenizer; VAR (Tian et al., NeurIPS 2024) for next-scale prediction; ControlAR (Li et al.,
arXiv 2410.02705) for image tokens at the place of the predicted token.

Letters: B clips, T frames, N images or masks, K classes, P tokens, h w grid of tokens.
"""

from collections.abc import Mapping, Sequence

import torch
from einops import rearrange
from torch import Tensor, nn

from lgrseg.comm.processes import mean_over_processes
from lgrseg.layers.clip_batch import (
    ImageNormalizer,
    clip_generators,
    crop_to_input,
    stack_clips,
)
from lgrseg.layers.drop_path import draw_drop_paths
from lgrseg.layers.map_size import map_size
from lgrseg.layers.numerics import at_least_float32
from lgrseg.modeling.agreement import check_channels
from lgrseg.modeling.autoregressive.decoding import DecodedMasks
from lgrseg.modeling.autoregressive.frame_by_frame import segment_clips
from lgrseg.modeling.autoregressive.frozen import fingerprint, refuse_another_tokenizer
from lgrseg.modeling.autoregressive.image_tokens import ImageTokens
from lgrseg.modeling.autoregressive.memory import MaskMemory
from lgrseg.modeling.autoregressive.orders import NextScale, Raster
from lgrseg.modeling.autoregressive.sequence import MaskSequence
from lgrseg.modeling.autoregressive.teaching import Teacher
from lgrseg.modeling.autoregressive.tokenizer import (
    MaskTokenizer,
    padded_shares,
    shares_of_labels,
)
from lgrseg.modeling.autoregressive.trunk import Trunk
from lgrseg.modeling.contracts import ClipModel
from lgrseg.modeling.heads.per_pixel import clip_prediction
from lgrseg.modeling.heads.pixel_truth import pixel_truth
from lgrseg.structures import Clip, ClipPrediction, ClipTargets


class ARSegmenter(ClipModel):
    """Segments the frames of a clip by next-token or next-scale prediction.

    Every frame is segmented separately, or with a memory of the masks of the frames before it.
    """

    num_classes: int
    follows_updates = True

    def __init__(
        self,
        *,
        backbone: nn.Module,
        image_tokens: ImageTokens,
        tokenizer: MaskTokenizer,
        trunk: Trunk,
        order: Raster | NextScale,
        teacher: Teacher,
        num_classes: int,
        aligned: bool = True,
        memory: MaskMemory | None = None,
        classes: Sequence[int] | None = None,
        num_samples: int = 1,
        temperature: float = 0.0,
        pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225),
    ):
        """Combine the parts.

        Args:
            backbone: module from images (N, 3, H, W) to maps by name.
            image_tokens: module from these maps to image tokens.
            tokenizer: trained mask tokenizer, see frozen.py.
            trunk: decoder-only transformer.
            order: order in which the mask tokens are predicted.
            teacher: inputs and losses of the training.
            num_classes: number K of classes.
            aligned: True if every mask token also gets the image token of its place.
            memory: memory of the masks of earlier frames; None for none.
            classes: indices of the classes to segment at test; None for all. It needs a model that
                was trained with `teacher.subset_share` above 0.
            num_samples: number of sampled masks whose probabilities are averaged at test.
            temperature: temperature of sampling; 0 always takes the most probable token.
            pixel_mean: mean of each RGB channel (0 to 1), which is subtracted.
            pixel_std: standard deviation of each RGB channel, by which it is divided.

        Raises:
            ValueError: the parts do not match, a class does not exist, or several samples are
                requested at temperature 0.
        """
        super().__init__()
        check_channels("image_tokens", image_tokens.in_channels, backbone)
        _check_settings(tokenizer, num_classes, classes, num_samples, temperature)
        _check_image_tokens(image_tokens, tokenizer, trunk)
        self.num_classes = num_classes
        self.backbone, self.image_tokens = backbone, image_tokens
        self.sequence = MaskSequence(
            tokenizer=tokenizer, trunk=trunk, order=order, aligned=aligned, memory=memory
        )
        self.teacher = teacher
        self.classes = tuple(range(num_classes) if classes is None else classes)
        self.num_samples, self.temperature = num_samples, temperature
        self.normalizer = ImageNormalizer(mean=pixel_mean, std=pixel_std)
        self.register_buffer("tokenizer_sha", fingerprint(tokenizer))
        self.register_load_state_dict_pre_hook(refuse_another_tokenizer)

    def before_update(self, iteration: int) -> None:
        """Set the iteration for the schedule of corrupted tokens."""
        self.teacher.iteration = iteration

    def loss_totals(self, targets: Sequence[ClipTargets]) -> dict[str, float]:
        """Normaliser of the losses of these clips: "frames", the number of annotated frames."""
        return {"frames": float(sum(len(target.annotated_frames) for target in targets))}

    def forward(
        self,
        clips: list[Clip],
        targets: list[ClipTargets] | None = None,
        totals: Mapping[str, float | Tensor] | None = None,
    ) -> dict[str, Tensor] | list[ClipPrediction]:
        """Return losses in training mode, otherwise one prediction per clip.

        Raises:
            ValueError: clips of one batch differ in shape, targets are missing in training, or
                frames have more tokens than the model was built for.
        """
        frames = stack_clips(clips)
        if not self.training:
            return self.predict_from(self.tokens_of_clips(clips), map_size(frames))
        if targets is None:
            raise ValueError("a model in training mode needs targets; call .eval() to predict")
        totals = totals or mean_over_processes(self.loss_totals(targets), frames.device)
        generators = clip_generators(clips)
        draw_drop_paths(self.backbone, generators, frames.shape[1])
        images = rearrange(self.normalizer(frames), "b t c h w -> (b t) c h w")
        truth = pixel_truth(targets, num_frames=totals["frames"], padded_size=map_size(images))
        image = self._image_tokens(images)[truth.frames]
        counts = [len(target.annotated_frames) for target in targets]
        shares = shares_of_labels(truth.labels, self.num_classes)
        shares = padded_shares(shares, self.normalizer.divisor)
        per_frame = [g for g, count in zip(generators, counts, strict=True) for _ in range(count)]
        return self.teacher(self.sequence, image, shares, per_frame, totals["frames"])

    def _image_tokens(self, images: Tensor) -> Tensor:
        height, width = map_size(images)
        stride = self.sequence.tokenizer.stride
        grid = (height // stride, width // stride)
        return self.image_tokens(self.backbone(images), grid)

    def tokens_of_clips(self, clips: list[Clip]) -> Tensor:
        """Image tokens (B, T, D, h, w) of B clips of one shape."""
        images = rearrange(self.normalizer(stack_clips(clips)), "b t c h w -> (b t) c h w")
        return rearrange(self._image_tokens(images), "(b t) d h w -> b t d h w", b=len(clips))

    def class_probabilities(
        self, clips: list[Clip], generators: list[torch.Generator] | None = None
    ) -> Tensor:
        """Compute the probability of each class at each pixel (see contracts.Segmenter).

        They are decoded from soft tokens, and averaged over the samples. `generators` has no
        effect, because this model is not trained by its own probabilities.
        """
        scores, *_ = self._scores(self.tokens_of_clips(clips), map_size(clips[0].frames))
        probs = scores.softmax(dim=1)[:, 1:]
        return probs * self._shown(probs.device)[:, None, None, None]

    def predict_from(self, image: Tensor, size: tuple[int, int]) -> list[ClipPrediction]:
        """Predict B clips from their image tokens.

        Args:
            image: (B, T, D, h, w) image tokens.
            size: (height, width) of the frames, without padding.
        """
        return self._predict(image, size, [])[0]

    @property
    def remembers(self) -> bool:
        """True if the masks of earlier frames are known."""
        return self.sequence.memory is not None

    def predict_next(
        self, clips: list[Clip], earlier: list[Tensor]
    ) -> tuple[list[ClipPrediction], list[Tensor]]:
        """Predict the next frames of B videos, so that a video of any length can be cut into clips.

        Args:
            clips: B clips of one shape.
            earlier: codes (B, h, w, size of a code) of the masks of the frames before, the latest
                first; empty at the beginning of the videos.

        Returns:
            One prediction per clip, and `earlier` of the clips that follow.
        """
        return self._predict(self.tokens_of_clips(clips), map_size(clips[0].frames), earlier)

    def _predict(
        self, image: Tensor, size: tuple[int, int], earlier: list[Tensor]
    ) -> tuple[list[ClipPrediction], list[Tensor]]:
        scores, masks, earlier = self._scores(image, size, earlier)
        predictions = [clip_prediction(clip_scores) for clip_scores in scores]
        tokens, entropy = (each.chunk(len(image)) for each in (masks.tokens, masks.entropy))
        for number, prediction in enumerate(predictions):
            prediction.tokens, prediction.token_entropy = tokens[number], entropy[number]
            prediction.present &= self._shown(image.device)
        return predictions, earlier

    def _scores(
        self, image: Tensor, size: tuple[int, int], earlier: Sequence[Tensor] = ()
    ) -> tuple[Tensor, DecodedMasks, list[Tensor]]:
        """Scores (B, K + 1, T, H, W) of the pixels, B T masks, and `earlier` of the next clips."""
        scores, masks, last = segment_clips(
            self.sequence,
            image,
            self._shown(image.device),
            earlier,
            num_samples=self.num_samples,
            temperature=self.temperature,
        )
        scores = at_least_float32(crop_to_input(scores, size, stride=1))
        return rearrange(scores, "(b t) k h w -> b k t h w", b=len(image)), masks, last

    def _shown(self, device: torch.device) -> Tensor:
        """(K,) bool: true for classes that are segmented at test."""
        shown = torch.zeros(self.num_classes, dtype=torch.bool, device=device)
        shown[list(self.classes)] = True
        return shown


def _check_image_tokens(image_tokens: ImageTokens, tokenizer: MaskTokenizer, trunk: Trunk) -> None:
    if image_tokens.width != trunk.width:
        raise ValueError(
            f"image_tokens.width={image_tokens.width} must be trunk.width={trunk.width}"
        )
    if image_tokens.stride != tokenizer.stride:
        raise ValueError(
            f"image_tokens.stride={image_tokens.stride} must be that of the mask tokens, "
            f"{tokenizer.stride}"
        )


def _check_settings(
    tokenizer: MaskTokenizer,
    num_classes: int,
    classes: Sequence[int] | None,
    num_samples: int,
    temperature: float,
) -> None:
    if tokenizer.num_classes != num_classes:
        raise ValueError(
            f"the tokenizer has {tokenizer.num_classes} classes, num_classes is {num_classes}: "
            "train a tokenizer on this dataset (configs/ar_seg/tokenizer.py)"
        )
    unknown = sorted(set(classes or ()) - set(range(num_classes)))
    if unknown or (classes is not None and not classes):
        raise ValueError(
            f"classes={list(classes or ())}: there are the classes 0 to {num_classes - 1}, and at "
            "least one must be requested; null requests all"
        )
    if temperature < 0 or num_samples < 1 or (num_samples > 1 and temperature == 0):
        raise ValueError(
            f"num_samples={num_samples} at temperature={temperature}: several samples need a "
            "temperature above 0, because at 0 they are all equal"
        )
