-- What moving each rule did to each signal, on average, per unit moved.
select
  rule,
  signal,
  count(*) as measured,
  avg(delta) as mean_delta,
  avg(delta / (new - old)) as per_unit,
  sum(case when verdict = 'better' then 1 else 0 end) as better,
  sum(case when verdict = 'worse' then 1 else 0 end) as worse
from change_effects
where new <> old
group by rule, signal
order by rule, signal
