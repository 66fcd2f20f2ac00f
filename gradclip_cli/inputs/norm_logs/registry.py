"""The layouts of logs, in the order in which they are asked: to add one, write a module with a `LogLayout`, and list it here."""

from gradclip_cli.inputs.norm_logs.delimited import DELIMITED
from gradclip_cli.inputs.norm_logs.events import EVENTS
from gradclip_cli.inputs.norm_logs.json_logs import LINES, TABLE, TRAINER_STATE
from gradclip_cli.inputs.norm_logs.layout import LogLayout
from gradclip_cli.inputs.norm_logs.mlflow import MLFLOW
from gradclip_cli.inputs.norm_logs.text import TEXT

LAYOUTS: tuple[LogLayout, ...] = (EVENTS, TRAINER_STATE, LINES, TABLE, MLFLOW, DELIMITED, TEXT)
"""A log is read by the first layout that matches its first bytes; `text` takes what is left."""
