"""A real S3 server for tests and `./dev up --s3`: Versity's S3 Gateway."""

from pathlib import Path

from devtools.go_tools import GoTool, built

VERSITYGW = GoTool(
    "versitygw",
    "github.com/versity/versitygw",
    "cmd/versitygw",
    "v1.8.0",
    "h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc=",
)


def gateway() -> Path:
    """The program; built when it is not in the cache. Raises OperationFailed when that cannot be done."""
    return built(VERSITYGW)
