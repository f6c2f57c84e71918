-- Between two changes of a rule lies the cooldown of the policy of the day.
-- Told by the clock that never steps back where both changes were begun since the same start of the
-- machine, by the wall clock otherwise; a wall clock that went back says nothing. A change that is
-- proven never to have been applied starts no rest, and a person's own word waits for none.
with intents as (
  select
    c.id,
    c.rule,
    d.kind,
    cast(p.body ->> 'cooldown_s' as double precision) * 1000000 as cooldown_us,
    e.at_us,
    e.boot_id,
    e.elapsed_us,
    lag(c.id) over rule_in_order as earlier_id,
    lag(e.at_us) over rule_in_order as earlier_us,
    lag(e.boot_id) over rule_in_order as earlier_boot_id,
    lag(e.elapsed_us) over rule_in_order as earlier_elapsed_us
  from change_events e
  join changes c on c.id = e.change_id
  left join decisions d on d.seq = c.decision_seq
  left join policies p on p.digest = d.policy
  where e.change_id >= :change
    and e.to_state = 'applying'
    and c.state <> 'failed'
  window rule_in_order as (partition by c.rule order by e.seq)
),
gaps as (
  select
    id,
    rule,
    kind,
    earlier_id,
    cooldown_us,
    case
      when boot_id = earlier_boot_id then elapsed_us - earlier_elapsed_us
      when at_us >= earlier_us then at_us - earlier_us
    end as gap_us
  from intents
  where earlier_id is not null
)
select id as change_id, rule, earlier_id, gap_us, cooldown_us
from gaps
where kind <> 'command' and gap_us < cooldown_us - :slack_us
order by id
