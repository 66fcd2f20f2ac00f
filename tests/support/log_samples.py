"""Small logs in the layouts of trainers, with the norms and steps that stand in them, written down by hand.

Each follows what the version that it names writes; numbers are made up, or those of public logs.
"""

import json
import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

NAN = math.nan


class Sample(NamedTuple):
    """A log: its name, its bytes, and what is read from it; `notes` are the kinds of the notes."""

    name: str
    data: bytes
    kind: str
    column: str
    steps: list[int] | None
    norms: list[float]
    notes: list[str] = []  # noqa: RUF012  # which nobody changes
    tensors: dict[str, list[float]] = {}  # noqa: RUF012


def trainer_state() -> bytes:
    """`trainer_state.json` of transformers 4.46, which logs every fifth step; the last entry has totals."""
    rows: list[dict[str, float]] = [
        {"epoch": 0.1 * k, "grad_norm": norm, "learning_rate": 2e-5, "loss": 3.2, "step": 5 * k}
        for k, norm in enumerate([1.25, 0.5, NAN, 2.0], 1)
    ]
    rows.insert(2, {"epoch": 0.2, "eval_loss": 2.5, "eval_runtime": 1.5, "step": 10})
    rows.append({"epoch": 0.4, "step": 20, "total_flos": 1e15, "train_loss": 2.9})
    tree = {
        "best_metric": None,
        "epoch": 0.4,
        "global_step": 20,
        "log_history": rows,
        "logging_steps": 5,
        "max_steps": 20,
    }
    return json.dumps(tree, indent=2, sort_keys=True).encode()


HF_OUT = (
    "  0%|          | 0/200 [00:00<?, ?it/s]\r  5%|▌         | 10/200 [00:01<00:20,  9.21it/s]\r"
    "{'loss': 3.2363, 'grad_norm': 1.2117664813995361, 'learning_rate': 0.00019984, 'epoch': 0.0}\n"
    "\r 10%|█         | 20/200 [00:02<00:19,  9.30it/s]"
    "{'loss': 3.1, 'grad_norm': 0.5, 'learning_rate': 0.0001, 'epoch': 0.5}\n"
    "{'eval_loss': 2.25, 'eval_runtime': 1.2, 'epoch': 0.5}\n"
    "{'loss': '3.001', 'grad_norm': 'nan', 'learning_rate': '5e-05', 'epoch': '1.0'}\n"
    "{'train_runtime': 12.1, 'train_loss': 3.1, 'epoch': 1.0}\n"
).encode()
"""Standard output of transformers: 4.46 writes numbers, 5.0 writes texts; bars of tqdm stand in the same lines."""

LIGHTNING = (
    b"epoch,grad_2.0_norm/fc.bias,grad_2.0_norm/fc.weight,grad_2.0_norm_total,step,train_loss,val_loss\n"
    b"0,,,,49,2.5,\n"
    b"0,0.6,0.8,1.0,49,,\n"
    b"0,,,,99,2.25,\n"
    b"0,3.0,4.0,5.0,99,,\n"
    b"0,,,,99,,2.75\n"
    b"1,0.3,,0.5,149,,\n"
)
"""`metrics.csv` of lightning 2.6, with `grad_norm(self, norm_type=2)`: rows are sparse, several have the same step."""

WANDB = (
    b'"Step","run-a - train/grad_norm","run-a - train/grad_norm__MIN","run-a - train/grad_norm__MAX","run-a - _step"\n'
    b'"0","1.5","1.5","1.5","0"\n"1","0.75","0.75","0.75","1"\n"2","","","",""\n"3","NaN","NaN","NaN","3"\n'
)
"""A panel of Weights & Biases, exported as CSV."""

WANDB_TWO = (
    b'"train/global_step","run-a - train/grad_norm","run-b - train/grad_norm"\n"1","1.5","2.5"\n"2","1.25","2.25"\n'
)

MEGATRON = (
    b" [2021-08-25 14:05:11] iteration     6910/  159576 | consumed samples:       215232 | elapsed time per iteration (ms): "
    b"14593.0 | learning rate: 5.9E-05 | global batch size:    64 | lm loss: 7.31E+00 | loss scale: 4096.0 | "
    b"grad norm: 122716.232 | num zeros: 0.0 | number of skipped iterations:   0 | number of nan iterations:   0 |\n"
    b" [2021-08-25 14:07:11] iteration     6920/  159576 | consumed samples:       215872 | lm loss: 7.29E+00 | "
    b"loss scale: 2048.0 | number of skipped iterations:  10 | number of nan iterations:   0 |\n"
    b"time (ms)\n"
    b" [2021-08-25 14:09:11] iteration     6930/  159576 | consumed samples:       216512 | lm loss: 7.28E+00 | "
    b"loss scale: 2048.0 | grad norm: 98258.265 | number of skipped iterations:   2 | number of nan iterations:   0 |\n"
)
"""Megatron-LM of 2021 in fp16, which logs each tenth iteration; one without a norm was skipped."""

TORCHTITAN = "".join(
    f"[rank{rank}]:[titan] 2025-01-10 12:00:0{step} - root - INFO - \x1b[31mstep: {step:2}  \x1b[32mloss: {3.5 - step:7.4f}  "
    f"\x1b[38;2;180;60;0mgrad_norm: {norm:7.4f}  \x1b[33mmemory:  0.5GiB(1.00%)  \x1b[34mtps: 7,000  \x1b[36mtflops: 1.2\x1b[39m\n"
    for step, norm in ((1, 0.8319), (2, 1.25), (3, math.inf))
    for rank in (0, 1)
).encode()
"""torchtitan 0.2: colours, and the same line once a rank."""

VERL = (
    b"step:1 - global_seqlen/min:512 - actor/entropy:0.5 - actor/pg_loss:0.1 - actor/grad_norm:0.80 - "
    b"training/global_step:1 - perf/throughput:120.5\n"
    b"(TaskRunner pid=7) step:2 - actor/pg_loss:0.1 - actor/grad_norm:np.float64(0.5) - training/global_step:2\n"
    b"(TaskRunner pid=7) step:3 - actor/pg_loss:0.1 - actor/grad_norm:1.75 - training/global_step:3\n"
)
"""verl 0.5, as its console logger writes; numpy 2 writes what its numbers are, too."""

FAIRSEQ = b"".join(
    b'2021-03-01 10:00:00 | INFO | train_inner | {"epoch": 1, "update": 0.1, "loss": "12.1", "ppl": "4390", "wps": "31000", '
    b'"num_updates": "%d", "lr": "1e-05", "gnorm": "%s", "clip": "100", "loss_scale": "%s", "wall": "9"}\n' % row
    for row in ((1, b"20.751", b"4"), (2, b"9.216", b"8"), (3, b"7.5", b"8"))
)
"""fairseq 0.10: numbers are texts, and the step is the number of updates."""

NANOGPT = b"""using device: cuda
total desired batch size: 524288
num decayed parameter tensors: 50, with 124,354,560 parameters
  (norm1): LayerNorm((768,), eps=1e-05, elementwise_affine=True)
validation loss: 10.9509
step     0 | loss: 10.938573 | lr 6.0000e-05 | norm: 27.0159 | dt: 1500.11ms | tok/sec: 349502.11
step     1 | loss: 9.649500 | lr 1.2000e-04 | norm: 9.5172 | dt: 400.12ms | tok/sec: 1310321.01
step     2 | loss: 9.225 | lr 1.8e-04 | norm: 5.7398 | dt: 400.01ms | tok/sec: 1310687.20
"""
"""build-nanogpt of June 2024."""

LLM_C = b"""| max_sequence_length T | 1024       |
step    1/19560 | loss 11.009463 (+nanz)| norm 20.4236 (+nanz)| lr 8.57e-07 | 3056.36 ms | 42.6% bf16 MFU | 171544 tok/s
step    2/19560 | loss 10.962524 (+nanz)| norm 20.2516 (+nanz)| lr 1.71e-06 | 358.60 ms | 42.6% bf16 MFU | 1461963 tok/s
"""
"""llm.c since its pull request 568."""

MMENGINE = (
    b'{"lr": 0.0001, "data_time": 0.01, "grad_norm": 12.5, "loss": 1.5, "time": 0.5, "epoch": 1, "iter": 50, "memory": 900, "step": 50}\n'  # noqa: E501
    b'{"lr": 0.0001, "data_time": 0.01, "grad_norm": 7.25, "loss": 1.4, "time": 0.5, "epoch": 1, "iter": 100, "memory": 900, "step": 100}\n'  # noqa: E501
    b'{"mIoU": 31.5, "aAcc": 70.25, "step": 100}\n'
    b'{"lr": 0.0001, "data_time": 0.01, "grad_norm": NaN, "loss": NaN, "time": 0.5, "epoch": 1, "iter": 150, "memory": 900, "step": 150}\n'  # noqa: E501
)
"""`scalars.json` of MMEngine 0.10 where clipping is on."""

COMPOSER = b"step,grad_l2_norm/step,layer_grad_l2_norm/fc1.weight,layer_grad_l2_norm/fc2.weight\n1,5.0,3.0,4.0\n2,1.0,0.6,0.8\n"
"""Names of Composer's OptimizerMonitor of 2022, in a table."""

OLMO = (
    b'{"_step": 1, "optim/total_grad_norm": 5.0, "optim/grad/blocks.0.w.norm": 3.0, "optim/grad/blocks.1.w.norm": 4.0}\n'
    b'{"_step": 2, "optim/total_grad_norm": 1.0, "optim/grad/blocks.0.w.norm": 0.6}\n'
)
"""Names of OLMo 1, as a run of W&B has them, an object a line."""

MLFLOW = b"1700000000123 1.5 0\n1700000001123 0.25 1\n1700000002123 nan 2\n"
"""`mlruns/E/R/metrics/grad_norm` of MLflow 2."""

OLD_MLFLOW = b"1500000000 1.5\n1500000001 0.25\n"
"""The same of MLflow before 1.0: no steps."""

TSV = b"iteration\tGradient_Norm\tloss\n10\t1.5\t2.0\n20\t2.5\t1.0\n"
JSON_ROWS = b'[{"step": 1, "gnorm": 1.5},\n {"step": 2, "gnorm": null}]\n'
JSON_COLUMNS = b'{"step": [1, 2], "train": {"a": 1}, "grad_norm": [1.5, 2.5]}'
ONE_COLUMN = b"grad_norm\n1.5\n2.5\n0.5\n"
RESUMED = b"step: 1 grad_norm: 1.0\nstep: 2 grad_norm: 2.0\nstep: 3 grad_norm: 3.0\nstep: 2 grad_norm: 2.125\nstep: 3 grad_norm: 3.5\n"
RANKS_DIFFER = b"step: 1 grad_norm: 1.0\nstep: 1 grad_norm: 1.5\nstep: 2 grad_norm: 2.0\nstep: 2 grad_norm: 2.5\n"


def crc32c(data: bytes) -> int:
    """The CRC-32C of data, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    """The checksum of TFRecord files."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(data: bytes) -> bytes:
    """A record of a TFRecord file; the checksum of much data is left out, since it takes seconds and nobody reads it."""
    size, checksum = struct.pack("<Q", len(data)), masked(data) if len(data) < 1 << 16 else 0
    return size + struct.pack("<I", masked(size)) + data + struct.pack("<I", checksum)


def varint(value: int) -> bytes:
    """A whole number of Protocol Buffers."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: bytes | int) -> bytes:
    """A field of a message: bytes, or a whole number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def event(step: int, *values: bytes) -> bytes:
    """An event of TensorBoard at a step; protobuf leaves out a step of 0."""
    summary = b"".join(field(1, value) for value in values)
    wall_time = b"\x09" + struct.pack("<d", 1.7e9 + step)
    return wall_time + (field(2, step) if step else b"") + field(5, summary)


def simple(tag: str, value: float) -> bytes:
    """A scalar as `torch.utils.tensorboard` 2.13 writes it."""
    return field(1, tag.encode()) + b"\x15" + struct.pack("<f", value)


def tensor(tag: str, value: float) -> bytes:
    """A scalar as `tf.summary.scalar` of TensorFlow 2 writes it: a tensor, with the data of the plugin `scalars`."""
    metadata = field(1, field(1, b"scalars") + field(2, b""))
    content = field(1, 1) + field(2, b"") + field(4, struct.pack("<f", value))
    return field(1, tag.encode()) + field(9, metadata) + field(8, content)


def double(tag: str, value: float) -> bytes:
    """A scalar of float64, as a list of one number."""
    return field(1, tag.encode()) + field(8, field(1, 2) + field(6, struct.pack("<d", value)))


def histogram(tag: str, size: int = 4000) -> bytes:
    """A histogram, of which nothing is read."""
    return field(1, tag.encode()) + field(5, bytes(size))


def events(*every: bytes) -> bytes:
    """An event file."""
    version = b"\x09" + struct.pack("<d", 1.7e9) + field(3, b"brain.Event:2")
    return b"".join(map(record, (version, *every)))


TENSORBOARD = events(
    event(0, simple("train/loss", 2.0)),
    event(0, simple("train/grad_norm", 1.5)),
    event(1, histogram("weights"), simple("train/grad_norm", 0.25)),
    event(300, simple("train/grad_norm", NAN)),
)
TENSORBOARD_2 = events(
    event(1, tensor("grad_norm", 1.5)), event(2, tensor("grad_norm", 0.25)), event(3, double("grad_norm", 0.1))
)

SAMPLES: Sequence[Sample] = (
    Sample("trainer_state.json", trainer_state(), "trainer_state.json", "grad_norm", [5, 10, 15, 20], [1.25, 0.5, NAN, 2.0], ["every-nth"]),  # noqa: E501
    Sample("hf.out", HF_OUT, "text", "grad_norm", None, [1.2117664813995361, 0.5, NAN]),
    Sample(
        "metrics.csv", LIGHTNING, "CSV", "grad_2.0_norm_total", [49, 99, 149], [1.0, 5.0, 0.5], ["every-nth"],
        {"fc.bias": [0.6, 3.0, 0.3], "fc.weight": [0.8, 4.0, NAN]},
    ),
    Sample("wandb.csv", WANDB, "CSV", "run-a - train/grad_norm", [0, 1, 3], [1.5, 0.75, NAN]),
    Sample(
        "megatron.log", MEGATRON, "text", "grad norm", [6910, 6920, 6930], [122716.232, NAN, 98258.265],
        ["loss-scale", "every-nth", "skipped"],
    ),
    Sample("torchtitan.log", TORCHTITAN, "text", "grad_norm", [1, 2, 3], [0.8319, 1.25, math.inf]),
    Sample("verl.log", VERL, "text", "actor/grad_norm", [1, 2, 3], [0.8, 0.5, 1.75]),
    Sample("fairseq.log", FAIRSEQ, "text", "gnorm", [1, 2, 3], [20.751, 9.216, 7.5], ["loss-scale"]),
    Sample("nanogpt.log", NANOGPT, "text", "norm", [0, 1, 2], [27.0159, 9.5172, 5.7398]),
    Sample("llmc.log", LLM_C, "text", "norm", [1, 2], [20.4236, 20.2516]),
    Sample("scalars.json", MMENGINE, "lines of JSON", "grad_norm", [50, 100, 150], [12.5, 7.25, NAN], ["every-nth"]),
    Sample(
        "composer.csv", COMPOSER, "CSV", "grad_l2_norm/step", [1, 2], [5.0, 1.0], [],
        {"fc1.weight": [3.0, 0.6], "fc2.weight": [4.0, 0.8]},
    ),
    Sample(
        "olmo.jsonl", OLMO, "lines of JSON", "optim/total_grad_norm", [1, 2], [5.0, 1.0], [],
        {"blocks.0.w": [3.0, 0.6], "blocks.1.w": [4.0, NAN]},
    ),
    Sample("grad_norm", MLFLOW, "a metric of MLflow", "grad_norm", [0, 1, 2], [1.5, 0.25, NAN]),
    Sample("gnorm", OLD_MLFLOW, "a metric of MLflow", "gnorm", None, [1.5, 0.25]),
    Sample("table.tsv", TSV, "CSV", "Gradient_Norm", [10, 20], [1.5, 2.5]),
    Sample("rows.json", JSON_ROWS, "JSON", "gnorm", [1, 2], [1.5, NAN]),
    Sample("columns.json", JSON_COLUMNS, "JSON", "grad_norm", [1, 2], [1.5, 2.5]),
    Sample("one.csv", ONE_COLUMN, "CSV", "grad_norm", None, [1.5, 2.5, 0.5]),
    Sample("events.out.tfevents.1700000000.host", TENSORBOARD, "events of TensorBoard", "train/grad_norm", [0, 1, 300], [1.5, 0.25, NAN]),  # noqa: E501
    Sample("events.out.tfevents.1700000001.host.v2", TENSORBOARD_2, "events of TensorBoard", "grad_norm", [1, 2, 3], [1.5, 0.25, 0.1]),
    Sample("resumed.log", RESUMED, "text", "grad_norm", [1, 2, 3], [1.0, 2.125, 3.5], ["resumed"]),
)  # fmt: skip
