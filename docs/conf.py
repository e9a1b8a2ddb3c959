"""The documentation site. In a clone, with Python and a compiler:

pip install ".[docs]" && sphinx-build -W --keep-going docs docs/_build/html
"""

import sys
from pathlib import Path

import fastsgd

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "fastsgd"
author = "The fastsgd developers"
project_copyright = author
version = release = fastsgd.__version__

extensions = [
    "mathml",
    "two_themes",
    "reference",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "sg_execution_times.rst"]
default_role = "py:obj"  # a link where there is such a name, else code
smartquotes = False  # "hinge" is to be copied as it stands
highlight_language = "none"  # of indented blocks, which are commands and what they print
suppress_warnings = ["config.cache"]  # the gallery's options hold functions

# Pages in Markdown: the anchors of headings are those of GitHub, where the same pages are read.
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 4

html_math_renderer = "mathml"

# The API reference
autodoc_typehints = "none"  # the sections of the docstrings have them in words
numpydoc_show_class_members = False  # each class has a page, on which its methods are

# The gallery: what it runs is in examples/gallery, and what it makes is not kept.
sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "filename_pattern": "/plot_",
    "backreferences_dir": "gallery/backreferences",
    "doc_module": ("fastsgd",),
    "image_scrapers": ("two_themes.scraper",),
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "copyfile_regex": r".*README\.md",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1,
    "junit": "../gallery.xml",
}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_baseurl = "https://fastsgd.github.io/fastsgd/"
html_title = "fastsgd"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "fastsgd"},
    "header_links_before_dropdown": 5,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {
    page: [] for page in ("index", "get-started", "comparison", "reliability", "changelog")
}  # alone in their section
