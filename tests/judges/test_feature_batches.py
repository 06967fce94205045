"""How prompts with their answers are put into batches before a frozen model reads them."""

from truenorth.judges._features import Tree, batches, size


def tree(prompt, *answers):
    return Tree((0,) * prompt, tuple((0,) * n for n in answers))


def test_a_batch_holds_as_many_tokens_as_it_may_and_one_tree_at_least():
    trees = [tree(2, 1), tree(9), tree(1, 1, 1), tree(0, 1), tree(2)]
    assert [size(t) for t in trees] == [3, 9, 3, 1, 2]
    assert list(batches([1, 0, 2, 4, 3], trees, 6)) == [[1], [0, 2], [4, 3]]
    assert list(batches([3, 4, 0], trees, 6)) == [[3, 4, 0]]
    assert list(batches([3, 4, 0], trees, 5)) == [[3, 4], [0]]
    assert list(batches([1, 1], trees, 1)) == [[1], [1]]
    assert list(batches([], trees, 6)) == []
