-- Every change comes to an end: none is open for longer than four windows and some grace.
-- Counted from its newest event, or from the newest start of the loop, which watches anew. One that
-- is stuck waits for a person, and is told as that; one that a person extended may take its time.
with started as (
  select max(at_us) as at_us
  from events
  where kind = 'tuning.state' and body ->> 'why' = 'start'
),
waiting as (
  select
    c.id,
    c.rule,
    c.state,
    e.at_us,
    case
      when e.boot_id = cast(:boot_id as text) then cast(:elapsed_us as bigint) - e.elapsed_us
      else :now_us - e.at_us
    end as open_us,
    :now_us - s.at_us as running_us,
    :grace_us + 1000000 * (
      4 * cast(p.body ->> 'observe_window_s' as double precision)
      + cast(p.body ->> 'settle_s' as double precision)
    ) as allowed_us
  from changes c
  join change_events e on e.seq = (select max(seq) from change_events where change_id = c.id)
  join decisions d on d.seq = c.decision_seq
  join policies p on p.digest = d.policy
  cross join started s
  where c.id >= :change
    and c.state in ('applying', 'observing', 'rolling_back')
    and not exists (
      select 1
      from decisions x
      where x.change_id = c.id and x.kind = 'extend' and x.reason = 'asked'
    )
)
select id as change_id, rule, state, at_us, open_us, allowed_us
from waiting
where open_us > allowed_us and coalesce(running_us, open_us) > allowed_us
order by id
