"""The YAML of front matter, in which a small text cannot stand for a large value."""

from __future__ import annotations

from typing import Any

import yaml

MAX_NUMBER = 64
"""Characters of a number: reading one takes the square of its length, so longer ones are text."""


class _Loader(yaml.SafeLoader):
    """YAML's plain values, without merge keys (`<<`), by which nine lines are a billion values. An
    alias is no copy: it costs nothing."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # as in its base class
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:merge"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merges nothing."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> Any:
        """The tag of a node."""
        if kind is yaml.ScalarNode and implicit[0] and len(value) > MAX_NUMBER:
            return self.DEFAULT_SCALAR_TAG
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]  # not in its stub


def load(written: str) -> Any:
    """The value of a YAML document. Raises `yaml.YAMLError`, ValueError, RecursionError."""
    return yaml.load(written, Loader=_Loader)  # a safe loader
