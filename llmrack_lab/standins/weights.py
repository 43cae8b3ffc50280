"""Tiny GGUF files, which a real Ollama loads and runs on a CPU.

Their weights are random but for those that decide what a language model says.
Tensor and key names are those of llama.cpp, as the library gguf spells them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from .speech import CHATS, END, OTHERWISE, Speech

_WIDTH, _FEED_FORWARD, _BLOCKS, _HEADS, _KV_HEADS = 64, 128, 2, 4, 2
_UNKNOWN, _BEGIN, _END = 0, 1, 2
_FIRST_WORD = 3 + 256
_LETTERS = ["▁", *(chr(code) for code in range(33, 127))]
# How likely tokens are, as logits; letters have zero. Other tokens than the follower matter where a
# grammar forbids that one: texts and lists in JSON end soon.
_FOLLOWS, _IS_SAID, _IS_NO_TEXT = 60.0, -10.0, -20.0
_ENDINGS = {'"': 30.0, "}": 20.0, "]": 20.0, END: 20.0, ",": 10.0}


class _Random:
    """Small random weights; the same seed gives the same ones."""

    def __init__(self, seed: str) -> None:
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8])
        self._generator = np.random.default_rng(number)

    def __call__(self, *shape: int, dtype: type = np.float32) -> NDArray[np.float32]:
        return (self._generator.standard_normal(shape) * 0.05).astype(dtype)


def write_llama(path: Path, name: str, context_length: int, speech: Speech = CHATS) -> None:
    """Write a language model of half a megabyte.

    Its layers add nothing to what passes through them (``attn_output`` and ``ffn_down`` are zero),
    so that what follows a token depends on that token alone.

    Args:
        path: the file.
        name: name of the model; also what its random weights depend on.
        context_length: tokens that it claims to be trained for.
        speech: what it says.
    """
    random = _Random(name)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(context_length)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_BLOCKS)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_rope_freq_base(10000.0)
    tokens = _add_sentencepiece(writer, speech)
    ones = np.ones(_WIDTH, dtype=np.float32)
    embeddings, output = _spoken(tokens, speech)
    writer.add_tensor("token_embd.weight", embeddings)
    writer.add_tensor("output_norm.weight", ones)
    writer.add_tensor("output.weight", output)
    kv_width = _WIDTH // _HEADS * _KV_HEADS
    for block in range(_BLOCKS):
        prefix = f"blk.{block}."
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{prefix}{norm}.weight", ones)
        for tensor, rows, columns in (
            ("attn_q", _WIDTH, _WIDTH),
            ("attn_k", kv_width, _WIDTH),
            ("attn_v", kv_width, _WIDTH),
            ("ffn_gate", _FEED_FORWARD, _WIDTH),
            ("ffn_up", _FEED_FORWARD, _WIDTH),
        ):
            writer.add_tensor(f"{prefix}{tensor}.weight", random(rows, columns))
        for tensor, columns in (("attn_output", _WIDTH), ("ffn_down", _FEED_FORWARD)):
            nothing = np.zeros((_WIDTH, columns), dtype=np.float32)
            writer.add_tensor(f"{prefix}{tensor}.weight", nothing)
    _write(writer)


def _spoken(tokens: Sequence[str], speech: Speech) -> tuple[NDArray[np.float32], ...]:
    """The embeddings of tokens, and the output that makes their followers of them.

    The hidden state's first component is one for every token, and carries how likely tokens are in
    general. Each token that has a follower of its own has a component of its own, and all others
    have one together.
    """
    followers = speech.followers()
    alone = {token: component for component, token in enumerate(followers, 2)}
    if len(alone) > _WIDTH - 2:
        raise ValueError(f"{len(alone)} tokens have followers, and {_WIDTH - 2} is the most")
    index = {token: number for number, token in enumerate(tokens)}
    embeddings = np.zeros((len(tokens), _WIDTH), dtype=np.float32)
    output = np.zeros_like(embeddings)
    # The norm before the output leaves a vector of this length as it is.
    large = (_WIDTH - 1) ** 0.5
    embeddings[:, 0] = 1.0
    for token, number in index.items():
        embeddings[number, alone.get(token, 1)] = large
    for component, follower in ((1, OTHERWISE), *((alone[t], f) for t, f in followers.items())):
        output[index[follower], component] = _FOLLOWS / large
    output[:_FIRST_WORD, 0] = _IS_NO_TEXT
    output[_FIRST_WORD + len(_LETTERS) :, 0] = _IS_SAID
    for token, likely in _ENDINGS.items():
        output[index[token], 0] = likely
    return embeddings, output


def write_bert(path: Path, name: str, context_length: int, width: int) -> None:
    """Write an embedding model.

    Args:
        path: the file.
        name: name of the model; also what its weights depend on.
        context_length: tokens that it takes.
        width: dimension of its embeddings.
    """
    random = _Random(name)
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(context_length)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    vocabulary = _add_wordpiece(writer)
    writer.add_tensor("token_embd.weight", random(vocabulary, width, dtype=np.float16))
    writer.add_tensor("position_embd.weight", random(context_length, width, dtype=np.float16))
    writer.add_tensor("token_types.weight", random(2, width))
    _add_layer_norm(writer, "token_embd_norm", width)
    for tensor, rows, columns in (
        ("attn_q", width, width),
        ("attn_k", width, width),
        ("attn_v", width, width),
        ("attn_output", width, width),
        ("ffn_up", _FEED_FORWARD, width),
        ("ffn_down", width, _FEED_FORWARD),
    ):
        _add_linear(writer, f"blk.0.{tensor}", random(rows, columns, dtype=np.float16))
    _add_layer_norm(writer, "blk.0.attn_output_norm", width)
    _add_layer_norm(writer, "blk.0.layer_output_norm", width)
    _write(writer)


def write_clip(path: Path) -> None:
    """Write a vision projector for the models of :func:`write_llama`: LLaVA's, very small."""
    random = _Random("clip")
    width, image, patch, blocks = 32, 28, 14, 2
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("mlp")
    writer.add_vision_projection_dim(_WIDTH)
    writer.add_vision_image_size(image)
    writer.add_vision_patch_size(patch)
    writer.add_vision_embedding_length(width)
    writer.add_vision_feed_forward_length(_FEED_FORWARD)
    writer.add_vision_block_count(blocks)
    writer.add_vision_head_count(_HEADS)
    writer.add_vision_attention_layernorm_eps(1e-5)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    writer.add_tensor("v.class_embd", random(width))
    writer.add_tensor("v.patch_embd.weight", random(width, 3, patch, patch))
    writer.add_tensor("v.position_embd.weight", random((image // patch) ** 2 + 1, width))
    _add_layer_norm(writer, "v.pre_ln", width)
    for block in range(blocks):
        _add_layer_norm(writer, f"v.blk.{block}.ln1", width)
        _add_layer_norm(writer, f"v.blk.{block}.ln2", width)
        for tensor, rows, columns in (
            ("attn_q", width, width),
            ("attn_k", width, width),
            ("attn_v", width, width),
            ("attn_out", width, width),
            ("ffn_up", _FEED_FORWARD, width),
            ("ffn_down", width, _FEED_FORWARD),
        ):
            _add_linear(writer, f"v.blk.{block}.{tensor}", random(rows, columns))
    _add_linear(writer, "mm.0", random(_WIDTH, width))
    _add_linear(writer, "mm.2", random(_WIDTH, _WIDTH))
    _write(writer)


def _add_linear(writer: gguf.GGUFWriter, tensor: str, weights: NDArray[np.float32]) -> None:
    writer.add_tensor(f"{tensor}.weight", weights)
    writer.add_tensor(f"{tensor}.bias", np.zeros(len(weights), dtype=np.float32))


def _add_layer_norm(writer: gguf.GGUFWriter, tensor: str, width: int) -> None:
    writer.add_tensor(f"{tensor}.weight", np.ones(width, dtype=np.float32))
    writer.add_tensor(f"{tensor}.bias", np.zeros(width, dtype=np.float32))


def _add_sentencepiece(writer: gguf.GGUFWriter, speech: Speech) -> list[str]:
    """Add a vocabulary of what is said, every byte and some letters; returns the tokens."""
    kinds = gguf.TokenType
    kind_of = {"<unk>": kinds.UNKNOWN, "<s>": kinds.CONTROL, END: kinds.CONTROL}
    kind_of |= {f"<0x{byte:02X}>": kinds.BYTE for byte in range(256)}
    kind_of |= dict.fromkeys(_LETTERS, kinds.NORMAL)
    kind_of |= dict.fromkeys(speech.answers, kinds.CONTROL)
    kind_of |= {token: kinds.NORMAL for answer in speech.answers.values() for token in answer}
    tokens = list(kind_of)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    # This vocabulary writes a blank so.
    writer.add_token_list([token.replace(" ", "▁") for token in tokens])
    writer.add_token_scores(
        [-float(max(0, index - _FIRST_WORD + 1)) for index in range(len(tokens))]
    )
    writer.add_token_types(list(kind_of.values()))
    writer.add_unk_token_id(_UNKNOWN)
    writer.add_bos_token_id(_BEGIN)
    writer.add_eos_token_id(_END)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(True)
    return tokens


def _add_wordpiece(writer: gguf.GGUFWriter) -> int:
    """Add BERT's special tokens and the letters, at the start of words and within; its length."""
    letters = [chr(code) for code in range(33, 127)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [f"▁{letter}" for letter in letters] + letters
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("bert")
    writer.add_token_type_count(2)
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL] * 5 + [gguf.TokenType.NORMAL] * (len(tokens) - 5)
    )
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_uint32("tokenizer.ggml.cls_token_id", 2)
    writer.add_bos_token_id(2)
    writer.add_sep_token_id(3)
    writer.add_eos_token_id(3)
    writer.add_mask_token_id(4)
    return len(tokens)


def _write(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
