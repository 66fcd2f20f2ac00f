"""Show the recipes of other frameworks: programs under `tests/recipes`, up to where they train."""

import ast

from docs.places import ROOT

RECIPES = ("jax_step.py", "jax_chain.py", "flax_nnx.py", "keras_model.py", "tensorflow_loop.py", "DumpingListener.java")


def recipes() -> str:
    """Return what each recipe is for, and its code."""
    return "\n\n".join(map(_recipe, RECIPES))


def _recipe(name: str) -> str:
    text = (ROOT / "tests" / "recipes" / name).read_text()
    before, recipe = text.partition("// --- recipe\n" if name.endswith(".java") else "# --- recipe\n")[::2]
    code = recipe.partition("// --- end" if name.endswith(".java") else "# --- end")[0].strip()
    if name.endswith(".java"):
        return f"{_comment(before)}\n\n```java\n{code}\n```"
    imports = [line for line in before.splitlines() if line.startswith(("import ", "from ")) and line != "import sys"]
    head = "\n".join([*imports, "", 'FOLDER = Path("run")']).replace("Path\nimport", "Path\n\nimport")
    return f"{ast.get_docstring(ast.parse(text))}\n\n```py\n{head}\n\n\n{code}\n```"


def _comment(text: str) -> str:
    """Return the comment with which a Java file begins."""
    lines = [line.strip().removeprefix("/*").removeprefix("*").removesuffix("*/").strip() for line in text.splitlines()]
    return " ".join(line for line in lines if line)
