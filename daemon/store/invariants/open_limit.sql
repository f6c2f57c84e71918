-- Never are more changes of the loop open than the policy of the day allows.
-- Two at once cannot be told apart by what they do, and twice as much is at risk. Counted at every
-- step that opens one; what a person set at their own word is not the loop's.
with steps as (
  select
    e.seq,
    e.change_id,
    c.rule,
    cast(p.body -> 'strategy' ->> 'max_concurrent_changes' as integer) as allowed,
    case
      when e.to_state = 'applying' then 1
      when e.from_state in ('applying', 'observing', 'rolling_back', 'stuck')
        and e.to_state in ('kept', 'rolled_back', 'failed', 'superseded', 'inconsistent') then -1
      else 0
    end as more
  from change_events e
  join changes c on c.id = e.change_id
  join decisions d on d.seq = c.decision_seq
  left join policies p on p.digest = d.policy
  where e.change_id >= :change
    and c.origin <> 'import'
    and d.kind <> 'command'
),
counted as (
  select seq, change_id, rule, allowed, more, sum(more) over (order by seq) as open
  from steps
)
select change_id, rule, seq, open, allowed
from counted
where more > 0 and open > allowed
order by seq
