"""The gradients of every kind of parameter are found, named, copied and measured."""

import pytest
import torch
from torch import Tensor, nn

from gradclip_cli.torch.gradients import Gradients, Grads, norm_of


def with_grad(values: Tensor, dtype: torch.dtype = torch.float32) -> nn.Parameter:
    """Return a parameter with this gradient."""
    parameter = nn.Parameter(torch.zeros(values.shape, dtype=dtype))
    parameter.grad = values.to(dtype)
    return parameter


def gradients(model: "nn.Module | list[tuple[str, Tensor]]", **options: object) -> Gradients:
    """Return the gradients of a model, by default of all its parameters as they are."""
    return Gradients(model, **{"include": (), "exclude": (), "dtype": None, **options})  # type: ignore[arg-type]


def test_copies_do_not_change_with_the_gradient() -> None:
    """A copy is what the gradient was when it was taken, contiguous, in its own dtype."""
    turned = torch.arange(6.0).reshape(2, 3).T
    there = gradients([("w", with_grad(turned, torch.bfloat16))])
    copies = there.copies(grads := there.now())
    grads.tensors["w"].zero_()
    assert copies["w"].is_contiguous()
    assert copies["w"].dtype is torch.bfloat16
    assert torch.equal(copies["w"].float(), turned)


def test_what_is_in_a_dtype_already_is_copied_too() -> None:
    """Saving float32 as float32 must not share memory with the gradient."""
    there = gradients([("w", with_grad(torch.ones(3)))], dtype=torch.float32)
    copies = there.copies(grads := there.now())
    grads.tensors["w"].zero_()
    assert torch.equal(copies["w"], torch.ones(3))


def test_parameters_without_a_gradient_are_left_out() -> None:
    """Frozen parameters, and those that the step did not reach, have none."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].requires_grad_(False)
    model(torch.ones(1, 2)).sum().backward()
    assert list(gradients(model).now().tensors) == ["0.weight", "0.bias"]


def test_a_shared_parameter_is_there_once() -> None:
    """Tied weights have one gradient."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    model(torch.ones(1, 2)).sum().backward()
    assert list(gradients(model).now().tensors) == ["0.weight"]


def test_a_lazy_parameter_is_found_once_it_is_made() -> None:
    """A module may make its parameters in the first forward pass."""
    model = nn.Sequential(nn.LazyLinear(3))
    there = gradients(model)
    model(torch.ones(1, 2)).sum().backward()
    assert list(there.now().tensors) == ["0.weight", "0.bias"]


def test_names_are_those_of_the_model_inside() -> None:
    """What compiles or wraps a model puts no prefix before its names."""
    model = nn.Sequential(nn.Linear(2, 1))
    model(torch.ones(1, 2)).sum().backward()
    for wrapped in (torch.compile(model, backend="eager"), nn.DataParallel(model), nn.ModuleDict({"_orig_mod": model})):
        assert list(gradients(wrapped).now().tensors) == ["0.weight", "0.bias"]


def test_patterns_choose_parameters() -> None:
    """`include` and `exclude` are shell patterns of whole names."""
    pairs = [(name, with_grad(torch.ones(1))) for name in ("a.weight", "a.bias", "b.weight")]
    assert list(gradients(pairs, include=["a.*"], exclude=["*.bias"]).now().tensors) == ["a.weight"]


def test_a_sparse_gradient_is_its_indices_and_values() -> None:
    """Rows that stand twice are added, so that the norm of the values is that of the gradient: (3, 4) and (0, 5) here."""
    parameter = nn.Parameter(torch.zeros(4, 2))
    rows = torch.tensor([[1, 3, 1]])
    parameter.grad = torch.sparse_coo_tensor(
        rows, torch.tensor([[1.0, 2.0], [0.0, 5.0], [2.0, 2.0]]), (4, 2), check_invariants=True
    )
    there = gradients([("e", parameter)])
    copies = there.copies(grads := there.now())
    assert copies["e.indices"].tolist() == [[1, 3]]
    assert copies["e.values"].tolist() == [[3.0, 4.0], [0.0, 5.0]]
    assert norm_of(grads).item() == pytest.approx(50**0.5)


@pytest.mark.parametrize(
    ("values", "dtype", "norm"),
    [
        ([3.0, 4.0], torch.float32, 5.0),
        ([60000.0] * 4, torch.float16, 120000.0),  # above the range of float16
        ([3.0, 4.0], torch.bfloat16, 5.0),
        ([3 + 4j], torch.complex64, 5.0),
        ([1e30, 1e30], torch.float64, 2**0.5 * 1e30),
        ([], torch.float32, 0.0),
    ],
)
def test_the_norm_of_every_dtype(values: list[float], dtype: torch.dtype, norm: float) -> None:
    """Norms are taken in float32 or wider."""
    grads = Grads({"w": torch.tensor(values, dtype=dtype)}, False, torch.device("cpu"))
    assert norm_of(grads).item() == pytest.approx(norm, rel=1e-6)


def test_a_scalar_has_a_norm() -> None:
    """A parameter without axes counts like any other."""
    there = gradients([("s", with_grad(torch.tensor(-2.0)))])
    assert norm_of(there.now()).item() == 2.0


def test_what_hides_its_gradients_is_refused() -> None:
    """Flat pieces of FSDP1 and gradients that DeepSpeed keeps would give the norm of something else."""
    flat = type("FullyShardedDataParallel", (nn.Linear,), {})(2, 2)
    with pytest.raises(ValueError, match="fully_shard"):
        gradients(flat)
    model = nn.Linear(2, 2)
    model.weight.ds_id = 0
    with pytest.raises(ValueError, match="safe_get_full_grad"):
        gradients(model)
