"""The interactive studio: a service over skills, hypernetwork and base model, and the page that shows it.

`service.py` holds what a page or the command line asks for, `views/` the Gradio page, `assets/` its style sheet.
"""
