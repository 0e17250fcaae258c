"""How probable it is that a record is right: from what is known when its answer is read.

    the answer ──written──▶ probabilities of its tokens ┐
    the question's demonstrations, the grounding ───────┴─signals─▶ model ──▶ 0 … 1

The model is a logistic regression for each task. The one that comes with ruie was fitted to answers
of a small LLM; `ruie evaluate` fits it to annotated rows, and says how well it keeps its word
(`ruie.confidence.reliability`).
"""
