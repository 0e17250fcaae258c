"""`ruie bundle train`: candidates → LLM preference → reward model → bi-encoder → ranking → bundle.

The method is RUIE's (arXiv 2409.11673). `pipeline` runs the stages in order; most other modules
are one stage each.
"""
