"""Last of all."""
from conftest import OPENAPI


def test_every_route_was_asked(api):
    wanted = {(m.upper(), p) for p, op in OPENAPI["paths"].items() for m in op}
    assert wanted <= api.exercised
