-- What every rule is set to now, since when, and what holds it.
select
  r.name as rule,
  r.value,
  r.init,
  r.min_value as "min",
  r.max_value as "max",
  @iso(r.changed_at_us) as changed_at,
  r.change_id,
  case
    when exists (select 1 from changes c where c.rule = r.name and c.@open) then 'observing'
    when r.foreign_at_us is not null then 'foreign'
    when exists (
      select 1 from freezes f
      where f.removed_at_us is null
        and (f.rule is null or f.rule = r.name)
        and f.starts_at_us <= @now_us
        and (f.ends_at_us is null or f.ends_at_us > @now_us)
    ) then 'frozen'
    when r.cooldown_until_us > @now_us then 'cooling'
    else 'steady'
  end as state
from rules r
where r.retired_at_us is null
