"""`ruie bundle train`: candidates → LLM preference → reward model → bi-encoder → bundle.

The method is RUIE's (arXiv 2409.11673); `pipeline` has the order, each other module one stage.
"""
