"""The reference's vision towers run three ways: in float64 as the truth, and in their own float32 with the
images alone and in a batch."""
import torch
import transformers

import numpy as np
from reference import OnlyDouble, Widen
from transformers.models.dinov3_vit import modeling_dinov3_vit as dinov3

transformers.logging.set_verbosity(transformers.logging.CRITICAL)
# Its results are cached by the type asked for, not by the type they have: see Widen in reference.py.
dinov3.get_patches_center_coordinates = dinov3.get_patches_center_coordinates.__wrapped__


class VisionReference:
    """One model directory. Inputs are arrays [images][3][height][width], normalised.

    Results are dictionaries of arrays whose first axis is the image:
        0, 1, ..., layers          hidden_states[k], [images][tokens][hidden]
        last                       last_hidden_state
        pooler, projection         pooler_output and image_embeds, where the model has them
    """

    def __init__(self, folder):
        self.float32, self.project32 = self._load(folder, "sdpa")
        self.float64, self.project64 = self._load(folder, "eager")
        self.float64.double()
        if self.project64 is not None:
            self.project64.double()
        self.config = self.float32.config
        if self.config.model_type == "dinov3_vit":  # made in float32 from the beginning
            rope = self.float64.rope_embeddings
            exponents = torch.arange(rope.head_dim // 4, dtype=torch.float64) * 4 / rope.head_dim
            rope.inv_freq = 1 / rope.base**exponents

    @staticmethod
    def _load(folder, attention):
        """The tower of a directory and its projection or None."""
        options = {"dtype": torch.float32, "attn_implementation": attention}
        config = transformers.AutoConfig.from_pretrained(folder)
        load = transformers.AutoModel
        if (config.architectures or [""])[0].endswith("WithProjection"):
            load = transformers.CLIPVisionModelWithProjection
        model, info = load.from_pretrained(folder, output_loading_info=True, **options)
        tower = getattr(model.eval(), "vision_model", model)
        made_up = {name.removesuffix(".weight").removesuffix(".bias") for name in info["missing_keys"]}
        if "pooler.dense" in made_up:
            tower.pooler = None
        made_up -= {"pooler.dense", "embeddings.mask_token"}
        assert not made_up, f"{folder}: made up by the reference: {made_up}"
        return tower, getattr(model, "visual_projection", None)

    def _patches(self, pixels):
        """What SigLIP2 takes: a row for each patch, its channels innermost, no padding."""
        count, _, height, width = pixels.shape
        p = self.config.patch_size
        rows, columns = height // p, width // p
        cut = pixels[:, :, : rows * p, : columns * p].reshape(count, 3, rows, p, columns, p)
        return {
            "pixel_values": cut.permute(0, 2, 4, 3, 5, 1).reshape(count, rows * columns, -1),
            "pixel_attention_mask": torch.ones(count, rows * columns, dtype=torch.long),
            "spatial_shapes": torch.tensor([[rows, columns]] * count),
        }

    def _run(self, model, project, pixels, interpolate):
        given = {"pixel_values": pixels}
        if self.config.model_type == "siglip2_vision_model":
            given = self._patches(pixels)
        if interpolate:
            given["interpolate_pos_encoding"] = True
        with torch.inference_mode():
            out = model(**given, output_hidden_states=True)
            results = dict(enumerate(out.hidden_states)) | {"last": out.last_hidden_state}
            if out.pooler_output is not None:
                results["pooler"] = out.pooler_output
            if project is not None:
                results["projection"] = project(out.pooler_output)
        return {name: tensor.numpy() for name, tensor in results.items()}

    def truth(self, pixels, interpolate=False):
        """float64."""
        with Widen(), OnlyDouble():
            pixels = torch.from_numpy(pixels.astype(np.float64))
            return self._run(self.float64, self.project64, pixels, interpolate)

    def batch(self, pixels, interpolate=False):
        """PyTorch's own float32, all images together."""
        return self._run(self.float32, self.project32, torch.from_numpy(pixels), interpolate)

    def alone(self, pixels, interpolate=False):
        """PyTorch's own float32, each image alone."""
        parts = [self.batch(pixels[i : i + 1], interpolate) for i in range(len(pixels))]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def entropy(self, pixels):
        """Mean entropy of the attention in nats, that of uniform attention, and the loudest channel over
        the median one."""
        given = {"pixel_values": torch.from_numpy(pixels.astype(np.float64))}
        if self.config.model_type == "siglip2_vision_model":
            given = self._patches(given["pixel_values"])
        with torch.inference_mode():
            out = self.float64(**given, output_attentions=True)
        p = torch.stack(out.attentions).numpy()
        spread = np.sqrt((out.last_hidden_state.numpy() ** 2).mean(axis=(0, 1)))
        entropy = float(-(p * np.log(np.maximum(p, 1e-300))).sum(-1).mean())
        return entropy, float(np.log(p.shape[-1])), float(spread.max() / np.median(spread))
