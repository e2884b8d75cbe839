import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_gate.core.budget import QueryBudget
from xray_gate.core.errors import BudgetExhausted


def test_a_budget_can_be_spent_to_the_last_query() -> None:
    budget = QueryBudget(10)
    budget.spend(4)
    budget.spend(6)
    assert (budget.spent, budget.left) == (10, 0)


def test_a_batch_that_is_too_large_takes_nothing() -> None:
    budget = QueryBudget(10)
    budget.spend(4)
    with pytest.raises(BudgetExhausted, match=r"7 more .* only 6 of 10 are left; give"):
        budget.spend(7)
    assert (budget.spent, budget.left) == (4, 6)


def test_a_negative_budget_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="negative: -1"):
        QueryBudget(-1)


@given(st.integers(0, 50), st.lists(st.integers(0, 20)))
def test_no_order_of_batches_exceeds_the_limit(limit: int, batches: list[int]) -> None:
    budget = QueryBudget(limit)
    taken = 0
    for batch in batches:
        try:
            budget.spend(batch)
            taken += batch
        except BudgetExhausted:
            assert taken + batch > limit
    assert budget.spent == taken <= limit
    assert budget.left == limit - taken
