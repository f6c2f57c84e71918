-- Along every stream of history the epoch of the leader never falls.
-- A row of an older epoch behind one of a newer is a leader that was replaced and wrote all the
-- same. Rows of epoch 0 were written by nobody who leads: an import, an upgrade of the schema.
with told as (
  select 'decisions' as stream, seq, epoch,
    max(epoch) over (order by seq rows between unbounded preceding and 1 preceding) as earlier
  from decisions where seq > :decision
  union all
  select 'change_events', seq, epoch,
    max(epoch) over (order by seq rows between unbounded preceding and 1 preceding)
  from change_events where seq > :event
  union all
  select 'rule_history', seq, epoch,
    max(epoch) over (order by seq rows between unbounded preceding and 1 preceding)
  from rule_history where seq > :entry
  union all
  select 'events', seq, epoch,
    max(epoch) over (order by seq rows between unbounded preceding and 1 preceding)
  from events where seq > :note
)
select stream, seq, epoch, earlier
from told
where epoch > 0 and epoch < earlier
order by stream, seq
