"""A folder of one file a parameter is a dump, whose tensors are called like the files."""

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from gradclip_cli import apply, stats
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.discovery import find_dumps
from gradclip_cli.inputs.layouts import params
from gradclip_cli.inputs.source import DumpSource


@pytest.fixture
def source(tmp_path: Path) -> DumpSource:
    """A folder of two parameters."""
    folder = tmp_path / "step3"
    folder.mkdir()
    for name in ("b.w", "a.w"):
        save_file({"gradient": np.array([1], np.float32)}, folder / f"{name}.safetensors")
    (found,) = find_dumps([str(folder)]).sources
    return found


def test_a_folder_is_one_dump(source: DumpSource) -> None:
    """Its files are in natural order, its name says the step, and their names are those of the tensors."""
    assert (Path(source.location).name, source.step, source.label) == ("step3", 3, source.location)
    assert [source.layout.tensor_names(file, ["gradient"]) for file in source.files] == [["a.w"], ["b.w"]]


def test_its_files_are_those_that_were_found(source: DumpSource) -> None:
    """A file that comes or goes makes it another dump; hidden files and logs do not count."""
    folder = Path(source.location)
    (folder / ".gradclip-1").touch()
    (folder / "notes.txt").touch()
    source.layout.check_unchanged(source)
    (folder / "c.w.npz").touch()
    with pytest.raises(InputError, match="changed while it was read"):
        source.layout.check_unchanged(source)


@pytest.mark.parametrize(
    ("names", "reason"), [(["gradient", "m"], "holds gradient, m"), (["weight"], "holds weight"), ([], "holds")]
)
def test_a_file_holds_one_gradient(source: DumpSource, names: list[str], reason: str) -> None:
    """What else is in a file is named."""
    source.layout.check(source, [["gradient"], ["gradient"]])
    with pytest.raises(InputError, match=reason):
        source.layout.check(source, [["gradient"], names])


def test_a_folder_of_other_files_is_none(tmp_path: Path) -> None:
    """Files with tensors of other names, or that cannot be read, are dumps of their own."""
    save_file({"gradient": np.array([1], np.float32), "w": np.array([1], np.float32)}, tmp_path / "a.safetensors")
    (tmp_path / "b.npz").touch()
    assert not params.is_by_param([str(tmp_path / "a.safetensors")])
    assert not params.is_by_param([str(tmp_path / "b.npz")])
    assert len(find_dumps([str(tmp_path)]).sources) == 2


def test_outputs_keep_the_names_of_the_files(source: DumpSource) -> None:
    """The output is a folder with the same files."""
    output = source.layout.output_files(source, "out")
    assert (output.location, output.files) == ("out", ("out/a.w.safetensors", "out/b.w.safetensors"))


def write(folder: Path, tensors: dict[str, str]) -> list[str]:
    """Write files with one tensor each; `tensors` are their names by those of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, key in tensors.items():
        save_file({key: np.full(4, 0.5, np.float32)}, folder / f"{name}.safetensors")
    return [str(folder / f"{name}.safetensors") for name in tensors]


@pytest.mark.parametrize(
    "tensors",
    [
        {"lstm.w": "gradient", "lstm.b": "gradient"},
        {"lstm.w": "arr_0", "lstm.b": "arr_0"},
        {"lstm.w": "lstm.w", "lstm.b": "lstm.b"},
        {"lstm_w": "lstm.w", "lstm_b": "lstm.b"},
        {"lstm.w_first4": "gradient", "lstm.b_first4": "gradient"},
        {"lstm_w_first4": "lstm.w", "lstm_b_first4": "lstm.b"},
    ],
    ids=["gradient", "same", "own", "own but for separators", "first rows", "own and first rows"],
)
def test_any_one_key_will_do(tmp_path: Path, tensors: dict[str, str]) -> None:
    """Tensors are called like their files, or as in these where only separators differ; norms are over all of them."""
    write(tmp_path, tensors)
    report = stats(tmp_path)
    assert [dump.norm for dump in report.dumps] == [pytest.approx(2**0.5, rel=1e-15)]
    assert {row.name for row in report.params} == {"lstm.w", "lstm.b"}


def test_first_rows_are_said(tmp_path: Path) -> None:
    """Norms of the first rows are not those of the run; what not all names end in is part of a name."""
    write(tmp_path / "a", {"w_first4": "g", "b_first4": "g"})
    write(tmp_path / "b", {"w_first4": "g", "b": "g"})
    (note,) = stats(tmp_path / "a").notes
    assert (note.kind, note.changes_figures) == ("first-rows", True)
    report = stats(tmp_path / "b")
    assert sorted(note.kind for note in report.notes) == ["first-rows", "params"]
    assert any("the first 4 rows of 1 of 2 tensors" in note.text for note in report.notes)
    assert {row.name for row in report.params} == {"w_first4", "b"}


@pytest.mark.parametrize("given", ["step7", "step7/sampled_gradients", "."])
def test_one_folder_further_down(tmp_path: Path, given: str) -> None:
    """A step's folder stands for the only folder in it whose files are parameters."""
    write(tmp_path / "step7" / "sampled_gradients", {"w_first4": "gradient", "b_first4": "gradient"})
    (source,) = find_dumps([str(tmp_path / given)]).sources
    assert (source.location, source.step) == (os.path.normpath(tmp_path / "step7" / "sampled_gradients"), 7)


@pytest.mark.parametrize(
    "tensors",
    [
        {"step_1": "w", "step_2": "w", "step_3": "w"},
        {"g-1": "w", "g-2": "w", "g-3": "w"},
        {"step_1_rank0": "w", "step_1_rank1": "w"},
        {"gradients": "w", "model": "w"},
        {"encoder_grads": "w", "encoder_values": "w"},
        {"encoder": "w", "decoder": "b"},
        {"a": "w"},
    ],
    ids=" ".join,
)
def test_steps_ranks_and_kinds_are_no_parameters(tmp_path: Path, tensors: dict[str, str]) -> None:
    """Names with a step, names that differ in one number, kinds of files, and a file alone."""
    assert not params.is_by_param(write(tmp_path, tensors))


@pytest.mark.parametrize(
    "tensors", [{"layer1": "gradient", "layer2": "gradient"}, {"step_1": "step_1", "step_2": "step_2"}]
)
def test_a_key_may_leave_no_doubt(tmp_path: Path, tensors: dict[str, str]) -> None:
    """`gradient`, or the name of the file, tells a parameter whatever the file is called."""
    assert params.is_by_param(write(tmp_path, tensors))


@pytest.mark.parametrize(
    ("tensors", "kinds"),
    [
        ({"lstm.w": "g", "lstm.b": "g"}, ["params"]),
        ({"layer1": "gradient", "layer2": "gradient"}, ["params"]),
        ({"lstm.w": "gradient", "lstm.b": "gradient"}, []),
        ({"lstm_w": "lstm.w", "lstm_b": "lstm.b"}, []),
    ],
)
def test_a_doubt_is_said(tmp_path: Path, tensors: dict[str, str], kinds: list[str]) -> None:
    """Files that are one dump only since they call their tensors alike, or whose number may be a step, are named in a note."""
    write(tmp_path, tensors)
    report = stats(tmp_path)
    assert [dump.norm for dump in report.dumps] == [pytest.approx(2**0.5, rel=1e-15)]
    assert [(note.kind, note.changes_figures) for note in report.notes] == [(kind, True) for kind in kinds]
    assert all(note.text.startswith(f"{tmp_path}: is one dump") for note in report.notes)


def test_files_that_say_steps_are_no_parameters(tmp_path: Path) -> None:
    """One tensor in each file, and names without steps: different steps in the metadata make dumps of them, one step does not."""
    for name, step in (("b", 1), ("a", 2)):
        save_file({"w": np.full(4, step, np.float32)}, tmp_path / f"{name}.safetensors", {"step": str(step)})
    assert [(dump.step, dump.norm) for dump in stats(tmp_path).dumps] == [(1, 2.0), (2, 4.0)]
    save_file({"w": np.full(4, 1, np.float32)}, tmp_path / "a.safetensors", {"step": "1"})
    assert [(dump.step, dump.norm) for dump in stats(tmp_path).dumps] == [(1, pytest.approx(8**0.5, rel=1e-15))]


def test_files_of_parameters_that_are_given(tmp_path: Path) -> None:
    """Files of one folder that leave no doubt are one dump, others beside them are not missed, and names are kept."""
    paths = write(tmp_path / "in", {"lstm.w": "gradient", "lstm.b": "gradient", "head.w": "gradient"})
    report = apply(paths[:2], tmp_path / "out", strategy="none")
    assert [(dump.input, dump.total.norm_before) for dump in report.dumps] == [
        (paths[:2], pytest.approx(2**0.5, rel=1e-15))
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["lstm.b.safetensors", "lstm.w.safetensors"]


def test_files_that_leave_a_doubt_stay_dumps(tmp_path: Path) -> None:
    """Files that are given by themselves are dumps if their only tensors have the same name."""
    found = find_dumps(write(tmp_path, {"a": "w", "b": "w"}))
    assert (len(found.sources), found.notes) == (2, ())


def test_files_that_are_called_like_parameters(tmp_path: Path) -> None:
    """They are dumps, too, since their folder was not given; a note says so."""
    paths = write(tmp_path, {"lstm.w": "g", "lstm.b": "g", "fc.w": "g"})
    report = stats(paths)
    assert [(dump.input, dump.norm) for dump in report.dumps] == [(path, 1.0) for path in paths]
    (note,) = report.notes
    assert (note.kind, note.changes_figures) == ("dumps-or-params", True)
    assert note.text.startswith(
        f"{paths[0]}: is taken for a dump, as are 2 more, though each holds one tensor, called g"
    )


def test_a_series_of_folders_further_down_comes_out(tmp_path: Path) -> None:
    """All folders between the output and the files are made, and the keys in the files are kept."""
    for step in (1, 2):
        write(tmp_path / f"run/step{step}/x", {"w_first4": "g", "b_first4": "g"})
    given = [tmp_path / f"run/step{step}/x" for step in (1, 2)]
    for inputs, out in ((given, tmp_path / "a"), ([tmp_path / "run"], tmp_path / "b")):
        apply(inputs, out, strategy="clip-by-global-norm", threshold=1.0)
        for step in (1, 2):
            found = load_file(out / f"step{step}/x/w_first4.safetensors")
            np.testing.assert_allclose(found["g"], np.full(4, 0.5 / 2**0.5), rtol=1e-6)


def test_two_kinds_of_keys_are_refused(tmp_path: Path) -> None:
    """A file whose tensor is called neither like the others' nor like the file is named."""
    write(tmp_path, {"a": "gradient", "b": "momentum"})
    with pytest.raises(
        InputError, match=r"b\.safetensors: holds momentum; in this folder each file holds one 'gradient'"
    ):
        stats(tmp_path)
