-- Every decision in a sentence; `repeats` counts later cycles that came to the same.
select
  d.seq,
  @iso(d.at_us) as at,
  d.mode,
  d.kind,
  d.rule,
  d.old,
  d.new,
  d.reason,
  d.explanation,
  d.policy,
  d.change_id,
  coalesce(n.n, 0) as repeats,
  @iso(n.last_at_us) as last_at
from decisions d
left join decision_repeats n on n.seq = d.seq
