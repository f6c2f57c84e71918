-- Every value a rule ever had, who set it, and what became of that.
select
  h.seq,
  h.rule,
  @iso(h.at_us) as at,
  h.old,
  h.new,
  h.actor,
  c.state as outcome,
  h.note,
  h.change_id
from rule_history h
left join changes c on c.id = h.change_id
