"""F1 of bundles and other retrievers with a causal model that runs in this process.

    python benchmarks/f1.py --model FOLDER [--gguf FILE] --answers FILE GOLD... RETRIEVER...

GOLD are annotated rows; a RETRIEVER is `NAME=BUNDLE`, `bm25=BUNDLE`, `random=BUNDLE`, or
`hindsight=BUNDLE`, which knows the gold answer: an upper bound for reranking. Prompts,
demonstrations, parsing, scores and intervals are those of `ruie evaluate`, which calls an endpoint;
here a model of transformers answers in batches, greedily, so that any model of a hub can be
measured without a server; `--bf16` is several times as fast where the processor supports it.
Answers are kept by prompt in the file: the same command resumes, and equal prompts run once.
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
from ruie.bundle.rerank_scores import MAX_MENTIONS, RerankWeights
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
PREFILL_BATCH = {"cpu": 2, "cuda": 32}
MAX_ANSWER_TOKENS = 128

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
        network: Any = AutoModelForCausalLM.from_pretrained(
            folder, trust_remote_code=False, **options
        ).eval()
        self._network = network.to(self._device)
        tokenizer = self.tokenise.tokenizer
        self._lines = {i for i in range(len(tokenizer)) if "\n" in tokenizer.decode([i])}
        self._ends = {tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|im_end|>")}
        self._file = answers
        self.known: dict[str, str] = {}
        if answers.exists():
            self.known = dict(map(json.loads, answers.read_text(encoding="utf-8").splitlines()))

    def answer(self, prompts: Sequence[Tokens]) -> list[str]:
        """The first line of the answer to each prompt."""
        left = sorted({each for each in prompts if _key(each) not in self.known}, key=len)
        while left:
            batch = [left.pop() for _ in range(min(BATCH[self._device], len(left)))]
            texts = self._generate(batch)
            with self._file.open("a", encoding="utf-8") as file:
                for each, text in zip(batch, texts, strict=True):
                    self.known[_key(each)] = text
                    file.write(json.dumps([_key(each), text]) + "\n")
        return [self.known[_key(each)] for each in prompts]

    @torch.inference_mode()
    def _generate(self, batch: Sequence[Tokens]) -> list[str]:
        width = max(map(len, batch))
        ids = torch.zeros((len(batch), width), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, each in enumerate(batch):
            ids[row, width - len(each) :] = torch.tensor(each)
            mask[row, width - len(each) :] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        token, past = self._prefill(ids, mask, positions)
        positions = positions[:, -1:]
        answers: list[list[int]] = [[] for _ in batch]
        open_rows = list(range(len(batch)))
        for _ in range(MAX_ANSWER_TOKENS):
            left = []
            for at, (row, next_id) in enumerate(zip(open_rows, token[:, 0].tolist(), strict=True)):
                newline_ends = next_id in self._lines and answers[row]
                if next_id not in self._ends and not newline_ends:
                    answers[row].append(next_id)
                    left.append(at)
            if not left:
                break
            if len(left) < len(open_rows):
                kept = torch.tensor(left, device=self._device)
                past.batch_select_indices(kept)
                token, mask, positions = token[kept], mask[kept], positions[kept]
                open_rows = [open_rows[at] for at in left]
            positions = positions + 1
            mask = torch.cat([mask, torch.ones_like(token)], dim=1)
            token = self._next(token, mask, positions, past)
        return [self.tokenise.tokenizer.decode(each, skip_special_tokens=True) for each in answers]

    def _prefill(self, ids: Any, mask: Any, positions: Any) -> tuple[Any, Any]:
        """The first token of each answer and the keys and values of the prompts, a few prompts at a
        time: the attention of one long prompt fills a CPU's caches."""
        parts, first = [], []
        if self._device == "cpu":
            self._network.set_attn_implementation("eager")
        for few in torch.arange(len(ids)).split(PREFILL_BATCH[self._device]):
            past = DynamicCache(config=self._network.config)
            first.append(self._next(ids[few], mask[few], positions[few], past))
            parts.append(past)
        self._network.set_attn_implementation("sdpa")
        joined = parts[0]
        for number, layer in enumerate(joined.layers):
            layer.keys = torch.cat([part.layers[number].keys for part in parts])
            layer.values = torch.cat([part.layers[number].values for part in parts])
        return torch.cat(first), joined

    def _next(self, ids: Any, mask: Any, positions: Any, past: Any) -> Any:
        """The likeliest next token of each row, (rows, 1)."""
        output = self._network(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=past,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1].argmax(-1, keepdim=True)


def _key(tokens: Tokens) -> str:
    return hashlib.sha256(json.dumps(tokens).encode()).hexdigest()


def scores(model: Model, retriever: Retriever, gold: Sequence[GoldQuery], rows: int) -> list[Score]:
    """One score a sentence (row)."""
    queries = [each.query for each in gold]
    built = [
        prompts.build(query, demonstrations)
        for query, demonstrations in zip(queries, retriever.retrieve(queries, K), strict=True)
    ]
    conversations = [(prompt.messages, "") for prompt in built]
    answers = model.answer([each.prompt for each in model.tokenise(conversations)])
    by_row = [Score()] * rows
    for each, prompt, text in zip(gold, built, answers, strict=True):
        try:
            parsed = parse(text, each.query, prompt.demonstrations, OutputForm.LINEAR)
        except OutputError:
            parsed = Parsed((), (), False)
        by_row[each.row] += score_strings(each.items, parsed.items)
    return by_row


class Hindsight:
    """Reranks a bundle's best by agreement with the gold answer: the Jaccard index of types, plus
    0.2 for each gold span that both have with the same type, at most `MENTIONS`; then by the
    bundle's own order."""

    def __init__(self, bundle: Bundle, gold: Gold) -> None:
        self._bundle = bundle
        self._gold = gold
        self.digest = bundle.digest

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        candidates = self._bundle.retrieve(queries, RerankWeights().depth)
        return [
            sorted(each, key=lambda one: -self._agreement(query, one.items))[:k]
            for query, each in zip(queries, candidates, strict=True)
        ]

    def _agreement(self, query: Query, items: Sequence[Item]) -> float:
        gold = self._gold[query]
        types = [{item.type for item in each} for each in (gold, items)]
        spans = [
            {(item.type, text_key(span.text)) for item in each for span in item.spans}
            for each in (gold, items)
        ]
        either = types[0] | types[1]
        agreement = len(types[0] & types[1]) / len(either) if either else 1.0
        return agreement + 0.2 * min(MAX_MENTIONS, len(spans[0] & spans[1]))


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
    files = [Path(each) for each in arguments.given if "=" not in each]
    corpora = {
        name: (list(gold_queries(corpus)), len(corpus.rows))
        for name, corpus in load_corpora(files, None, arguments.limit, 0).items()
    }
    answers = {each.query: each.items for gold, _ in corpora.values() for each in gold}
    chosen = list(retrievers([each for each in arguments.given if "=" in each], answers))
    model = Model(
        arguments.model,
        arguments.gguf,
        arguments.answers,
        torch.bfloat16 if arguments.bf16 else torch.float32,
    )
    print("| corpus | task | retriever | P | R | F1 | 95 % | less the best other |")
    print("|---|---|---|---|---|---|---|---|")
    for name, (gold, rows) in corpora.items():
        for task in dict.fromkeys(each.query.task for each in gold):
            if not arguments.task or str(task) in arguments.task:
                some = [each for each in gold if each.query.task is task]
                compare(model, chosen, name, str(task), some, rows)


def compare(
    model: Model,
    chosen: Sequence[tuple[str, Retriever]],
    corpus: str,
    task: str,
    gold: Sequence[GoldQuery],
    rows: int,
) -> None:
    """A row of the table for each retriever, in percent."""
    drawn, totals = {}, {}
    for name, retriever in chosen:
        by_row = scores(model, retriever, gold, rows)
        drawn[name], totals[name] = resampled_f1(by_row), sum(by_row[1:], by_row[0])
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
