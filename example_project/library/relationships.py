"""
Relations that neither model knows of: viewers follow viewers, and a page has a style
for some time. This module is found when Django starts.
"""

from gm2m.connections import define_relationship

follow = define_relationship("follow", "library.Viewer", "library.Viewer")
follow.attach(from_name="follows", to_name="followers")

page_styles = define_relationship(
    "page_styles", "library.Page", "library.Style", connection_model="library.Slot"
)
