-- Every value of a rule follows from the one before it.
-- What the daemon replaced is what was there last, whoever set it; and what it wrote for a change is
-- that change's new value, or its old one again. A gap is a write that nobody recorded.
with told as (
  select
    h.seq,
    h.rule,
    h.old,
    h.new,
    h.actor,
    h.epoch,
    h.change_id,
    lag(h.new) over (partition by h.rule order by h.seq) as last
  from rule_history h
  where h.seq > :entry
)
select t.rule, t.seq, t.change_id, t.last, t.old, t.new, c.old as change_old, c.new as change_new
from told t
left join changes c on c.id = t.change_id
where t.epoch > 0
  and (t.actor = 'daemon' or t.change_id is not null)
  and (
    abs(t.old - t.last) > 0.000000001 * abs(t.last)
    or (t.new <> c.new and t.new <> c.old)
  )
order by t.seq
