"""The rows of the sample shop: the same in every installation, so that answers can be checked. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

_RANGE: Final = {
    "Coffee": (
        ("House Espresso 1 kg", 18.90),
        ("Ethiopia Yirgacheffe 250 g", 11.50),
        ("Colombia Huila 250 g", 10.90),
        ("Decaf Blend 500 g", 13.40),
        ("Cold Brew Cans 6-pack", 14.90),
        ("Coffee Capsules 50-pack", 16.50),
    ),
    "Tea": (
        ("Earl Grey 100 g", 7.90),
        ("Sencha 100 g", 9.80),
        ("Rooibos 150 g", 6.50),
        ("Masala Chai 120 g", 8.20),
        ("Matcha 30 g", 19.90),
        ("Peppermint 80 g", 5.90),
        ("Jasmine Pearls 80 g", 12.60),
    ),
    "Brewing": (
        ("French Press 1 l", 29.00),
        ("Pour-over Dripper", 22.50),
        ("Paper Filters 100-pack", 4.90),
        ("Hand Grinder", 64.00),
        ("Gooseneck Kettle", 79.00),
        ("Milk Frother", 34.90),
        ("Espresso Scale", 45.00),
        ("Moka Pot", 32.00),
        ("Teapot 1.2 l", 38.50),
    ),
    "Kitchen": (
        ("Stoneware Mug", 12.00),
        ("Espresso Cup Set", 24.00),
        ("Chef's Knife", 89.00),
        ("Cutting Board", 27.50),
        ("Cast-iron Pan", 54.00),
        ("Storage Jar", 9.50),
        ("Apron", 21.00),
        ("Tea Towel 3-pack", 15.00),
    ),
    "Books": (
        ("The Coffee Atlas", 35.00),
        ("Tea Stories", 28.00),
        ("Bread at Home", 26.00),
        ("Kitchen Garden Year", 24.50),
    ),
    "Garden": (
        ("Herb Seeds Set", 8.90),
        ("Terracotta Pot", 11.00),
        ("Watering Can", 23.00),
        ("Pruning Shears", 31.00),
        ("Compost Bin", 49.00),
        ("Raised Bed Kit", 95.00),
    ),
}
"""What the shop sells: by category, with prices."""
CATEGORIES: Final = tuple(_RANGE)
_PLACES: Final = {
    "Germany": (24, ("Berlin", "Hamburg", "Munich", "Cologne")),
    "France": (20, ("Paris", "Lyon", "Nantes")),
    "United States": (18, ("New York", "Chicago", "Portland", "Austin")),
    "Japan": (16, ("Tokyo", "Osaka", "Kyoto")),
    "Brazil": (14, ("São Paulo", "Recife", "Curitiba")),
    "India": (12, ("Mumbai", "Pune", "Chennai")),
    "Spain": (9, ("Madrid", "Valencia")),
    "Canada": (7, ("Toronto", "Montréal")),
}
_FIRST_NAMES: Final = (
    "Anna Ben Chloé Daniel Emi Fatima Gabriel Hana Ivan Julia Kenji Lucía Mateo Nina Omar Priya Rafael Sara"
)
_LAST_NAMES: Final = (
    "Almeida Bauer Costa Dubois Evans Fischer García Hayashi Iyer Jansen Kowalski Laurent Mehta Novak Okafor"
)
_BESTSELLERS: Final = {1: 14, 16: 10, 23: 7}
"""Product id to how much more often than others it is bought."""
_STATUSES: Final = ("delivered",) * 8 + ("shipped", "cancelled")
_FIRST_DAY: Final = date(2024, 1, 1)
_DAYS: Final = 731
_ORDERS: Final = 500


@dataclass(frozen=True)
class Order:
    id: int
    customer_id: int
    ordered_on: str
    status: str
    items: tuple[tuple[int, int, float], ...]
    """Product id, quantity, price of one."""

    @property
    def total(self) -> float:
        return round(sum(quantity * price for _, quantity, price in self.items), 2)


def build_products() -> list[tuple[int, str, int, float, int]]:
    """Returns id, name, category id, price and stock of each product."""
    products = ((*product, id_) for id_, category in enumerate(_RANGE.values(), start=1) for product in category)
    return [(id_, name, of, price, (id_ * 37) % 120) for id_, (name, price, of) in enumerate(products, start=1)]


def build_customers() -> list[tuple[int, str, str, str, str]]:
    """Returns id, name, email, country and city of each customer."""
    homes = [(country, cities[n % len(cities)]) for country, (count, cities) in _PLACES.items() for n in range(count)]
    first, last = _FIRST_NAMES.split(), _LAST_NAMES.split()
    names = [f"{first[n % len(first)]} {last[(n * 7 + n // len(last)) % len(last)]}" for n in range(len(homes))]
    return [(n + 1, names[n], f"customer{n + 1}@shop.example", *home) for n, home in enumerate(homes)]


def build_orders() -> Iterator[Order]:
    """Yields the orders in order of their day."""
    # only `random()` is promised to give the same numbers in every Python version
    dice = random.Random(2024).random  # noqa: S311
    products = build_products()
    weights = [_BESTSELLERS.get(product[0], 1) for product in products]
    pool = [product for product, weight in zip(products, weights, strict=True) for _ in range(weight)]
    customers = len(build_customers())
    for id_ in range(1, _ORDERS + 1):
        day = _FIRST_DAY + timedelta(days=(id_ - 1) * _DAYS // _ORDERS)
        chosen = {
            product[0]: product for product in (pool[int(dice() * len(pool))] for _ in range(1 + int(dice() * 4)))
        }
        items = tuple((product[0], 1 + int(dice() * 3), product[3]) for product in chosen.values())
        yield Order(id_, 1 + int(dice() * customers), day.isoformat(), _STATUSES[int(dice() * 10)], items)
