"""What the bench reads in the operator's log."""

from pathlib import Path

from bench.operator import Log, events


def test_lines_that_are_no_json_have_no_event() -> None:
    lines = ['{"event": "run starts"}', "Traceback (most recent call last):", "[1]", '{"level": "info"}']
    assert events(lines) == ["run starts", ""]


def test_a_log_is_read_on_and_a_line_counts_when_it_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text('{"event": "run starts"}\n{"event": "destroy ')
    log = Log(file)
    assert log.count("run starts", "destroy starts") == 1
    with file.open("a") as writer:
        writer.write('starts"}\n{"event": "run ended"}\n')
    assert log.count("run starts", "destroy starts") == 2
    assert log.count("destroy starts") == 1
