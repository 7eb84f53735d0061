"""Skill text to LoRA adapter: the frozen base, the hypernetwork that reads, and the adapter it writes."""
