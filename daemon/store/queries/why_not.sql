-- Why nothing was changed: reasons for holding, counted over all cycles.
select reason, count(*) as decisions, sum(1 + repeats) as cycles, max(at) as at
from decision_log
where kind = 'hold'
group by reason
order by cycles desc
