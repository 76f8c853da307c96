"""lgrseg/modeling/lgrnet/decoder.py: agrees with Mask2Former's layer, and with its own contract."""

import pytest
import torch

from lgrseg.modeling.lgrnet.decoder import MaskedDecoder
from lgrseg.modeling.lgrnet.decoder_layer import DecoderLayer


def features(*, num_clips=2, num_frames=3, dim=16, size=32):
    generator = torch.Generator().manual_seed(0)

    def maps(stride):
        shape = (num_clips, num_frames, dim, size // stride, size // stride)
        return torch.randn(shape, generator=generator)

    return {"mask_features": maps(4), "res3": maps(8), "res4": maps(16), "res5": maps(32)}


def decoder(**changes):
    torch.manual_seed(0)
    settings = {"num_classes": 4, "dim": 16, "num_queries": 5, "num_heads": 2, "ffn_dim": 32}
    return MaskedDecoder(**(settings | changes))


def test_layer_agrees_with_transformers_mask2former():
    peers = pytest.importorskip("transformers.models.mask2former.modeling_mask2former")
    from transformers import Mask2FormerConfig

    config = Mask2FormerConfig(
        hidden_dim=16, num_attention_heads=2, dim_feedforward=32, dropout=0.0, pre_norm=False
    )
    torch.manual_seed(0)
    peer = peers.Mask2FormerMaskedAttentionDecoderLayer(config).eval()
    layer = DecoderLayer(dim=16, num_heads=2, ffn_dim=32).eval()
    weights = peer.state_dict()
    qkv = ("q_proj", "k_proj", "v_proj")
    layer.load_state_dict(
        {k: v for k, v in _renamed(weights).items() if ".q_proj" not in k}
        | {
            f"self_attn.in_proj_{kind}": torch.cat([weights[f"self_attn.{n}.{kind}"] for n in qkv])
            for kind in ("weight", "bias")
        }
    )
    queries, positions = torch.randn(3, 5, 16), torch.randn(3, 5, 16)
    memory, places = torch.randn(3, 7, 16), torch.randn(1, 7, 16)
    blocked = torch.rand(6, 5, 7) < 0.5
    blocked[..., 0] = False
    ours = layer(queries, positions, memory, places, blocked)
    swap = (0, 1)
    theirs = peer(
        queries.transpose(*swap),
        level_index=0,
        encoder_attention_mask=blocked,
        position_embeddings=[places.transpose(*swap).expand(-1, 3, -1)],
        query_position_embeddings=positions.transpose(*swap),
        encoder_hidden_states=[memory.transpose(*swap)],
    )[0].transpose(*swap)
    assert (ours - theirs).abs().max() < 1e-5


def _renamed(weights):
    names = {
        "cross_attn_layer_norm": "cross_norm",
        "self_attn_layer_norm": "self_norm",
        "final_layer_norm": "ffn_norm",
        "fc1": "ffn.0",
        "fc2": "ffn.2",
    }
    renamed = {}
    for key, value in weights.items():
        head, _, tail = key.partition(".")
        if head == "self_attn" and not tail.startswith("out_proj"):
            continue
        renamed[f"{names.get(head, head)}.{tail}"] = value
    return renamed


def test_shapes_and_one_output_more_than_layers():
    outputs = decoder(num_layers=4)(features())
    assert len(outputs) == 5
    assert outputs[-1].class_logits.shape == (2, 5, 5)
    assert outputs[-1].mask_logits.shape == (2, 5, 3, 8, 8)


def test_clips_of_a_batch_do_not_see_each_other():
    model, both = decoder().eval(), features()
    alone = model({name: feature[1:] for name, feature in both.items()})[-1]
    together = model(both)[-1]
    assert torch.allclose(alone.mask_logits[0], together.mask_logits[1], atol=1e-5)


def test_a_query_looks_only_into_its_mask():
    model = decoder()
    logits = torch.full((1, 5, 1, 8, 8), -1.0)
    logits[:, 0, :, :4] = 1.0  # query 0: the upper half; the others: nowhere, so everywhere
    blocked = model._blocked(logits, (2, 2))
    assert blocked.shape == (2, 5, 4)  # two heads
    assert blocked[0, 0].tolist() == [False, False, True, True]
    assert not blocked[:, 1:].any()


def test_attention_threshold_is_on_the_logit():
    logits = torch.full((1, 5, 1, 8, 8), 0.3)
    logits[..., 4:, :] = 0.7
    assert not decoder()._blocked(logits, (2, 2)).any()
    public = decoder(attention_threshold=0.5)._blocked(logits, (2, 2))
    assert public[0, 0].tolist() == [True, True, False, False]


def test_layers_start_different():
    first, second = decoder().layers[:2]
    assert not torch.equal(first.ffn[0].weight, second.ffn[0].weight)
