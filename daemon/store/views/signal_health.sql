-- Is each signal alive and fit as evidence? Rate and faults are of the minute before its last sample.
-- Sick and silent are seen here; what else speaks against it, the running service has judged.
-- The clock read in the middle has Postgres count once what the columns use several times.
select
  h.signal,
  @iso(h.last_at_us) as last_at,
  (h.now_us - h.last_at_us) / cast(1000000 as double precision) as age_s,
  h.good / cast(60 as double precision) as rate_hz,
  h.bad / nullif(cast(h.good + h.bad as double precision), 0) as share_bad,
  case
    when h.bad * 5 > h.good + h.bad then 'sick'
    when h.last_at_us is null or h.now_us - h.last_at_us > h.patience_us then 'silent'
    else coalesce(h.judged, 'ok')
  end as state
from (
  select
    l.signal,
    @now_us as now_us,
    l.last_at_us,
    l.patience_us,
    l.judged,
    (
      select count(*) from samples x
      where x.signal_id = l.id and x.at_us > l.last_at_us - 60000000 and x.at_us <= l.last_at_us
    ) as good,
    (
      select cast(coalesce(sum(b.n), 0) as bigint) from sample_faults b
      where b.signal_id = l.id and b.bucket_us > coalesce(l.last_at_us, l.now_us) - 120000000
    ) as bad
  from (
    select
      s.id,
      s.name as signal,
      @now_us as now_us,
      (select max(m.at_us) from samples m where m.signal_id = s.id) as last_at_us,
      case when s.period_s > 20 then s.period_s * 3e6 else 60000000 end as patience_us,
      (select t.state from signal_states t where t.signal_id = s.id) as judged
    from signals s
  ) l
) h
