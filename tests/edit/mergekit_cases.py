"""The merges whose results by mergekit 0.1.5 are recorded in files/mergekit_0_1_5.safetensors.

M0 is the base, M1 to M3 models; `truenorth.edit` and mergekit read the same text.
"""

from __future__ import annotations


def listed(method: str, *models: str, base: bool = True, **top: object) -> str:
    lines = [f"merge_method: {method}", *(["base_model: M0"] if base else [])]
    lines += [f"{key}: {value}" for key, value in top.items()]
    return "\n".join([*lines, "models:", *(f"  - {model}" for model in models)]) + "\n"


def each(**settings: object) -> list[str]:
    """M1, M2 and M3 with parameters; a list is one value a model."""
    rows = []
    for i in range(3):
        told = ", ".join(f"{k}: {v[i] if isinstance(v, list) else v}" for k, v in settings.items())
        rows.append(f"{{model: M{i + 1}, parameters: {{{told}}}}}")
    return rows


W = [0.5, 0.3, 0.9]
SLICES = """\
merge_method: {method}
{top}
slices:
  - sources:
      - {{model: M1, layer_range: [0, 2]{a}}}
{other}
  - sources:
      - {{model: {second}, layer_range: [1, 3]{a}}}
{more}
"""
DETERMINISTIC = {
    "linear": listed("linear", *each(weight=W), base=False),
    "linear_sum": listed("linear", *each(weight=W), base=False, parameters="{normalize: false}"),
    "linear_gradient": listed(
        "linear",
        "{model: M1, parameters: {weight: [0, 0.2, 1]}}",
        "{model: M2, parameters: {weight: [{filter: mlp, value: [1, 0.25]}, {value: 0.5}]}}",
        base=False,
    ),
    "task_arithmetic": listed("task_arithmetic", *each(weight=W), parameters="{lambda: 0.7}"),
    "task_arithmetic_norm": listed("task_arithmetic", *each(weight=W), parameters="{normalize: true}"),
    "ties": listed("ties", *each(weight=W, density=[0.2, 0.5, 1.0])),
    "ties_sum": listed(
        "ties",
        *each(weight=[0.5, -0.3, 0.9], density=0.37),
        parameters="{normalize: false, rescale: true, lambda: 0.8, int8_mask: true}",
    ),
    "breadcrumbs": listed("breadcrumbs", *each(weight=W, density=0.6, gamma=[0.05, 0.1, 0.5])),
    "breadcrumbs_ties": listed(
        "breadcrumbs_ties",
        *each(weight=W, density=0.8),
        parameters="{gamma: 0.1, rescale: true, normalize: true}",
    ),
    "slerp": listed(
        "slerp",
        "{model: M0}",
        "{model: M1}",
        parameters="{t: [{filter: self_attn, value: [0, 0.5, 1]}, {value: 0.3}]}",
    ),
    "nuslerp": listed("nuslerp", *each(weight=W)[:2], base=False),
    "nuslerp_base": listed("nuslerp", *each(weight=W)[:2]),
    "nuslerp_rows": listed("nuslerp", *each(weight=W)[:2], base=False, parameters="{nuslerp_flatten: false}"),
    "nuslerp_columns": listed(
        "nuslerp", *each(weight=W)[:2], parameters="{nuslerp_flatten: false, nuslerp_row_wise: true}"
    ),
    "multislerp": listed("multislerp", *each(weight=W), base=False),
    "multislerp_base": listed("multislerp", *each(weight=W)),
    "karcher": listed("karcher", *each(), base=False),
    "model_stock": listed("model_stock", *each()),
    "model_stock_rows": listed("model_stock", *each(), parameters="{filter_wise: true}"),
    "sce": listed("sce", *each()),
    "sce_top": listed("sce", *each(), parameters="{select_topk: 0.4}"),
    "arcee_fusion": listed("arcee_fusion", "{model: M1}"),
    "nearswap": listed("nearswap", "{model: M1}", parameters="{t: 0.2}"),
    "ram": listed("ram", *each(), parameters="{epsilon: 0.1}"),
    "ramplus_tl": listed("ramplus_tl", *each(), parameters="{epsilon: 0.1, r: 0.5, alpha: 1.5}"),
    "stacked": SLICES.format(method="passthrough", top="", a="", other="", second="M2", more=""),
    "stacked_linear": SLICES.format(
        method="linear",
        top="parameters: {weight: [0.25, 1]}",
        a=", parameters: {weight: 0.75}",
        other="      - {model: M3, layer_range: [1, 3]}",
        second="M2",
        more="      - {model: M3, layer_range: [0, 2]}",
    ),
    "out_bfloat16": listed("linear", *each(weight=W), base=False, out_dtype="bfloat16"),
}
# For these mergekit was given our random bits in place of its own.
RANDOM = {
    "dare_linear": listed("dare_linear", *each(weight=W, density=[0.3, 0.5, 1.0])),
    "dare_ties": listed("dare_ties", *each(weight=W, density=0.5), parameters="{rescale: false}"),
    "della": listed("della", *each(weight=W, density=[0.4, 0.5, 0.6], epsilon=0.2)),
    "della_linear": listed("della_linear", *each(weight=W, density=0.5)),
}
