-- Changes that are not settled yet, and what they wait for.
select c.id, c.rule, c.old, c.new, c.state, c.cause, e.change_id is not null as has_evidence
from changes c
left join (select distinct change_id from deltas) e on e.change_id = c.id
where c.settled_at_us is null
order by c.id
