"""Worker processes and the process that starts them: streams, files, locks, and the end of it."""

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.contract.executors.kits import AT_ONCE, alive, at_work, until

ROOT = Path(__file__).parents[3]


def python(code):
    """Run a script as a process of its own; it says nothing on stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_closed_standard_streams_do_no_harm(tmp_path):
    code = f"""
        import contextlib, os
        os.closerange(0, 3)
        from daemon.adapters.executors import backtested
        from daemon.adapters.executors.local import LocalExecutor
        from daemon.ports import Batch
        from tests.contract.executors.kits import a_market, assert_sound, collect, combinations

        def talking(quotes, combinations):
            for stream in range(3):
                with contextlib.suppress(OSError):
                    os.write(stream, b"to whoever has this file now")
            return backtested(quotes, combinations)

        market = a_market()
        executor = LocalExecutor(2, work=talking)
        given = [Batch(number=n, quotes=market, combinations=combinations(3)) for n in range(4)]
        for batch in given:
            executor.submit(batch, 9.0)
        for number, finished in collect(executor, 4).items():
            assert_sound(finished, given[number])
        executor.close()
        open({str(tmp_path / "done")!r}, "x").close()
    """
    python(code)
    assert (tmp_path / "done").exists()


def test_what_the_parent_has_yet_to_print_and_to_close_is_its_own():
    code = """
        import atexit, gc, os
        from daemon.adapters.executors import backtested
        from daemon.adapters.executors.local import LocalExecutor
        from daemon.ports import Batch
        from tests.contract.executors.kits import a_market, combinations, run

        class Closing:
            def __del__(self):
                os.write(1, b"closed ")

        def collecting(quotes, combinations):
            gc.collect()
            return backtested(quotes, combinations)

        gc.disable()
        print("printed", end=" ")
        atexit.register(lambda: os.write(1, b"ended "))
        circle = Closing()
        circle.circle = circle
        del circle
        executor = LocalExecutor(1, work=collecting)
        run(executor, Batch(number=1, quotes=a_market(), combinations=combinations(3)))
        executor.close()
    """
    assert sorted(python(code).split()) == ["closed", "ended", "printed"]


def test_locks_that_other_threads_hold_stop_no_worker():
    code = """
        import sys, threading
        from daemon.adapters.executors import backtested
        from daemon.adapters.executors.local import LocalExecutor
        from daemon.ports import Batch
        from tests.contract.executors.kits import a_market, assert_sound, combinations, run

        class Terminal:
            lock = threading.Lock()

            def write(self, text):
                with self.lock:
                    pass

            flush = isatty = fileno = lambda self: None

        def talking(quotes, combinations):
            print("of no interest to anybody")
            print("neither is this", file=sys.stderr)
            return backtested(quotes, combinations)

        before = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = Terminal()
        batch = Batch(number=1, quotes=a_market(), combinations=combinations(3))
        executor = LocalExecutor(1, work=talking)
        with Terminal.lock:
            assert_sound(run(executor, batch), batch)
        executor.close()
        sys.stdout, sys.stderr = before
    """
    assert python(code) == ""


def test_workers_die_with_their_parent(marks):
    code = f"""
        from daemon.adapters.executors.local import LocalExecutor
        from daemon.ports import Batch
        from tests.contract.executors.kits import a_market, combinations
        from tests.contract.executors.works import Slow

        executor = LocalExecutor(2, work=Slow({str(marks)!r}, 30))
        market = a_market()
        for number in (1, 2):
            batch = Batch(number=number, quotes=market, combinations=combinations(3))
            executor.submit(batch, 60.0)
        print("ready", flush=True)
        executor.collect(60.0)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"ready\n"
        until(lambda: len(at_work(marks)) == 2)
        workers = at_work(marks)
        assert set(workers.values()) == {parent.pid}
        parent.kill()
        parent.wait()
        until(lambda: not any(alive(pid) for pid in workers), AT_ONCE)


def test_where_none_can_be_started_that_is_said():
    code = """
        import os, resource
        from daemon.ports import Batch, ExecutorFault
        from daemon.adapters.executors.local import LocalExecutor
        from tests.contract.executors.kits import a_market, combinations, run

        batch = Batch(number=1, quotes=a_market(), combinations=combinations(3))
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        executor = LocalExecutor(1)
        resource.setrlimit(resource.RLIMIT_NOFILE, (4, before[1]))
        for _ in range(2):
            try:
                executor.submit(batch, 9.0)
            except ExecutorFault as fault:
                print(fault.message, "|", fault.hint)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert run(executor, batch).lost is None
        executor.close()
    """
    told = python(code).splitlines()
    assert len(told) == 2
    assert all("no worker process can be started: Too many open files |" in line for line in told)
