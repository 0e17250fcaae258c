"""Reads a schema file. Each mistake is a `SchemaError` that names the file and the line and how to
correct it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ruie.errors import SchemaError

KEYS = ("name", "entities", "relations", "events", "demonstrations")
MAX_LABEL = 100  # characters; a label is repeated in every prompt, so a sentence is a mistake

SEPARATOR = ";"
"""Between the items of an answer: at an edge of a name it could not be told from that."""

LONGEST = 16 << 20
"""Bytes of a file."""

MAX_LABELS = 100_000
"""Of a whole file: with YAML's aliases a small one may stand for a list of any length."""


def read_fields(source: str, file: str, folder: Path) -> dict[str, Any]:
    """What a schema file says, by the names of `Schema`. Raises `SchemaError`.

    folder: of the file, which names its demonstrations. file: stands for it in messages.
    """
    try:
        root = yaml.compose(source, Loader=yaml.SafeLoader)
        return _SchemaReader(file, folder).schema(root)
    except RecursionError:
        raise SchemaError(f"{file}, line 1: nested too deeply.", "See docs/data.md.") from None
    except yaml.reader.ReaderError as error:
        line = source.count("\n", 0, int(error.position)) + 1
        raise SchemaError(
            f"{file}, line {line}: a character that YAML does not allow.", "Remove it."
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        what = getattr(error, "problem", None) or "not valid YAML"
        raise SchemaError(
            f"{file}, line {line}: {what}.", "Correct the YAML at this line."
        ) from None
    except (ValueError, OverflowError):  # of an escape such as \\Uffffffff
        raise SchemaError(
            f"{file}: an escape that stands for no character.", "Correct it."
        ) from None


class _SchemaReader:
    """Turns YAML nodes into a schema's fields; unlike plain values, nodes have their lines."""

    def __init__(self, file: str, folder: Path) -> None:
        self.file = file
        self.folder = folder
        self.labels = 0

    def fail(self, node: yaml.Node | None, message: str, hint: str) -> SchemaError:
        line = node.start_mark.line + 1 if node is not None else 1
        return SchemaError(f"{self.file}, line {line}: {message}", hint)

    def schema(self, root: yaml.Node | None) -> dict[str, Any]:
        if root is None:
            raise self.fail(None, "the file is empty.", f"Write {_listed(KEYS)}.")
        if not isinstance(root, yaml.MappingNode):
            raise self.fail(root, "this is not a mapping.", f"Write keys: {_listed(KEYS)}.")
        nodes: dict[str, yaml.Node] = {}
        for key, node in root.value:
            name = self.label(key, "key")
            if name not in KEYS:
                raise self.fail(key, f"unknown key '{name}'.", f"The keys are {_listed(KEYS)}.")
            if name in nodes:
                raise self.fail(key, f"'{name}' is written twice.", "Keep one of them.")
            nodes[name] = node
        if "name" not in nodes:
            raise self.fail(root, "'name' is missing.", "Add a line such as 'name: my-schema'.")
        fields: dict[str, Any] = {"name": self.label(nodes["name"], "name")}
        if "entities" in nodes:
            fields["entities"] = self.described(nodes["entities"], "entities")
        if "relations" in nodes:
            fields["relations"] = self.described(nodes["relations"], "relations")
        if "events" in nodes:
            fields |= self.events(nodes["events"])
        if not any(fields.get(key) for key in ("entities", "relations", "events")):
            raise self.fail(
                root, "nothing to extract.", "Add at least one of entities, relations, events."
            )
        if "demonstrations" in nodes:
            fields["demonstrations"] = self.path(nodes["demonstrations"])
        return fields

    def label(self, node: yaml.Node, what: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self.fail(node, f"a {what} must be text.", "Write it as one word or phrase.")
        self.labels += 1
        if self.labels > MAX_LABELS:
            raise self.fail(
                node, f"it has more than {MAX_LABELS:,} names.", "Write a smaller schema."
            )
        value = " ".join(self.text(node, what).split())
        if not value:
            raise self.fail(node, f"a {what} is empty.", "Write a name or remove the line.")
        if value.strip(SEPARATOR) != value:
            raise self.fail(
                node,
                f"a {what} begins or ends with '{SEPARATOR}': '{value}'.",
                f"Write the name without this '{SEPARATOR}'.",
            )
        if len(value) > MAX_LABEL:
            raise self.fail(
                node,
                f"a {what} of {len(value)} characters is too long (at most {MAX_LABEL}).",
                "Give it a short name and put the rest into its description.",
            )
        return value

    def text(self, node: yaml.ScalarNode, what: str) -> str:
        """A text that UTF-8 can encode and a database can hold: JSON may have half of a surrogate
        pair (`"\\ud83d"`), and NUL."""
        value: str = node.value
        if "\0" in value:
            raise self.fail(node, f"a {what} has NUL.", "Remove it.")
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise self.fail(
                node,
                f"a {what} has half of a surrogate pair.",
                r"Write the character itself, rather than an escape such as \ud83d.",
            )
        return value

    def described(self, node: yaml.Node, key: str) -> dict[str, str]:
        if isinstance(node, yaml.SequenceNode):
            return dict.fromkeys(self.distinct(node, f"type in {key}"), "")
        if not isinstance(node, yaml.MappingNode):
            raise self.fail(
                node,
                f"'{key}' must be a list of types or a mapping from type to description.",
                f"Write for example '{key}: [PERSON, PLACE]'.",
            )
        types: dict[str, str] = {}
        for name, description in node.value:
            label = self.label(name, f"type in {key}")
            if label in types:
                raise self.fail(name, f"'{label}' is written twice.", "Keep one of them.")
            types[label] = self.description(description, label)
        return types

    def description(self, node: yaml.Node, label: str) -> str:
        """A phrase, or a mapping of `description` and `examples`, which are made one phrase."""
        if isinstance(node, yaml.ScalarNode):
            absent = node.tag == "tag:yaml.org,2002:null"
            phrase = self.text(node, f"description of '{label}'")
            return "" if absent else " ".join(phrase.split())
        if not isinstance(node, yaml.MappingNode):
            raise self.fail(
                node,
                f"the description of '{label}' must be text.",
                "Write a phrase, or {description: a phrase, examples: [Ada Lovelace, Bo]}.",
            )
        return self.explained(self.parts(node, label, ("description", "examples")), label)

    def parts(self, node: yaml.MappingNode, label: str, names: Sequence[str]) -> dict[str, Any]:
        """The nodes of a mapping, by these keys."""
        self.distinct(yaml.SequenceNode("", [key for key, _ in node.value]), "key")
        for key, _ in node.value:
            if (name := self.label(key, "key")) not in names:
                raise self.fail(
                    key, f"'{name}' of '{label}' is not understood.", f"Write {_listed(names)}."
                )
        return {self.label(key, "key"): value for key, value in node.value}

    def explained(self, parts: Mapping[str, yaml.Node], label: str) -> str:
        """The phrase that `description` and `examples` make."""
        phrase, such = "", ""
        if (node := parts.get("description")) is not None:
            if not isinstance(node, yaml.ScalarNode):
                raise self.fail(node, f"the description of '{label}' must be text.", "Write text.")
            phrase = self.description(node, label)
        if (node := parts.get("examples")) is not None:
            if not isinstance(node, yaml.SequenceNode):
                raise self.fail(
                    node, f"the examples of '{label}' must be a list.", "Write [Ada Lovelace, Bo]."
                )
            such = f"such as {', '.join(self.distinct(node, f'example of {label!r}'))}"
        return ", ".join(filter(None, [phrase, such]))

    def events(self, node: yaml.Node) -> dict[str, Any]:
        """The fields of a schema that describe events."""
        if isinstance(node, yaml.SequenceNode):
            return {"events": dict.fromkeys(self.distinct(node, "event type"), ())}
        if not isinstance(node, yaml.MappingNode):
            raise self.fail(
                node,
                "'events' must map each event type to a list of roles.",
                "Write for example 'events: {Attack: [Attacker, Target]}'.",
            )
        types: dict[str, tuple[str, ...]] = {}
        described: dict[str, str] = {}
        roles_described: dict[str, dict[str, str]] = {}
        for name, about in node.value:
            label = self.label(name, "event type")
            if label in types:
                raise self.fail(name, f"'{label}' is written twice.", "Keep one of them.")
            roles: yaml.Node | None = about
            if isinstance(about, yaml.MappingNode):
                parts = self.parts(about, label, ("description", "examples", "roles"))
                roles, phrase = parts.get("roles"), self.explained(parts, label)
                if phrase:
                    described[label] = phrase
            with_phrases = self.roles(roles, label)
            types[label] = tuple(with_phrases)
            if any(with_phrases.values()):
                roles_described[label] = {k: v for k, v in with_phrases.items() if v}
        return {
            "events": types,
            "event_descriptions": described,
            "role_descriptions": roles_described,
        }

    def roles(self, node: yaml.Node | None, event: str) -> dict[str, str]:
        """Each with its description."""
        if node is None or (isinstance(node, yaml.ScalarNode) and node.value in ("", "null", "~")):
            return {}
        if isinstance(node, yaml.ScalarNode):
            raise self.fail(
                node, f"the roles of '{event}' must be a list.", "Write '[Role, Role]'."
            )
        return self.described(node, "roles")

    def distinct(self, node: yaml.SequenceNode, what: str) -> list[str]:
        labels: dict[str, None] = {}
        for child in node.value:
            label = self.label(child, what)
            if label in labels:
                raise self.fail(child, f"'{label}' is written twice.", "Keep one of them.")
            labels[label] = None
        return list(labels)

    def path(self, node: yaml.Node) -> Path:
        path = self.folder / self.label(node, "path")
        if not path.exists():
            raise self.fail(
                node,
                f"there is no demonstrations file {path}.",
                "The path is relative to the schema file.",
            )
        return path


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + " and " + words[-1]
