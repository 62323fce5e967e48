"""The latency contract: stages, budgets, spans, drift, and the page that shows them."""
