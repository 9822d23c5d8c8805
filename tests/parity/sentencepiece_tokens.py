#!/usr/bin/env python3
"""Tokenizers whose reference is the sentencepiece package itself, live: SigLIP's class over every Unigram .model
there is, and BPE models that Gemma's and Llama's classes make of a tokenizer.model, where they promise the ids of the
package: byte fallback, and no piece of the user's. Ids alone: that reference has no offsets.

usage: sentencepiece_tokens.py [--quick] [--data DIR] [--count N] [--seed N]
"""
import argparse
import os
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import command  # noqa: E402
import tokens  # noqa: E402

CONFIGS = [{}, {"do_lower_case": False}, {"eos_token": "</s>", "pad_token": "</s>", "additional_special_tokens": ["<x>"]}, "decoder"]
MODELS = ["t5-small/spiece.model", "sentencepiece-testdata/test_model.model", "sentencepiece-testdata/test_ja_model.model"]


def check_bpe(folders, lines, count, seed):
    """Gemma's class has no prefix, Llama's has one unless the text begins with a space; both leave control pieces to the caller."""
    import pipelines
    import sentencepiece
    failed = 0
    for name, options in (("Gemma", {**pipelines.GEMMA, "user_defined_symbols": []}), ("Llama", pipelines.LLAMA)):
        model = pipelines.trained_spm(folders.data, byte_fallback=True, **options)
        reference = sentencepiece.SentencePieceProcessor(model_proto=model)
        where = folders.new({"tokenizer.model": model, "config.json": {}, "tokenizer_config.json": {"tokenizer_class": name + "Tokenizer"}})
        texts = [t for t in [*tokens.Random(seed)(count), *lines[:: max(1, len(lines) // count)]]
                 if t and t[0] not in " \u2581" and "<" not in t and "\0" not in t]
        probe, tally = tokens.Probe(where), tokens.Tally()
        compare(tally, probe, lambda text: {"input_ids": reference.encode(text)}, texts, name)
        probe.close()
        failed += tally.report(name + ", BPE")
    return failed


def special_texts(r, count):
    pool = ["</s>", "<unk>", "<x>", "</S>", "\u2581", " ", "  ", "\t", "\x1c", "\u3000", "a", "B", "hello", "\u03a3", "\u03b1\u03a3", ".",
            "\u03a3'", "\u0130", "\ufb01", "\u200b", "\u2460", "!", "\u65e5", "\u00ad", "\u0301"]
    return ["".join(r.r.choices(pool, k=r.r.randint(0, 9))) for _ in range(count)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data", default=tokens.ROOT + "/../shared/data")
    parser.add_argument("--count", type=int, default=20000, help="random texts for each model and config")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    try:
        import sentencepiece
    except ImportError:
        print("sentencepiece is not there: nothing compared")
        return
    count, failed = args.count // 20 if args.quick else args.count, 0
    with tempfile.TemporaryDirectory() as folder:
        tokens.Probe.program = command.build_probe("tokens_probe", folder)
        folders = tokens.Folders(folder, args.data)
        lines = tokens.real_lines(args.data)[0]
        failed += check_bpe(folders, lines, count, args.seed)
        for name in MODELS:
            path = os.path.join(args.data, "tokenizers", name)
            if not os.path.exists(path):
                continue
            pieces = sentencepiece.SentencePieceProcessor(model_file=path)
            decoder = {str(pieces.piece_to_id(c)): {"content": c, "lstrip": True, "rstrip": True, "normalized": False,
                                                    "single_word": False, "special": True}
                       for c in ("</s>", "<unk>")}  # fmt: skip
            for i, config in enumerate(CONFIGS):
                config = {"added_tokens_decoder": decoder} if config == "decoder" else config
                with open(path, "rb") as f:
                    where = folders.new({"spiece.model": f.read(), "config.json": {"model_type": "siglip_text_model"},
                                         "tokenizer_config.json": {"tokenizer_class": "SiglipTokenizer", **config}})
                oracle = tokens.AutoTokenizer.from_pretrained(where)
                probe, tally, r = tokens.Probe(where), tokens.Tally(), tokens.Random(args.seed + i)
                texts = ["", " ", *special_texts(r, count), *r(count), *lines[i :: max(1, len(lines) * 4 // max(count, 1))]]
                compare(tally, probe, oracle, texts, name)
                pairs = list(zip(texts[2:2000], texts[5:2000]))
                compare(tally, probe, oracle, pairs, name)
                compare(tally, probe, oracle, texts[:3000], name, max_length=4)
                probe.close()
                failed += tally.report("SigLIP, %s, config %d" % (name.split("/")[1], i))
    sys.exit(failed > 0)


def compare(tally, probe, oracle, texts, name, max_length=0):
    for text, mine in zip(texts, probe.encode(texts, max_length=max_length)):
        both = text if isinstance(text, tuple) else (text,)
        more = {"truncation": True, "max_length": max_length} if max_length else {}
        want = oracle(*both, **more)["input_ids"]
        tally.texts += 1
        tally.tokens += len(want)
        if isinstance(mine, int) or mine[0].tolist() != want:
            tally.differences += 1
            if tally.differences <= 3:
                print("DIFFERENCE", name, ascii(text)[:200], "ours", mine if isinstance(mine, int) else mine[0].tolist()[:40],
                      "reference", want[:40])  # fmt: skip


if __name__ == "__main__":
    main()
