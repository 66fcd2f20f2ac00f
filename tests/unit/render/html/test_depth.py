from gradclip_cli.render.html.depth import depths


def test_layers_without_a_number_have_no_depth() -> None:
    """Only layers in numbered blocks have a depth."""
    assert [one.layer for one in depths(["embed", "h.0.a", "head", "h.1.a"])] == [1, 3]


def test_kinds_keep_numbers_within_words() -> None:
    """norm1 and norm2 are two kinds, expert 3 and expert 4 are one."""
    layers = ["h.0.norm1", "h.0.norm2", "h.0.experts.3.w", "h.0.experts.4.w"]
    assert {one.kind for one in depths(layers)} == {"norm1", "norm2", "experts.*.w"}


def test_blocks_of_several_names_are_counted() -> None:
    """Where blocks differ in more than a number, places are counted in the order of a forward pass."""
    found = depths(["layer1.0.conv", "layer1.1.conv", "layer2.0.conv"])
    assert [(one.block, one.place, one.kind) for one in found] == [
        ("layer1.0", 0, "conv"),
        ("layer1.1", 1, "conv"),
        ("layer2.0", 2, "conv"),
    ]


def test_a_block_that_is_a_layer_is_a_kind_by_its_name() -> None:
    """Layers that are blocks themselves are of one kind."""
    assert [(one.place, one.kind) for one in depths(["fc.1", "fc.2"])] == [(1, "fc.*"), (2, "fc.*")]
