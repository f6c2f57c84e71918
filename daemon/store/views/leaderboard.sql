-- The ranked jobs of every session.
select
  k.session_id,
  k.rank,
  j.job_id,
  j.params,
  r.realized_pnl_usd,
  r.max_drawdown_pct,
  r.total_trades,
  r.win_rate,
  k.robust_rank
from rankings k
join jobs j on j.session_id = k.session_id and j.n = k.n
join results r on r.key = j.result_key
