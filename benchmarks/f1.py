"""F1 of bundles and other retrievers with a causal model that runs in this process.

    python benchmarks/f1.py --model FOLDER [--gguf FILE] --answers FILE GOLD... RETRIEVER...

GOLD are annotated rows; a RETRIEVER is `NAME=BUNDLE`, `bm25=BUNDLE`, `random=BUNDLE`, or
`hindsight=BUNDLE`, which knows the gold answer: what choosing could be worth. Prompts,
demonstrations, parsing, scores and intervals are those of `ruie evaluate`, which asks an endpoint;
here a model of transformers answers in batches, greedily, so that any model of a hub can be
measured where no server runs it; `--bf16` is several times as fast where the processor has it.
Answers are kept by prompt in the file: the same command goes on, and equal prompts are asked once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache, GgufConfig

from ruie import prompts
from ruie.bootstrap import interval, resampled_f1
from ruie.bundle import Bundle
from ruie.bundle.ranking import MENTIONS, Ranking
from ruie.bundle.retrieval import text_key
from ruie.errors import OutputError
from ruie.evaluation import GoldQuery, gold_queries
from ruie.exporter.training.likelihood import Tokeniser
from ruie.extractor import Retriever
from ruie.parsing import OutputForm, Parsed, parse
from ruie.records import Demonstration, Item, Query
from ruie.retrievers import BM25, Random
from ruie.scoring import Score, score_strings
from ruie.worker.evaluation.corpora import load_corpora

K = 8
BATCH = {"cpu": 24, "cuda": 384}
AT_ONCE = {"cpu": 2, "cuda": 32}  # prompts read together
LONGEST = 128  # tokens of an answer

Tokens = tuple[int, ...]
Gold = Mapping[Query, Sequence[Item]]


class Model:
    """Greedy answers to batches of prompts."""

    def __init__(self, folder: str, gguf: str, answers: Path, dtype: torch.dtype) -> None:
        self.tokenise = Tokeniser(folder, gguf)
        options: dict[str, Any] = {"dtype": dtype}
        if gguf:
            options |= {"gguf_file": gguf, "quantization_config": GgufConfig(dequantize=True)}
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        network: Any = AutoModelForCausalLM.from_pretrained(folder, **options).eval()
        self._network = network.to(self._device)
        tokenizer = self.tokenise.tokenizer
        self._lines = {i for i in range(len(tokenizer)) if "\n" in tokenizer.decode([i])}
        self._ends = {tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|im_end|>")}
        self._file = answers
        self.known: dict[str, str] = {}
        if answers.exists():
            self.known = dict(map(json.loads, answers.read_text(encoding="utf-8").splitlines()))

    def answer(self, asked: Sequence[Tokens]) -> list[str]:
        """Of each prompt the text up to the end of its first line."""
        left = sorted({each for each in asked if _key(each) not in self.known}, key=len)
        while left:
            some = [left.pop() for _ in range(min(BATCH[self._device], len(left)))]
            told = self._generate(some)
            with self._file.open("a", encoding="utf-8") as file:
                for each, text in zip(some, told, strict=True):
                    self.known[_key(each)] = text
                    file.write(json.dumps([_key(each), text]) + "\n")
        return [self.known[_key(each)] for each in asked]

    @torch.inference_mode()
    def _generate(self, asked: Sequence[Tokens]) -> list[str]:
        width = max(map(len, asked))
        ids = torch.zeros((len(asked), width), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, each in enumerate(asked):
            ids[row, width - len(each) :] = torch.tensor(each)
            mask[row, width - len(each) :] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        places = (mask.cumsum(1) - 1).clamp(min=0)
        token, past = self._read(ids, mask, places)
        places = places[:, -1:]
        told: list[list[int]] = [[] for _ in asked]
        open_rows = list(range(len(asked)))
        for _ in range(LONGEST):
            left = []
            for at, (row, said) in enumerate(zip(open_rows, token[:, 0].tolist(), strict=True)):
                if said not in self._ends and (said not in self._lines or not told[row]):
                    told[row].append(said)
                    left.append(at)
            if not left:
                break
            if len(left) < len(open_rows):
                kept = torch.tensor(left, device=self._device)
                past.batch_select_indices(kept)
                token, mask, places = token[kept], mask[kept], places[kept]
                open_rows = [open_rows[at] for at in left]
            places = places + 1
            mask = torch.cat([mask, torch.ones_like(token)], dim=1)
            token = self._next(token, mask, places, past)
        return [self.tokenise.tokenizer.decode(each, skip_special_tokens=True) for each in told]

    def _read(self, ids: Any, mask: Any, places: Any) -> tuple[Any, Any]:
        """The prompts, a few at a time: the attention of a long one alone fills a CPU's caches."""
        parts, first = [], []
        if self._device == "cpu":
            self._network.set_attn_implementation("eager")
        for few in torch.arange(len(ids)).split(AT_ONCE[self._device]):
            past = DynamicCache(config=self._network.config)
            first.append(self._next(ids[few], mask[few], places[few], past))
            parts.append(past)
        self._network.set_attn_implementation("sdpa")
        whole = parts[0]
        for number, layer in enumerate(whole.layers):
            layer.keys = torch.cat([part.layers[number].keys for part in parts])
            layer.values = torch.cat([part.layers[number].values for part in parts])
        return torch.cat(first), whole

    def _next(self, ids: Any, mask: Any, places: Any, past: Any) -> Any:
        """The likeliest next token of each row, (rows, 1)."""
        said = self._network(
            input_ids=ids,
            attention_mask=mask,
            position_ids=places,
            past_key_values=past,
            use_cache=True,
            logits_to_keep=1,
        )
        return said.logits[:, -1].argmax(-1, keepdim=True)


def _key(tokens: Tokens) -> str:
    return hashlib.sha256(json.dumps(tokens).encode()).hexdigest()


def scores(
    model: Model, retriever: Retriever, asked: Sequence[GoldQuery], rows: int
) -> list[Score]:
    """One a sentence."""
    queries = [each.query for each in asked]
    built = [
        prompts.build(query, found)
        for query, found in zip(queries, retriever.retrieve(queries, K), strict=True)
    ]
    conversations = [(prompt.messages, "") for prompt in built]
    told = model.answer([each.prompt for each in model.tokenise(conversations)])
    found = [Score()] * rows
    for each, prompt, text in zip(asked, built, told, strict=True):
        try:
            parsed = parse(text, each.query, prompt.demonstrations, OutputForm.LINEAR)
        except OutputError:
            parsed = Parsed((), (), False)
        found[each.row] += score_strings(each.items, parsed.items)
    return found


class Hindsight:
    """Of as many of a bundle's best as a ranking looks at those that agree most with the gold
    answer: by the Jaccard index of types, and 0.2 for a gold span that both have with the same
    type, as often as mentions count; then by the bundle's own order."""

    def __init__(self, bundle: Bundle, gold: Gold) -> None:
        self._bundle = bundle
        self._gold = gold
        self.digest = bundle.digest

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        found = self._bundle.retrieve(queries, Ranking().among)
        return [
            sorted(each, key=lambda one: -self._agreement(query, one.items))[:k]
            for query, each in zip(queries, found, strict=True)
        ]

    def _agreement(self, query: Query, items: Sequence[Item]) -> float:
        wanted = self._gold[query]
        types = [{item.type for item in each} for each in (wanted, items)]
        spans = [
            {(item.type, text_key(span.text)) for item in each for span in item.spans}
            for each in (wanted, items)
        ]
        either = types[0] | types[1]
        agreement = len(types[0] & types[1]) / len(either) if either else 1.0
        return agreement + 0.2 * min(MENTIONS, len(spans[0] & spans[1]))


def retrievers(given: Sequence[str], gold: Gold) -> Iterator[tuple[str, Retriever]]:
    for name, _, folder in (each.partition("=") for each in given):
        bundle = Bundle.open(folder)
        if name == "bm25":
            yield name, BM25(bundle)
        elif name == "random":
            yield name, Random(bundle)
        elif name == "hindsight":
            yield name, Hindsight(bundle, gold)
        else:
            yield name, bundle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("given", nargs="+", metavar="GOLD or NAME=BUNDLE")
    parser.add_argument("--model", required=True, help="Hugging Face id or folder")
    parser.add_argument("--gguf", default="", help="the file in it that holds the weights")
    parser.add_argument("--answers", type=Path, required=True, help="JSONL, kept between runs")
    parser.add_argument("--bf16", action="store_true", help="weights; keep answers of their own")
    parser.add_argument("--limit", type=int, default=200, help="sentences of each GOLD")
    parser.add_argument("--task", action="append", help="of a corpus that has several; NER, …")
    arguments = parser.parse_args()
    gold = [Path(each) for each in arguments.given if "=" not in each]
    corpora = {
        name: (list(gold_queries(corpus)), len(corpus.rows))
        for name, corpus in load_corpora(gold, None, arguments.limit, 0).items()
    }
    answers = {each.query: each.items for asked, _ in corpora.values() for each in asked}
    chosen = list(retrievers([each for each in arguments.given if "=" in each], answers))
    model = Model(
        arguments.model,
        arguments.gguf,
        arguments.answers,
        torch.bfloat16 if arguments.bf16 else torch.float32,
    )
    print("| corpus | task | retriever | P | R | F1 | 95 % | less the best other |")
    print("|---|---|---|---|---|---|---|---|")
    for name, (asked, rows) in corpora.items():
        for task in dict.fromkeys(each.query.task for each in asked):
            if not arguments.task or str(task) in arguments.task:
                some = [each for each in asked if each.query.task is task]
                compare(model, chosen, name, str(task), some, rows)


def compare(
    model: Model,
    chosen: Sequence[tuple[str, Retriever]],
    corpus: str,
    task: str,
    asked: Sequence[GoldQuery],
    rows: int,
) -> None:
    """A row of the table for each retriever, in percent."""
    drawn, totals = {}, {}
    for name, retriever in chosen:
        found = scores(model, retriever, asked, rows)
        drawn[name], totals[name] = resampled_f1(found), sum(found[1:], found[0])
        total, (low, high) = totals[name], interval(drawn[name])
        others = {other: totals[other].f1 for other in drawn if other != name}
        less = ""
        if others:
            best = max(others, key=others.__getitem__)
            ends = interval(drawn[name] - drawn[best])
            less = f"{100 * (total.f1 - others[best]):+.1f} ({best}; "
            less += f"{100 * ends.low:+.1f} … {100 * ends.high:+.1f})"
        print(
            f"| {corpus} | {task} | {name} | {100 * total.precision:.1f} | "
            f"{100 * total.recall:.1f} | {100 * total.f1:.1f} | "
            f"{100 * low:.1f} … {100 * high:.1f} | {less} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
