"""The Gradio page: layout and wiring over `studio.service`, one file for each concern.

`page.build` puts the parts together; `render` turns results into markup; `api` holds the public endpoints.
"""
