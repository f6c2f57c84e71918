-- A change ends once, and its row stands where its newest event left it.
-- A second ending, or a row that moved without an event, means that somebody decided from memory
-- and not from what is on record. What an earlier tuner left behind was never in the protocol.
with told as (
  select
    change_id,
    max(seq) as seq,
    sum(
      case
        when to_state in (
          'rejected', 'dry_run', 'kept', 'rolled_back', 'failed', 'superseded', 'inconsistent'
        ) then 1
        else 0
      end
    ) as endings
  from change_events
  where change_id >= :change
  group by change_id
)
select c.id as change_id, c.rule, c.state, e.to_state as newest_event, t.endings
from changes c
left join told t on t.change_id = c.id
left join change_events e on e.seq = t.seq
where c.id >= :change
  and c.origin <> 'import'
  and (e.seq is null or e.to_state <> c.state or t.endings > 1)
order by c.id
