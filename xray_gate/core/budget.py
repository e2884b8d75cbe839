"""A query budget that cannot be exceeded."""

from xray_gate.core.errors import BudgetExhausted


class QueryBudget:
    """Counts queries (model inputs, not batches) and refuses the one that would exceed `limit`."""

    def __init__(self, limit: int) -> None:
        """`limit`: the largest number of queries, at least 0."""
        if limit < 0:
            raise ValueError(f"a query budget cannot be negative: {limit}")
        self.limit = limit
        self.spent = 0

    @property
    def left(self) -> int:
        """Queries that may still be made."""
        return self.limit - self.spent

    def spend(self, queries: int) -> None:
        """Take `queries` from the budget, or raise `BudgetExhausted` and take none."""
        if queries > self.left:
            raise BudgetExhausted(
                f"{queries} more queries were asked for, but only {self.left} of {self.limit} are "
                "left; give the detector a larger query budget, or let its queries_needed say more"
            )
        self.spent += queries
