-- What the daemon kept, it kept on evidence: a verdict, enough samples, all of them behind the change.
-- For every target of the policy that the change was kept under there is a measured effect, found
-- better, of finite numbers, out of at least `min_samples` samples; and where the samples were not
-- pruned since, so many of them lie between the change and the verdict. What a person confirmed
-- needs none of it.
with kept as (
  select c.id, c.rule, c.decision_seq, c.applied_at_us, c.settled_at_us, e.at_us
  from changes c
  join change_events e on e.change_id = c.id and e.to_state = 'kept'
  join decisions d on d.seq = c.decision_seq
  where c.id >= :change
    and c.origin <> 'import'
    and d.kind <> 'command'
    and e.cause <> 'confirmed'
),
judged as (
  select k.id, max(d.seq) as seq
  from kept k
  join changes first on first.decision_seq = k.decision_seq
  join decisions d on d.change_id = first.id and d.kind = 'keep'
  group by k.id
),
wanted as (
  select
    k.id,
    k.rule,
    k.applied_at_us,
    k.settled_at_us,
    s.id as signal_id,
    s.pruned_until_us,
    t.key as signal,
    cast(p.body ->> 'min_samples' as integer) as min_samples
  from kept k
  join judged j on j.id = k.id
  join decisions d on d.seq = j.seq
  join policies p on p.digest = d.policy
  cross join @each(p.body -> 'targets') t
  left join signals s on s.name = t.key
)
select k.id as change_id, k.rule, null as signal, 'nobody judged it' as what
from kept k
where not exists (select 1 from judged j where j.id = k.id)
union all
select w.id, w.rule, w.signal,
  case
    when w.applied_at_us is null then 'it was never applied'
    when e.change_id is null then 'no measured effect'
    when e.verdict <> 'better' then e.verdict
    when e.delta is null or e.post_mean is null or e.ci_low is null or e.ci_high is null
      then 'not finite'
    when coalesce(e.post_n, 0) < w.min_samples then 'too few samples counted'
    else 'fewer samples behind the change than were counted'
  end
from wanted w
left join deltas e on e.change_id = w.id and e.signal_id = w.signal_id
where w.applied_at_us is null
  or e.change_id is null
  or e.verdict <> 'better'
  or e.delta is null
  or e.post_mean is null
  or e.ci_low is null
  or e.ci_high is null
  or coalesce(e.post_n, 0) < w.min_samples
  or (
    w.pruned_until_us <= w.applied_at_us
    and e.post_n > (
      select count(*)
      from samples x
      where x.signal_id = w.signal_id
        and x.at_us > w.applied_at_us
        and x.at_us <= w.settled_at_us
    )
  )
order by 1, 3
