"""Models of random weights: they know nothing, and an engine cannot tell them from real ones."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np

GGML_MAGIC, WHISPER_ENGLISH_VOCABULARY, F16 = 0x67676D6C, 51864, 1
LETTERS = b"abcdefghijklmnopqrstuvwxyz"


def make_llama(path: Path, width: int = 64, blocks: int = 2) -> Path:
    """A llama of half a megabyte in GGUF: an alphabet of single bytes, *blocks* layers of attention.

    It says nothing but letters: bytes at random are no UTF-8, which the server refuses to send.
    """
    random = np.random.default_rng(8)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(4096)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(2 * width)
    writer.add_block_count(blocks)
    writer.add_head_count(4)
    writer.add_layer_norm_rms_eps(1e-5)
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL, *256 * [gguf.TokenType.BYTE]]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))])
    writer.add_token_scores([0.0] * len(kinds))
    writer.add_token_types(kinds)
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (len(kinds), width), "output": (len(kinds), width)}
    shapes["output_norm"] = (width,)
    for block in range(blocks):
        parts = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (width, width))
        parts |= {"ffn_gate": (2 * width, width), "ffn_up": (2 * width, width), "ffn_down": (width, 2 * width)}
        shapes |= {f"blk.{block}.{part}": shape for part, shape in parts.items()}
        shapes |= {f"blk.{block}.{norm}": (width,) for norm in ("attn_norm", "ffn_norm")}
    for name, shape in shapes.items():
        weights = random.normal(0, 0.1, shape).astype(np.float32)
        if len(shape) == 1:
            weights[:] = 1
        if name in ("token_embd", "output"):  # the first dimension tells letters from the rest
            weights[:, 0] = 4 if name == "token_embd" else -4
        if name == "output":
            weights[[kinds.index(gguf.TokenType.BYTE) + letter for letter in LETTERS], 0] = 4
        writer.add_tensor(f"{name}.weight", weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def make_whisper(path: Path, width: int = 64, layers: int = 4) -> Path:
    """A whisper of 8 megabytes, most of it its words, in the format of whisper.cpp's `whisper_model_load`.

    That is: magic, sizes, the filters that make a spectrum, words, tensors; integers of 32 bits, no alignment.
    """
    random = np.random.default_rng(8)
    mels, bins, seconds = 80, 201, 1500
    sizes = [WHISPER_ENGLISH_VOCABULARY, seconds, width, 1, layers, 448, width, 1, layers, mels, F16]
    with path.open("wb") as file:
        file.write(struct.pack("<I11i", GGML_MAGIC, *sizes))
        file.write(struct.pack("<2i", mels, bins))
        file.write(random.random(mels * bins, np.float32).tobytes())
        words = [b" ", *(b" %d" % number for number in range(999))]  # the engine makes up the rest
        file.write(struct.pack("<i", len(words)))
        for word in words:
            file.write(struct.pack("<i", len(word)) + word)
        for name, shape in _whisper_shapes(width, layers, mels, seconds).items():
            whole = name.endswith(("bias", "positional_embedding")) or len(shape) == 1
            kind: Any = np.float32 if whole else np.float16
            encoded = name.encode()
            file.write(struct.pack("<3i", len(shape), len(encoded), 0 if kind is np.float32 else 1))
            file.write(struct.pack(f"<{len(shape)}i", *reversed(shape)) + encoded)
            file.write(random.normal(0, 0.1, shape).astype(kind).tobytes())
    return path


def _whisper_shapes(width: int, layers: int, mels: int, seconds: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors, rows first."""
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.positional_embedding": (seconds, width),
        "encoder.conv1.weight": (width, mels, 3),
        "encoder.conv1.bias": (width, 1),
        "encoder.conv2.weight": (width, width, 3),
        "encoder.conv2.bias": (width, 1),
        "decoder.positional_embedding": (448, width),
        "decoder.token_embedding.weight": (WHISPER_ENGLISH_VOCABULARY, width),
    }
    norms = ["encoder.ln_post", "decoder.ln"]
    for part in ("encoder", "decoder"):
        for layer in range(layers):
            block = f"{part}.blocks.{layer}"
            shapes[f"{block}.mlp.0.weight"], shapes[f"{block}.mlp.0.bias"] = (4 * width, width), (4 * width,)
            shapes[f"{block}.mlp.2.weight"], shapes[f"{block}.mlp.2.bias"] = (width, 4 * width), (width,)
            norms.append(f"{block}.mlp_ln")
            for attention in ("attn", "cross_attn") if part == "decoder" else ("attn",):
                norms.append(f"{block}.{attention}_ln")
                for matrix in ("query", "key", "value", "out"):
                    shapes[f"{block}.{attention}.{matrix}.weight"] = (width, width)
                    if matrix != "key":
                        shapes[f"{block}.{attention}.{matrix}.bias"] = (width,)
    for norm in norms:
        shapes[f"{norm}.weight"] = shapes[f"{norm}.bias"] = (width,)
    return shapes
