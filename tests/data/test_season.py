"""The season of real, periodic and random series."""

import numpy as np
import pytest

from unrolled.data import Frequency, detect_season, read_series


def season_of(freq, *targets):
    return detect_season(Frequency.parse(freq), targets)[0]


def test_bundled_series():
    air, weather = read_series("air_passengers"), read_series("nyc_weather")
    assert air.schema.season == 12
    assert weather.schema.season == 24
    assert detect_season(Frequency.parse("1"), [air[0].target])[0] == 12


def test_the_reason_names_the_correlation():
    _, why = detect_season(Frequency.parse("MS"), [read_series("air_passengers")[0].target])
    assert why == "changes 12 months apart correlate by 0.91"


@pytest.mark.parametrize("period", [2, 3, 7, 24, 50])
def test_integer_steps_find_the_period_of_a_sine(period):
    time = np.arange(40 * period)
    assert season_of("1", np.sin(2 * np.pi * time / period + 0.3)) == period


def test_sine_with_trend_and_gaps():
    time = np.arange(300.0)
    values = np.sin(2 * np.pi * time / 7) + 0.2 * time
    values[::11] = np.nan
    assert season_of("1", values) == 7
    assert season_of("1d", values) == 7


@pytest.mark.parametrize("freq", ["1", "1h", "1mo"])
@pytest.mark.parametrize("walk", [False, True])
def test_noise_has_no_season(freq, walk):
    # Known cycles are confirmed at 2.5 standard deviations, so chance finds one in some 160
    # series and cycles; at most 2 of 40 leaves room for that.
    draws = [np.random.default_rng(seed).normal(size=400) for seed in range(40)]
    targets = [draw.cumsum() if walk else draw for draw in draws]
    assert sum(season_of(freq, target) != 1 for target in targets) <= 2
    assert season_of(freq, *targets) == 1


def test_smooth_series_have_no_short_season():
    time = np.arange(2000.0)
    assert season_of("1d", np.exp(-((time - 1000) ** 2) / 1e5)) == 1


@pytest.mark.parametrize("target", [np.zeros(0), np.ones(100), np.full(50, np.nan), np.arange(9.0)])
def test_nothing_to_find(target):
    for freq in ("1", "1h", "1d", "1y"):
        season, why = detect_season(Frequency.parse(freq), [target])
        assert season == 1
        assert why


def test_two_full_cycles_are_needed():
    pattern = np.random.default_rng(1).normal(size=12)
    assert season_of("1mo", np.tile(pattern, 8)) == 12
    assert season_of("1mo", np.tile(pattern, 2)) == 1


def test_a_day_is_found_in_minutes_and_an_hour_within_it_is_not_taken_for_it() -> None:
    """A strong daily wave, a weak hourly one, and noise, every minute for two weeks."""
    t = np.arange(14 * 1440)
    noise = np.random.default_rng(0).standard_normal(len(t))
    day, hour = 20 * np.sin(2 * np.pi * t / 1440), 5 * np.sin(2 * np.pi * t / 60)
    minutes = Frequency.parse("1min")
    assert detect_season(minutes, [day + hour + noise])[0] == 1440
    assert detect_season(minutes, [5 * hour + noise])[0] == 60
    assert detect_season(minutes, [noise])[0] == 1
