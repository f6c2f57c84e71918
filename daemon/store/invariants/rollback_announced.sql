-- Nothing is taken back that was not announced first.
-- The intent to roll back is written before the controls are, so that a crash in between is found.
select e.change_id, c.rule, e.seq
from change_events e
join changes c on c.id = e.change_id
where e.change_id >= :change
  and c.origin <> 'import'
  and e.to_state = 'rolled_back'
  and not exists (
    select 1
    from change_events b
    where b.change_id = e.change_id and b.to_state = 'rolling_back' and b.seq < e.seq
  )
order by e.seq
