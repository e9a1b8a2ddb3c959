"""A table as a colleague sends it, messy on purpose: `python examples/messy_flats.py flats.csv 5000 0` writes 5,000 rows.

Adverts of flats, as a spreadsheet program saves them in Germany: cp1252, with semicolons between cells, commas in
numbers, points between thousands, euros and per cent behind them, dates with points, three ways to say that nothing is known,
an id, and what the advert says. docs/tables.md trains on it.
"""

import csv
import sys

import numpy as np

TOWNS = {"Bonn": 0.3, "Köln": 0.8, "Düren": -0.6, "Euskirchen": -0.9, "Aachen": 0.1, "Brühl": 0.0}
GOOD = ["neue Küche", "Südbalkon", "ruhige Lage", "Parkett", "nahe der Universität", "Garten", "saniert"]
BAD = ["Nachtspeicheröfen", "an der Hauptstraße", "fünfter Stock ohne Aufzug", "unsaniert", "Durchgangszimmer"]
PLAIN = ["Keller", "Stellplatz", "Bad mit Fenster", "Kabelanschluss", "zwei Zimmer", "Waschküche", "ab sofort", "hell"]
HEAD = "id", "listed", "town", "area", "rooms", "rent", "discount", "built", "furnished", "text", "let"


def adverts(n, rng):
    """Rows of text."""
    for i in range(n):
        town = rng.choice(list(TOWNS))
        area, rooms = rng.uniform(25, 140), rng.integers(1, 6)
        rent = area * (9 + 2 * TOWNS[town] + rng.normal(0, 1.5)) + 100
        built, discount = rng.integers(1890, 2024), rng.choice([0.0, 2.5, 5.0, 10.0])
        day = np.datetime64("2022-01-01") + rng.integers(0, 730)
        month = day.astype("datetime64[M]").astype(int) % 12 + 1
        good, bad = rng.integers(0, 4), rng.integers(0, 3)
        words = [*rng.choice(GOOD, good, replace=False), *rng.choice(BAD, bad, replace=False)]
        words += list(rng.choice(PLAIN, 4, replace=False))
        rng.shuffle(words)
        score = 0.5 + TOWNS[town] - (rent / area - 10) / 2 + 0.8 * good - 1.2 * bad + 0.1 * discount
        score += 0.8 * np.cos(2 * np.pi * (month - 9) / 12) + 0.4 * (built > 1990)
        is_let = rng.random() < 1 / (1 + np.exp(-score))
        yield [
            f"F-{100_000 + i}",
            f"{day.astype(object):%d.%m.%Y}",
            town,
            f"{area:.1f}".replace(".", ","),
            rng.choice([str(rooms), "k. A."], p=[0.9, 0.1]),
            f"{rent:,.2f} €".translate(str.maketrans(",.", ".,")),
            f"{discount:g} %".replace(".", ","),
            rng.choice([str(built), "-", ""], p=[0.8, 0.1, 0.1]),
            rng.choice(["ja", "nein"]),
            ", ".join(words) + ".",
            "ja" if is_let else "nein",
        ]


def write(path, n=5000, seed=0):
    """Write n adverts to a CSV file."""
    with open(path, "w", encoding="cp1252", newline="") as file:
        out = csv.writer(file, delimiter=";")
        out.writerow(HEAD)
        out.writerows(adverts(n, np.random.default_rng(seed)))


if __name__ == "__main__":
    write(sys.argv[1], *map(int, sys.argv[2:]))
