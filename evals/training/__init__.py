"""Training rows in OpenAI's JSONL: written, and checked by every rule of the format. Pure.

The rules are those of OpenAI's fine-tuning API for supervised, preference and reinforcement
fine-tuning, as its SDK types and guides state them.
"""
