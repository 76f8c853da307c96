"""The page of all reports."""

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def page_template() -> Template:
    """Load the template; a value that is missing is an error."""
    environment = Environment(
        loader=PackageLoader("lgrseg.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")
