"""No metric, summary or callback reads a variable in a way that a strategy refuses."""

import ast
import pathlib

import forks
import pytest

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "official_yolact"
READ_BY_OPERATOR = "class Mean(tf_keras.metrics.Mean):\n    def result(self):\n        return {}"


def test_everything_that_a_run_reads_can_be_read_under_every_strategy_and_precision(tmp_path):
    lines = forks.run_beside(__file__, "strategy_reads.py", str(tmp_path))[0].splitlines()
    assert [sum(line.startswith(kind) for line in lines) for kind in ("metrics ", "run ")] == [7 * 3, 6 * 3]


def find_metrics(tree):
    """List the classes with a base, in this file or another, that is called a metric."""
    names = {"Metric"}
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = []
    for _ in classes:
        for node in classes:
            bases = [ast.unparse(base) for base in node.bases]
            if node not in found and any(
                "metrics." in base or base.split(".")[-1] in names or base.endswith("Metric")
                for base in bases
            ):
                found.append(node)
                names.add(node.name)
    return found


def find_operators(tree):
    """List the operators of metrics that have an attribute of the metric itself as an operand."""
    found = []
    for node in [part for metric in find_metrics(tree) for part in ast.walk(metric)]:
        operands = {
            ast.BinOp: lambda n: [n.left, n.right],
            ast.UnaryOp: lambda n: [n.operand],
            ast.AugAssign: lambda n: [n.target, n.value],
            ast.Compare: lambda n: [n.left, *n.comparators],
            ast.Subscript: lambda n: [n.value],
        }.get(type(node), lambda n: [])(node)
        for operand in operands:
            if isinstance(operand, ast.Attribute) and ast.unparse(operand.value) == "self":
                found.append(ast.unparse(node))
    return found


def test_no_metric_has_an_operator_on_an_attribute_that_may_be_a_variable():
    """Under mixed precision such an operator is a read that no strategy with several devices allows."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
    assert sum(len(find_metrics(tree)) for tree in trees.values()) >= 1
    assert {str(path): find_operators(tree) for path, tree in trees.items() if find_operators(tree)} == {}


@pytest.mark.parametrize(
    ("expression", "is_refused"),
    [
        ("self.total / self.count", True),
        ("1.0 - self.total", True),
        ("-self.total", True),
        ("self.count > 0", True),
        ("self.total[0]", True),
        ("tf.convert_to_tensor(self.total) / tf.convert_to_tensor(self.count)", False),
        ("self.total.read_value() / self.count.read_value()", False),
    ],
)
def test_an_operator_on_a_variable_is_found_in_the_source(expression, is_refused):
    tree = ast.parse(READ_BY_OPERATOR.format(expression))
    assert bool(find_operators(tree)) is is_refused
