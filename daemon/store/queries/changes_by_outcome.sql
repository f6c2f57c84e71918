-- How changes ended, per rule.
select rule, state as outcome, count(*) as changes, avg(new - old) as mean_step
from changes
group by rule, state
order by rule, changes desc
