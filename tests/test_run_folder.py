"""A run's folder: one command at a time, and what is killed leaves no process and no lock behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from docgraph.errors import DataError
from tests.processes import in_session, needs_proc
from tests.training_runs import tiny, write_table
from training.fit import fit
from training.output.files import claimed
from training.run_folder import RunFolder

HOLD = (
    "import sys, time; from pathlib import Path; from training.output.files import claimed\n"
    "with claimed(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
)


def test_a_folder_is_for_one_command_at_a_time_and_free_again_when_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(
                DataError, match=rf"{folder} must be written by one command .* process {holder.pid} is at it"
            ),
            claimed(folder),
        ):
            pass
        config = tiny(write_table(tmp_path / "pets.jsonl"), folder)
        second = [sys.executable, "-m", "training.cli", "train", str(tmp_path / "c.yaml")]
        (tmp_path / "c.yaml").write_text(config.to_yaml())
        refused = subprocess.run(second, capture_output=True, text=True)
        assert refused.returncode == 2
        assert f"process {holder.pid} is at it" in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
        holder.kill()
    with RunFolder(folder).claim(config):
        assert (folder / "training.yaml").is_file()


def test_a_claim_is_given_back_at_the_end_of_it(tmp_path: Path) -> None:
    with claimed(tmp_path / "run"):
        pass
    code = (
        "import sys; from pathlib import Path; from training.output.files import claimed\n"
        "with claimed(Path(sys.argv[1])): pass"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")]).returncode == 0


def test_a_run_in_which_nothing_was_trained_keeps_nobody_from_putting_its_options_right(tmp_path: Path) -> None:
    table, folder = write_table(tmp_path / "pets.jsonl"), tmp_path / "run"
    with pytest.raises(DataError):
        fit(tiny(tmp_path / "mistyped.jsonl", folder))
    run = fit(tiny(table, folder, epochs=1))
    assert RunFolder(folder).is_finished
    assert run.scores["records"]
    with pytest.raises(DataError, match=r"its run differs in epochs"):
        fit(tiny(table, folder, epochs=2))


def test_a_model_whose_files_are_cut_is_one_sentence_with_a_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    fit(tiny(write_table(tmp_path / "pets.jsonl"), folder, epochs=1))
    for name in ("model.safetensors", "config.json"):
        (folder / name).write_bytes((folder / name).read_bytes()[:100])
        with pytest.raises(DataError, match=rf"must lie whole in its folder, but that of {folder} cannot be loaded"):
            RunFolder(folder).model()


# -- nothing outlives a command --------------------------------------------------------------------------------


def wait_until(ready, seconds: float = 400.0) -> None:
    """Wait for something to happen; fail if it never does."""
    for _ in range(int(seconds * 10)):
        if ready():
            return
        time.sleep(0.1)
    pytest.fail(f"waited {seconds} s in vain")


def kill_in_work(code: str, arguments: list[str], busy: Path, sign: signal.Signals, children: int) -> None:
    """Start a command in a session of its own, end its first process once it works, and see all of them go."""
    command = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        wait_until(lambda: (busy.exists() and len(in_session(command.pid)) > children) or command.poll() is not None)
        assert command.poll() is None, "the command ended by itself"
        command.send_signal(sign)
        command.wait(60)
        wait_until(lambda: not in_session(command.pid), 30)
    finally:
        for left in in_session(command.pid):
            os.kill(left, signal.SIGKILL)


CALL = "import sys; from training.cli import main; sys.argv = ['docgraph', *sys.argv[1:]]; main()"


@needs_proc
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_comparison_leaves_no_process_behind(tmp_path: Path, sign: signal.Signals) -> None:
    config = tiny(write_table(tmp_path / "pets.jsonl"), tmp_path / "out", epochs=2_000)
    (tmp_path / "c.yaml").write_text(config.to_yaml())
    arguments = ["compare", str(tmp_path / "c.yaml"), "--attention", "hsa", "--no-baseline", "--quiet"]
    busy = tmp_path / "out" / "runs" / "hsa-0" / "checkpoints"
    kill_in_work(CALL, arguments, busy, sign, children=1)


@needs_proc
def test_a_killed_training_leaves_no_data_worker_behind(tmp_path: Path) -> None:
    config = tiny(write_table(tmp_path / "pets.jsonl"), tmp_path / "out", epochs=2_000, workers=1)
    (tmp_path / "c.yaml").write_text(config.to_yaml())
    kill_in_work(
        CALL, ["train", str(tmp_path / "c.yaml")], tmp_path / "out" / "checkpoints", signal.SIGKILL, children=1
    )
