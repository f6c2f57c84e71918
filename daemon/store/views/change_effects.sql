-- What each change did to each signal, and the verdict on it.
-- The cross join has SQLite start from the changes: the newest are found without sorting them all.
select
  c.id as change_id,
  c.rule,
  c.old,
  c.new,
  @iso(c.applied_at_us) as applied_at,
  @iso(c.settled_at_us) as settled_at,
  c.state as outcome,
  s.name as signal,
  e.trial,
  e.pre_n,
  e.pre_mean,
  e.post_n,
  e.post_mean,
  e.delta,
  e.ci_low,
  e.ci_high,
  e.verdict,
  e.cause
from changes c
cross join deltas e
join signals s on s.id = e.signal_id
where e.change_id = c.id
