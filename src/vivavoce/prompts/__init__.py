"""Prompts are code: a module for each version, which is never changed once it was stamped."""

from vivavoce.prompts.mt import CURRENT, mt_prompt, versions
from vivavoce.prompts.prompt import Prompt

__all__ = ["CURRENT", "Prompt", "mt_prompt", "versions"]
