"""Formulas as MathML, made when the pages are built: they need no script, no font from elsewhere and no network."""

from html import escape

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.util import logging

TO_MATHML = LatexToMathML()


def mathml(translator, node, displaystyle):
    """The MathML of a formula; one that is not understood is a warning, and shown as it was written."""
    latex = node.astext()
    try:
        return TO_MATHML.convert_with_local_state(latex, displaystyle=displaystyle)
    except LatexError as error:
        logging.getLogger(__name__).warning("not understood, %s: %s", latex, error, location=node)
        return f"<code>{escape(latex)}</code>"


def visit_inline(translator, node):
    translator.body.append(mathml(translator, node, displaystyle=False))
    raise nodes.SkipNode


def visit_block(translator, node):
    translator.body.append(f'<div class="formula">{mathml(translator, node, displaystyle=True)}</div>\n')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
