"""./bell export and ./bell import: a demo's record, taken to a new system."""

import pytest
from conftest import Stage

PATHS = ("/fills", "/orders", "/order-events", "/pnl", "/positions", "/equity", "/runs", "/decisions", "/accounts", "/position-snapshots")


@pytest.fixture
def new_stage():
    stage = Stage("new", 20)
    yield stage
    stage.bell("down")
    assert stage.no_process_left() == []


def test_a_record_is_taken_to_a_new_system(stage, new_stage, tmp_path):
    stage.demo()
    file = tmp_path / "week.tar.gz"
    done = stage.bell("export", file)
    assert done.returncode == 0, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == [file.name]
    for path, sentence in ((tmp_path / "none", "There is no file"), (file, None), (file, "the record is not empty")):
        done = new_stage.bell("import", path)
        if sentence:
            assert done.returncode != 0 and sentence in done.stderr, done.stderr
        else:
            assert done.returncode == 0, done.stderr
    for path in PATHS:
        assert new_stage.items(path, limit=1000) == stage.items(path, limit=1000), path
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(file.read_bytes()[:-20])
    done = new_stage.bell("import", cut)
    assert done.returncode == 1 and "nothing was imported: the archive is cut off" in done.stderr
    assert new_stage.bell("down").returncode == 0
    assert new_stage.bell("export", tmp_path / "x").returncode == 4
