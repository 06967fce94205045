"""What the reference said, kept beside a checkpoint: a fit that resumes does not ask it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from truenorth.base import UserError, content_hash, write_bytes
from truenorth.learn.types import Example

Values = dict[int, Tensor]


def kept(
    folder: Path | None,
    key: Sequence[object],
    examples: Sequence[Example],
    used: Sequence[int],
    compute: Callable[[], Values],
) -> Values:
    """`compute()`, or what it came to the last time, read from `folder`.

    Args:
        key: whatever the values depend on besides the tokens of the examples in use; the file's name is a hash
            of both.
    """
    if folder is None:
        return compute()
    tokens = [[list(examples[i].prompt), [list(c) for c in examples[i].completions]] for i in used]
    path = folder / f"reference-{content_hash([list(key), tokens])[:32]}.safetensors"
    return _read(path, used) if path.exists() else _written(path, used, compute())


def _written(path: Path, used: Sequence[int], values: Values) -> Values:
    from safetensors.torch import save

    lengths = torch.tensor([len(values[i]) for i in used])
    write_bytes(path, save({"values": torch.cat([values[i] for i in used]), "lengths": lengths}))
    return values


def _read(path: Path, used: Sequence[int]) -> Values:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot read these ({error})", where=str(path), fix="delete the file") from error
    return dict(zip(used, found["values"].split(found["lengths"].tolist())))
