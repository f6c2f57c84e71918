-- The trials of every study that have a place, fold by fold, in sample and out of sample.
select
  t.study_id,
  s.name as study,
  t.fold,
  t.rank,
  t.oos_rank,
  t.robust_rank,
  t.n as trial,
  t.params,
  t.value,
  t.violation,
  t.oos_value,
  t.robust_score,
  case when f.chosen_n = t.n then 1 else 0 end as chosen,
  case when s.winner_n = t.n and s.declared = 1 then 1 else 0 end as declared
from trials t
join studies s on s.id = t.study_id
join study_folds f on f.study_id = t.study_id and f.fold = t.fold
where t.rank is not null
