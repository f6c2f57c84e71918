-- Whoever moved a rule under a change is on record, and it was a person.
-- A change gives way only to a person, whose value was written into the history of the rule in that
-- very moment; and a value is only taken for a person's where our stamp is not on it. Else the
-- daemon would take its own mistakes for somebody's wish.
select c.id as change_id, c.rule, c.settled_at_us as at_us, 'no person on record' as what
from changes c
where c.id >= :change
  and c.origin <> 'import'
  and c.state = 'superseded'
  and not exists (
    select 1
    from rule_history h
    where h.rule = c.rule
      and h.actor <> 'daemon'
      and h.change_id is null
      and h.at_us = c.settled_at_us
  )
union all
select null, e.ref, e.at_us, 'taken for a person''s'
from events e
where e.seq > :note
  and e.kind = 'drift'
  and (e.body ->> 'author' is null or e.body ->> 'author' <> 'person')
order by 3
