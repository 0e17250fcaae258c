"""Samples in the families of the catalogue: no metric is there that it does not list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from ruie.worker.metrics.catalogue import METRICS


class Families:
    """The samples of one scrape, by metric in the order of the catalogue."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}

    def add(self, name: str, value: float, **labels: str) -> None:
        """A sample of a counter or gauge."""
        family = self._family(name)
        assert isinstance(family, CounterMetricFamily | GaugeMetricFamily), name
        family.add_metric(self._values(name, labels), value)

    def add_histogram(
        self, name: str, buckets: Iterable[tuple[str, int]], total: float, **labels: str
    ) -> None:
        """buckets: upper bounds, the last `+Inf`, each with how many lie in it alone."""
        family = self._family(name)
        assert isinstance(family, HistogramMetricFamily), name
        cumulative: list[tuple[str, float]] = []
        for bound, count in buckets:
            cumulative.append((bound, count + (cumulative[-1][1] if cumulative else 0)))
        family.add_metric(self._values(name, labels), cumulative, total)

    def __iter__(self) -> Iterator[Family]:
        return (self._families[name] for name in METRICS if name in self._families)

    @staticmethod
    def _values(name: str, labels: dict[str, str]) -> list[str]:
        expected = METRICS[name].labels
        assert set(labels) == set(expected), f"{name} has the labels {expected}"
        return [labels[label] for label in expected]

    def _family(self, name: str) -> Family:
        if name not in self._families:
            metric = METRICS[name]
            made = {
                "counter": CounterMetricFamily,
                "gauge": GaugeMetricFamily,
                "histogram": HistogramMetricFamily,
            }[metric.kind]
            self._families[name] = made(
                name.removesuffix("_total"), metric.help, labels=metric.labels
            )
        return self._families[name]
