-- No value leaves its bounds, and no step of the loop is longer than allowed.
-- By the policy that the decision names. What a person set at their own word may be further away,
-- but not out of bounds; a rule that the policy does not have may not be moved at all.
select
  c.id as change_id,
  c.rule,
  c.old,
  c.new,
  cast(r.value ->> 'min' as double precision) as low,
  cast(r.value ->> 'max' as double precision) as high,
  cast(r.value ->> 'lr' as double precision) as step
from changes c
join decisions d on d.seq = c.decision_seq
join policies p on p.digest = d.policy
left join @each(p.body -> 'rules') r on r.key = c.rule
where c.id >= :change
  and c.origin <> 'import'
  and c.state not in ('proposed', 'rejected', 'dry_run')
  and (
    r.key is null
    or c.new < cast(r.value ->> 'min' as double precision)
    or c.new > cast(r.value ->> 'max' as double precision)
    or (
      d.kind <> 'command'
      and abs(c.new - c.old) > 1.000000001
        * cast(r.value ->> 'lr' as double precision)
        * cast(p.body -> 'strategy' ->> 'max_step_mult' as double precision)
    )
  )
order by c.id
