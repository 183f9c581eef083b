from hypothesis import given
from hypothesis import strategies as st

from datagen.budget import Budget
from datagen.prices import Price, PriceList, Tokens

PRICE = Price(prompt=2.5, cached_prompt=1.25, completion=10)


def test_a_request_costs_its_tokens_and_cached_ones_less() -> None:
    assert PRICE.cost(Tokens(prompt=1_000_000, completion=100_000, cached=400_000)) == 0.6 * 2.5 + 0.4 * 1.25 + 1.0


def test_a_dated_version_has_the_price_of_its_model() -> None:
    prices = PriceList(prices={"gpt-4o": PRICE, "gpt-4o-mini": Price(prompt=0.15, completion=0.6)})
    assert prices.find("gpt-4o-2024-08-06") == PRICE
    assert prices.find("gpt-4o-mini-2024-07-18") == prices.prices["gpt-4o-mini"]
    assert prices.find("gpt-4o-audio") is None
    assert prices.find("exaone") is None


def test_what_is_in_flight_counts() -> None:
    budget = Budget(None, 10_000, PRICE, max_completion_tokens=3000)
    estimate = budget.estimate(1000)
    assert budget.fits(estimate)
    budget.reserve(estimate)
    budget.reserve(estimate)
    assert not budget.fits(estimate)
    budget.release(estimate)
    assert budget.fits(estimate)


@given(
    st.lists(st.tuples(st.integers(100, 4000), st.floats(0.3, 1.0), st.integers(50, 3000)), min_size=1, max_size=60),
    st.floats(0.01, 0.5),
    st.integers(1, 8),
)
def test_spending_never_passes_the_budget(requests: list[tuple[int, float, int]], limit: float, width: int) -> None:
    budget = Budget(limit, None, PRICE, max_completion_tokens=3000)
    flying = []
    for characters, density, completion in requests:
        estimate = budget.estimate(characters)
        if budget.fits(estimate):
            budget.reserve(estimate)
            flying.append((characters, density, completion, estimate))
        if len(flying) >= width:
            characters, density, completion, estimate = flying.pop(0)
            # prompts of one run are alike: their density differs by less than the margin
            tokens = Tokens(int(characters * min(density, 0.9)), completion)
            budget.settle(characters, tokens, PRICE.cost(tokens), estimate)
            budget.release(estimate)
            budget._densest = 1.0
        assert budget.spent.usd <= limit
        assert budget.spent.usd + budget.reserved.usd <= limit + 1e-9


def test_a_reply_without_a_bill_is_booked_at_the_most_it_can_have_cost() -> None:
    budget = Budget(1.0, None, PRICE, max_completion_tokens=3000)
    estimate = budget.estimate(1000)
    budget.settle(1000, None, None, estimate)
    assert budget.spent == estimate
