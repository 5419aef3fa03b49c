# ruff: noqa: INP001 - a folder that Python is given to run, not a package
"""Write a llama model of random weights, about half a megabyte.

    model.py FILE

It knows nothing, but it is all there: a tokenizer of single bytes, two layers of attention, and an engine that cannot
tell it from a real one.
"""

from __future__ import annotations

import os
import sys

import gguf
import numpy as np

EMBEDDING, FEED_FORWARD, BLOCKS, HEADS, VOCABULARY = 64, 192, 2, 4, 288
SPECIAL = [("<unk>", gguf.TokenType.UNKNOWN), ("<s>", gguf.TokenType.CONTROL), ("</s>", gguf.TokenType.CONTROL)]
SPEAKS = b"abcdefghijklmnopqrstuvwxyz "


def main(path: str) -> None:
    """Write the file under another name first, so that it is never seen half written."""
    writer = gguf.GGUFWriter(path + ".new", "llama")
    writer.add_name("random")
    writer.add_context_length(2048)
    writer.add_embedding_length(EMBEDDING)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_block_count(BLOCKS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(EMBEDDING // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCABULARY)
    add_tokenizer(writer)
    add_weights(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(path + ".new", path)


def add_tokenizer(writer: gguf.GGUFWriter) -> None:
    """Three special tokens, one for each byte, and a few unused ones."""
    tokens = SPECIAL + [(f"<0x{byte:02X}>", gguf.TokenType.BYTE) for byte in range(256)]
    tokens += [(f"<unused{n}>", gguf.TokenType.UNUSED) for n in range(VOCABULARY - len(tokens))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def add_weights(writer: gguf.GGUFWriter) -> None:
    """Random ones, but for one dimension that says of each token whether it is a letter."""
    random = np.random.default_rng(1)

    def weights(*shape: int) -> np.ndarray:
        return random.normal(0, 0.1, shape).astype(np.float32)

    ones = np.ones(EMBEDDING, np.float32)
    embedding, output = weights(VOCABULARY, EMBEDDING), weights(VOCABULARY, EMBEDDING)
    # Without a bias it would say all bytes alike, and most of them are not to be shown on a terminal.
    embedding[:, 0] = 4
    output[:, 0] = -4
    output[[len(SPECIAL) + letter for letter in SPEAKS], 0] = 4
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    writer.add_tensor("output_norm.weight", ones)
    for block in range(BLOCKS):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{block}.{norm}.weight", ones)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{block}.{part}.weight", weights(EMBEDDING, EMBEDDING))
        for part in ("ffn_gate", "ffn_up"):
            writer.add_tensor(f"blk.{block}.{part}.weight", weights(FEED_FORWARD, EMBEDDING))
        writer.add_tensor(f"blk.{block}.ffn_down.weight", weights(EMBEDDING, FEED_FORWARD))


main(sys.argv[1])
