"""How long a lease is trusted."""

from pg_tasks.node.lease import Terms, granted


def test_a_lease_is_trusted_from_the_moment_of_asking_less_the_margin() -> None:
    lease = granted(7, 1000.0, Terms(duration=30, renewal=10, margin=1))
    assert (lease.epoch, lease.trusted_until, lease.renew_at) == (7, 1029.0, 1010.0)


def test_a_renewal_is_due_before_the_trust_ends() -> None:
    lease = granted(1, 0.0, Terms(duration=2, renewal=0.5, margin=0.5))
    assert lease.renew_at < lease.idle_renew_at == 0.75 < lease.trusted_until < 2


def test_who_has_something_to_see_to_renews_for_it_idle_or_not() -> None:
    lease = granted(7, 1000.0, Terms(duration=30, renewal=10, margin=1))
    assert lease.due_by(1012.0)[2:] == (1010.0, 1012.0)
    assert lease.due_by(1005.0)[2:] == (1005.0, 1005.0)
