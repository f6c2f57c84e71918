-- In a dry run the loop carries out nothing of its own.
-- A step that it proposed while `strategy.dry_run` was set may not go on to the controls; one that a
-- person asked for may, and so may taking back what was open before.
select c.id as change_id, c.rule, c.new, d.seq as decision, min(e.seq) as seq
from changes c
join decisions d on d.seq = c.decision_seq
join change_events e on e.change_id = c.id
where c.id >= :change
  and c.origin <> 'import'
  and d.mode = 'dry_run'
  and d.kind <> 'command'
  and d.reason <> 'asked'
  and e.to_state not in ('proposed', 'dry_run', 'rejected')
group by c.id, c.rule, c.new, d.seq
order by c.id
