"""The arguments people know from TRL and transformers: which do something here, which need not, which cannot."""

from __future__ import annotations

# Their name -> ours.
ALIASES = {
    "model_name_or_path": "model",
    "dataset_name": "data",
    "train_file": "data",
    "output_dir": "out",
    "max_seq_length": "max_length",
    "max_completion_length": "max_length",
    "batch_size": "per_device_train_batch_size",
    "epochs": "num_train_epochs",
    "lr": "learning_rate",
    "warmup_ratio": "warmup",
    "warmup_steps": "warmup",
    "evaluation_strategy": "eval_strategy",
    "eval_dataset": "eval_data",
    "lora_rank": "lora_r",
    "lora_target": "lora_target_modules",
    "ref_model_name_or_path": "ref_model",
    "data_seed": "seed",
}

# TRL's trainers whose name is not that of their objective, and arguments whose name here is another.
OBJECTIVES = {"reward": "bradley_terry"}
SETTINGS = {"center_rewards_coefficient": "centring"}

ALWAYS = "always so here"
PACKED = "rows are always packed without padding, and attention never crosses them"
PRECISION = "float32 on a CPU; bfloat16 products with float32 weights on a GPU"
MEMORY = "memory is bounded by the tokens of one forward pass"
NO_WORKERS = "data is read by this process"

# Accepted, without effect: name -> why that is fine.
NEEDLESS = {
    "packing": PACKED,
    "packing_strategy": PACKED,
    "eval_packing": PACKED,
    "padding_free": PACKED,
    "pad_to_multiple_of": PACKED,
    "pad_token": PACKED,
    "bf16": PRECISION,
    "fp16": PRECISION,
    "tf32": PRECISION,
    "dtype": PRECISION,
    "torch_dtype": PRECISION,
    "bf16_full_eval": PRECISION,
    "fp16_full_eval": PRECISION,
    "gradient_checkpointing": MEMORY,
    "gradient_checkpointing_kwargs": MEMORY,
    "activation_checkpointing": MEMORY,
    "activation_offloading": MEMORY,
    "auto_find_batch_size": MEMORY,
    "eval_accumulation_steps": MEMORY,
    "per_device_eval_batch_size": MEMORY,
    "torch_empty_cache_steps": MEMORY,
    "use_liger_kernel": "the head is always fused with the loss",
    "liger_kernel_config": "the head is always fused with the loss",
    "attn_implementation": "the fastest that agrees with the model is chosen by a self-check",
    "torch_compile": "not used",
    "use_cache": "off while training",
    "disable_dropout": "dropout is always off",
    "precompute_ref_log_probs": "the reference is always computed once, before the first step",
    "precompute_ref_batch_size": "the reference is always computed once, before the first step",
    "average_tokens_across_devices": "averages are always over the whole batch",
    "resume_from_checkpoint": "the same command always goes on where it stopped (--fresh starts again)",
    "overwrite_output_dir": "the same command always goes on where it stopped (--fresh starts again)",
    "save_strategy": "one checkpoint to resume from, every save_steps",
    "save_total_limit": "one checkpoint to resume from, every save_steps",
    "save_only_model": "one checkpoint to resume from, every save_steps",
    "shuffle_dataset": "each epoch is a new order, from the seed",
    "train_sampling_strategy": "each epoch is a new order, from the seed",
    "report_to": "numbers go to metrics.jsonl in the run; nothing is sent anywhere",
    "run_name": "the run is named by its folder",
    "logging_dir": "numbers go to metrics.jsonl in the run",
    "logging_strategy": "every logging_steps",
    "logging_first_step": "every logging_steps",
    "logging_nan_inf_filter": "steps that are not finite are skipped and counted",
    "log_level": "see --quiet",
    "disable_tqdm": "see --quiet",
    "include_num_input_tokens_seen": ALWAYS,
    "remove_unused_columns": ALWAYS,
    "do_train": ALWAYS,
    "do_eval": "see eval_strategy",
    "full_determinism": ALWAYS,
    "dataset_num_proc": NO_WORKERS,
    "dataloader_num_workers": NO_WORKERS,
    "dataloader_pin_memory": NO_WORKERS,
    "dataloader_prefetch_factor": NO_WORKERS,
    "dataloader_persistent_workers": NO_WORKERS,
    "dataloader_drop_last": "the last rows of an epoch share a batch with the first of the next",
    "group_by_length": PACKED,
    "lora_task_type": "known from the objective",
    "num_processes": "one process",
    "local_rank": "one process",
    "ddp_timeout": "one process",
}

# Refused unless switched off: name -> what to do instead.
ONE_DEVICE = "one process and one device only"
WHOLE = "weights are trained in float32; --use_peft trains far fewer of them"
OTHER = "not available here"
CANNOT = {
    "accelerate_config": ONE_DEVICE,
    "fsdp": ONE_DEVICE,
    "fsdp_config": ONE_DEVICE,
    "deepspeed": ONE_DEVICE,
    "parallelism_config": ONE_DEVICE,
    "load_in_4bit": WHOLE,
    "load_in_8bit": WHOLE,
    "bnb_4bit_quant_type": WHOLE,
    "bnb_4bit_quant_storage": WHOLE,
    "use_bnb_nested_quant": WHOLE,
    "use_dora": "plain LoRA only",
    "use_rslora": "plain LoRA only: set lora_alpha to lora_alpha * sqrt(lora_r)",
    "lora_dropout": "dropout is off, in adapters too",
    "lora_modules_to_save": "plain LoRA only",
    "lora_target_parameters": "plain LoRA only",
    "neftune_noise_alpha": OTHER,
    "label_smoothing_factor": "smoothing of preference labels is the objective's label_smoothing",
    "load_best_model_at_end": "the last weights are kept; look at metrics.jsonl and set max_steps",
    "metric_for_best_model": "the last weights are kept; look at metrics.jsonl and set max_steps",
    "early_stopping_patience": "the last weights are kept; look at metrics.jsonl and set max_steps",
    "push_to_hub": "nothing is uploaded: `hf upload` takes the run's model folder",
    "hub_model_id": "nothing is uploaded: `hf upload` takes the run's model folder",
    "hub_token": "nothing is uploaded: `hf upload` takes the run's model folder",
    "dataset_streaming": "download it, and name the file or folder",
    "streaming": "download it, and name the file or folder",
    "model_revision": "download that revision, and name the folder",
    "trust_remote_code": "code that comes with models is not run",
    "chat_template_path": "save the tokenizer with the template you want",
    "eos_token": "save the tokenizer with the eos_token you want",
    "model_init_kwargs": OTHER,
    "optim_args": OTHER,
    "optim_target_modules": OTHER,
    "lr_scheduler_kwargs": OTHER,
    "datasets": "join them into one file",
    "use_vllm": "nothing is sampled while training",
    "torch_compile_backend": OTHER,
    "use_weighting": "that is the objective wpo",
}
OFF = (None, False, "", "no", "none", "false", "False", "0", 0, 0.0, "0.0", [], ())
