"""Tiny GGUF files with random weights, which a real Ollama loads and runs on a CPU.

Tensor and key names are those of llama.cpp, as the library gguf spells them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

_WIDTH, _FEED_FORWARD, _BLOCKS, _HEADS, _KV_HEADS = 64, 128, 2, 4, 2
_UNKNOWN, _BEGIN, _END = 0, 1, 2
_FIRST_WORD = 3 + 256

_WORDS = ["▁", "▁the", "▁a", "▁hello", "▁world", *(chr(code) for code in range(33, 127))]


class _Random:
    """Small random weights; the same seed gives the same ones."""

    def __init__(self, seed: str) -> None:
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8])
        self._generator = np.random.default_rng(number)

    def __call__(self, *shape: int, dtype: type = np.float32) -> NDArray[np.float32]:
        return (self._generator.standard_normal(shape) * 0.05).astype(dtype)


def write_llama(path: Path, name: str, context_length: int) -> None:
    """Write a language model of half a megabyte.

    Args:
        path: the file.
        name: name of the model; also what its weights depend on.
        context_length: tokens that it claims to be trained for.
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
    vocabulary = _add_sentencepiece(writer)
    ones = np.ones(_WIDTH, dtype=np.float32)
    # The first component of the hidden state is large for every text. The output turns it against
    # the tokens that are no words, so that what the model says can be printed.
    embeddings, output = random(vocabulary, _WIDTH), 20 * random(vocabulary, _WIDTH)
    embeddings[:, 0], output[:, 0] = 5.0, 0.0
    output[:_FIRST_WORD, 0] = -4.0
    output[_END, 0] = 0.0
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
            ("attn_output", _WIDTH, _WIDTH),
            ("ffn_gate", _FEED_FORWARD, _WIDTH),
            ("ffn_up", _FEED_FORWARD, _WIDTH),
            ("ffn_down", _WIDTH, _FEED_FORWARD),
        ):
            writer.add_tensor(f"{prefix}{tensor}.weight", random(rows, columns))
    _write(writer)


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


def _add_sentencepiece(writer: gguf.GGUFWriter) -> int:
    """Add a vocabulary with every byte and some words; returns its length."""
    kinds = gguf.TokenType
    tokens = [("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL)]
    tokens += [(f"<0x{byte:02X}>", kinds.BYTE) for byte in range(256)]
    tokens += [(word, kinds.NORMAL) for word in _WORDS]
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([token for token, _ in tokens])
    writer.add_token_scores(
        [-float(max(0, index - _FIRST_WORD + 1)) for index in range(len(tokens))]
    )
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_unk_token_id(_UNKNOWN)
    writer.add_bos_token_id(_BEGIN)
    writer.add_eos_token_id(_END)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(True)
    return len(tokens)


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
