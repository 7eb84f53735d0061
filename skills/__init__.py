"""The skill format and the library of skills.

`skill` reads, checks and writes SKILL.md, `library` searches a folder of skills, `evals` reads and checks their evals.
No tensors here.
"""
