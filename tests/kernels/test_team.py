"""How many threads run a chunk."""

from gpu_pipeline.kernels.cpu.team import Team


def chunks(team: Team, rates: dict[int, float], count: int) -> list[int]:
    """Sizes of the next chunks on a machine where ``rates`` are the steps per second by number of threads."""
    sizes = []
    for _ in range(count):
        sizes.append(team.size())
        team.note(sizes[-1], rates[sizes[-1]])
    return sizes


def test_quiet_machine_keeps_all_threads():
    """A trial of one thread must not become a habit: more than 1 chunk in 50 would cost what the threads bring."""
    sizes = chunks(Team(4), {4: 3.0, 1: 1.0}, 600)
    assert sizes.count(1) <= 6
    assert sizes[-1] == 4


def test_crowded_machine_runs_on_one_thread():
    """Beside other work the barrier can make all threads slower than one."""
    sizes = chunks(Team(4), {4: 0.2, 1: 1.0}, 100)
    assert sizes[:3] == [4, 4, 1]
    assert sizes.count(4) <= 14


def test_all_threads_return_when_the_crowd_has_gone():
    """A measurement under conditions that are over must not decide forever."""
    team = Team(4)
    chunks(team, {4: 0.2, 1: 1.0}, 50)
    assert 1 not in chunks(team, {4: 3.0, 1: 1.0}, 40)[10:]


def test_single_thread_is_never_on_trial():
    """With one thread there is nothing to choose."""
    team = Team(1)
    assert set(chunks(team, {1: 1.0}, 10)) == {1}
    assert not team.trying
