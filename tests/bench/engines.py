"""The engines that peers.py measures against, each driven at its best: from a folder of transformers to a
function that takes numpy inputs and gives another that runs one forward pass to last_hidden_state.

    bind = ENGINES["onnxruntime"]["f32 fused"](Model(folder, cache), threads)
    run = bind({"input_ids": ..., "attention_mask": ..., "token_type_ids": ...})   # or {"pixel_values": ...}

What an engine needs of files (an ONNX graph, an IR, a GGUF file) is made once, below cache. An engine that is
not installed raises ImportError when it is bound. Every graph keeps all axes dynamic but those called static.
"""
import ctypes
import os
import warnings
from functools import partial
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")
TEXT = ["input_ids", "attention_mask", "token_type_ids"]


class Model:
    """A folder of transformers, and where what is made of it is kept."""

    def __init__(self, folder, cache):
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        self.folder = str(folder)
        self.cache = Path(cache)
        self.cache.mkdir(parents=True, exist_ok=True)
        self.config = transformers.AutoConfig.from_pretrained(self.folder)
        self.images = self.config.model_type == "vit"

    def torch(self, attention):
        """A module that takes its inputs in order and gives last_hidden_state."""
        import torch
        import transformers

        encoder = transformers.AutoModel.from_pretrained(
            self.folder, add_pooling_layer=False, attn_implementation=attention, dtype=torch.float32).eval()
        names = ["pixel_values"] if self.images else TEXT

        class Last(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.encoder = encoder

            def forward(self, *inputs):
                return self.encoder(**dict(zip(names, inputs))).last_hidden_state

        return Last().eval()

    def inputs(self, batch, tokens, seed=1):
        """Random inputs of a shape; of images, tokens is not looked at."""
        random = np.random.default_rng([seed, batch, tokens])
        if self.images:
            side = self.config.image_size
            return {"pixel_values": random.standard_normal((batch, 3, side, side), dtype=np.float32)}
        ids = random.integers(1000, self.config.vocab_size, (batch, tokens), dtype=np.int64)
        return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def kept(make):
    """make(model, path, ...) writes path; it is called once for each name."""

    def path_of(model, name, *more):
        path = model.cache / name
        if not path.exists():
            make(model, path, *more)
        return path

    return path_of


# ---- PyTorch --------------------------------------------------------------------------------------------


def run_torch(model, threads, attention="sdpa", compiled=False, int8=False):
    import torch

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    net = model.torch(attention)
    if int8:
        from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

        engines = torch.backends.quantized.supported_engines
        torch.backends.quantized.engine = "x86" if "x86" in engines else engines[-1]
        net = quantize_dynamic(net, {torch.nn.Linear: per_channel_dynamic_qconfig})
    if compiled:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(model.cache / "inductor"))
        import torch._inductor.config

        torch._inductor.config.freezing = True  # weights are constants, packed for oneDNN
        net = torch.compile(net, dynamic=True)

    def bind(inputs):
        tensors = [torch.from_numpy(value) for value in inputs.values()]

        def run():
            with torch.inference_mode():
                return net(*tensors).numpy()

        return run

    return bind


# ---- ONNX Runtime -----------------------------------------------------------------------------------------


@kept
def onnx_plain(model, path):
    """The graph of eager attention, which the optimizer of onnxruntime knows how to fuse."""
    import torch

    inputs = model.inputs(2, 16)
    axes = {name: {0: "batch"} if model.images else {0: "batch", 1: "tokens"} for name in [*inputs, "last_hidden_state"]}
    torch.onnx.export(model.torch("eager"), tuple(torch.from_numpy(value) for value in inputs.values()), str(path),
                      input_names=list(inputs), output_names=["last_hidden_state"], dynamic_axes=axes,
                      opset_version=17, dynamo=False)


@kept
def onnx_fused(model, path):
    from onnxruntime.transformers import optimizer

    net = optimizer.optimize_model(str(onnx_plain(model, "plain.onnx")), opt_level=0,
                                   model_type="vit" if model.images else "bert",
                                   num_heads=model.config.num_attention_heads, hidden_size=model.config.hidden_size)
    net.save_model_to_file(str(path))


@kept
def onnx_int8(model, path, source):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(source), str(path), per_channel=True, weight_type=QuantType.QInt8,
                     op_types_to_quantize=["MatMul", "Attention", "Gemm"], extra_options={"DefaultTensorType": 1})


def run_onnx(model, threads, fused=False, int8=False):
    import onnxruntime

    path = onnx_fused(model, "fused.onnx") if fused else onnx_plain(model, "plain.onnx")
    if int8:
        path = onnx_int8(model, path.stem + "-int8.onnx", path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = {each.name for each in session.get_inputs()}

    def bind(inputs):
        feed = {name: value for name, value in inputs.items() if name in names}
        return lambda: session.run(None, feed)[0]

    return bind


# ---- OpenVINO ---------------------------------------------------------------------------------------------


@kept
def openvino_plain(model, path):
    """From PyTorch, which keeps scaled_dot_product_attention one operation."""
    import openvino
    import torch

    inputs = model.inputs(2, 16)
    with torch.no_grad():
        graph = openvino.convert_model(model.torch("sdpa"),
                                       example_input=tuple(torch.from_numpy(value) for value in inputs.values()))
    for port, name in zip(graph.inputs, inputs):
        port.get_tensor().set_names({name})
    shape = [-1, 3, model.config.image_size, model.config.image_size] if model.images else [-1, -1]
    graph.reshape({port: openvino.PartialShape(shape) for port in graph.inputs})
    openvino.save_model(graph, str(path), compress_to_fp16=False)


@kept
def openvino_int8(model, path):
    """Weights and activations, calibrated on random inputs."""
    import nncf
    import openvino

    graph = openvino.Core().read_model(openvino_plain(model, "openvino.xml"))
    samples = [list(model.inputs(i, 64 + i, seed=2).values()) for i in range(1, 9)]
    graph = nncf.quantize(graph, nncf.Dataset(samples), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(samples))
    openvino.save_model(graph, str(path), compress_to_fp16=False)


def run_openvino(model, threads, int8=False, static=False):
    import openvino

    core = openvino.Core()
    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
              "PERFORMANCE_HINT": "LATENCY"}
    graph = core.read_model(openvino_int8(model, "openvino-int8.xml") if int8 else openvino_plain(model, "openvino.xml"))
    shared = None if static else core.compile_model(graph, "CPU", config).create_infer_request()

    def bind(inputs):
        request = shared
        if static:
            fixed = graph.clone()
            fixed.reshape({port: openvino.PartialShape(value.shape) for port, value in zip(fixed.inputs, inputs.values())})
            request = core.compile_model(fixed, "CPU", config).create_infer_request()

        def run():
            for i, value in enumerate(inputs.values()):
                request.set_input_tensor(i, openvino.Tensor(value, shared_memory=True))
            request.infer()
            return request.get_output_tensor(0).data

        return run

    return bind


# ---- CTranslate2 --------------------------------------------------------------------------------------------


@kept
def ctranslate2_folder(model, path):
    import ctranslate2.converters
    import transformers

    source = model.cache / "for-ctranslate2"
    encoder = model.torch("eager").encoder
    encoder.config.position_embedding_type = "absolute"  # gone from transformers 5, read by the converter
    encoder.save_pretrained(source)
    words = source / "words.txt"
    special = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    words.write_text("".join(special.get(i, f"w{i}") + "\n" for i in range(model.config.vocab_size)))
    transformers.BertTokenizerFast(vocab=str(words)).save_pretrained(source)
    ctranslate2.converters.TransformersConverter(str(source)).convert(str(path), force=True)


def run_ctranslate2(model, threads, compute="float32"):
    if compute == "int8":
        os.environ["CT2_USE_EXPERIMENTAL_PACKED_GEMM"] = "1"
    import ctranslate2

    encoder = ctranslate2.Encoder(str(ctranslate2_folder(model, "ctranslate2")), device="cpu", compute_type=compute,
                                  intra_threads=threads, inter_threads=1)

    def bind(inputs):
        ids = inputs["input_ids"].astype(np.int32)
        lengths = inputs["attention_mask"].sum(1).astype(np.int32)

        def run():
            views = ctranslate2.StorageView.from_array(ids), ctranslate2.StorageView.from_array(lengths)
            return np.array(encoder.forward_batch(*views).last_hidden_state)

        return run

    return bind


# ---- llama.cpp ------------------------------------------------------------------------------------------------

GGUF_STEMS = {"embeddings.word_embeddings": "token_embd", "embeddings.position_embeddings": "position_embd",
              "embeddings.token_type_embeddings": "token_types", "embeddings.LayerNorm": "token_embd_norm"}
GGUF_PARTS = {"attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
              "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
              "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}


def gguf_name(name):
    stem, leaf = name.rsplit(".", 1)
    if stem.startswith("encoder.layer."):
        _, _, layer, part = stem.split(".", 3)
        return f"blk.{layer}.{GGUF_PARTS[part]}.{leaf}"
    return f"{GGUF_STEMS[stem]}.{leaf}"


@kept
def gguf_file(model, path, kind):
    import gguf

    config, types = model.config, gguf.GGMLQuantizationType
    out = gguf.GGUFWriter(str(path), "bert")
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_block_count(config.num_hidden_layers)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_layer_norm_eps(config.layer_norm_eps)
    out.add_causal_attention(False)
    out.add_pooling_type(gguf.PoolingType.NONE)
    out.add_tokenizer_model("bert")
    out.add_tokenizer_pre("default")
    special = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    out.add_token_list([special.get(i, f"\u2581w{i}") for i in range(config.vocab_size)])
    out.add_token_types([gguf.TokenType.CONTROL if i in special else gguf.TokenType.NORMAL
                         for i in range(config.vocab_size)])
    out.add_token_type_count(config.type_vocab_size)
    for name, i in (("padding", 0), ("unknown", 100), ("bos", 101), ("seperator", 102), ("eos", 102), ("mask", 103)):
        out.add_uint32(f"tokenizer.ggml.{name}_token_id", i)
    wanted = {"f32": types.F32, "q8_0": types.Q8_0}[kind]
    for name, tensor in model.torch("eager").encoder.state_dict().items():
        if "position_ids" in name:
            continue
        name, data = gguf_name(name), tensor.numpy().astype(np.float32)
        small = data.ndim == 1 or name.startswith(("position_embd", "token_types"))
        dtype = types.F32 if small else wanted
        out.add_tensor(name, gguf.quants.quantize(data, dtype), raw_dtype=dtype)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def run_llama(model, threads, kind="f32"):
    """One sequence a call: llama.cpp attends over a whole micro-batch with a mask, so that one call for many
    sequences is slower."""
    import llama_cpp

    path = gguf_file(model, f"{kind}.gguf", kind)
    llama_cpp.llama_log_set(ctypes.cast(None, llama_cpp.llama_log_callback), ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    loaded = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
    hidden = model.config.hidden_size

    def batch_of(row):
        batch = llama_cpp.llama_batch_init(len(row), 0, 1)
        batch.n_tokens = len(row)
        for i, token in enumerate(row):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = int(token), i, 1, 1
            batch.seq_id[i][0] = 0
        return batch

    def bind(inputs):
        ids = inputs["input_ids"]
        rows, tokens = ids.shape
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = max(tokens, 32)
        params.n_seq_max = 1
        params.n_threads = params.n_threads_batch = threads
        params.embeddings = True
        params.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_NONE
        context = llama_cpp.llama_init_from_model(loaded, params)
        batches = [batch_of(row) for row in ids]
        out = np.empty((rows, tokens, hidden), np.float32)

        def run():
            for row, batch in zip(out, batches):
                if llama_cpp.llama_encode(context, batch):
                    raise RuntimeError("llama_encode failed")
                ctypes.memmove(row.ctypes.data, llama_cpp.llama_get_embeddings(context), row.nbytes)
            return out

        return run

    return bind


# ---- all of them: name -> (what it computes in, function, takes images, takes padded batches) ---------------------

ENGINES = {
    "torch sdpa": ("f32", run_torch, True, True),
    "torch compile": ("f32", partial(run_torch, compiled=True), True, True),
    "onnxruntime": ("f32", run_onnx, True, True),
    "onnxruntime fused": ("f32", partial(run_onnx, fused=True), True, True),
    "openvino": ("f32", run_openvino, True, True),
    "openvino static": ("f32", partial(run_openvino, static=True), True, False),
    "ctranslate2": ("f32", run_ctranslate2, False, True),
    "llama.cpp": ("f32", run_llama, False, False),
    "torch int8": ("int8", partial(run_torch, int8=True), True, True),
    "onnxruntime int8": ("int8", partial(run_onnx, int8=True), True, True),
    "onnxruntime fused int8": ("int8", partial(run_onnx, fused=True, int8=True), True, True),
    "openvino int8": ("int8", partial(run_openvino, int8=True), True, True),
    "ctranslate2 int8": ("int8", partial(run_ctranslate2, compute="int8"), False, True),
    "llama.cpp q8_0": ("int8", partial(run_llama, kind="q8_0"), False, False),
}
