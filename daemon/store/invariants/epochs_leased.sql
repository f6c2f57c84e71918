-- Nothing was written under an epoch that nobody has taken.
-- The lease counts who has led; a row beyond it was written by somebody who invented theirs.
with told as (
  select 'decisions' as stream, max(epoch) as epoch from decisions where seq > :decision
  union all
  select 'change_events', max(epoch) from change_events where seq > :event
  union all
  select 'rule_history', max(epoch) from rule_history where seq > :entry
  union all
  select 'events', max(epoch) from events where seq > :note
  union all
  select 'changes', max(epoch) from changes where id >= :change
)
select stream, epoch, (select max(epoch) from lease) as leased
from told
where epoch > coalesce((select max(epoch) from lease), 0)
order by stream
