"""The views that operators query.

Revision: 0006, after 0005
Rollout: before the new code.
"""

import migration_ddl as ddl

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

CURRENT_RULES = """
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
    when exists (select 1 from changes c where c.rule = r.name and c.state IN ('applying', 'observing', 'rolling_back', 'stuck')) then 'observing'
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
"""

DECISION_LOG = """
-- Every decision in a sentence; `repeats` counts later cycles that came to the same.
select
  d.seq,
  @iso(d.at_us) as at,
  d.mode,
  d.kind,
  d.rule,
  d.old,
  d.new,
  d.reason,
  d.explanation,
  d.policy,
  d.change_id,
  coalesce(n.n, 0) as repeats,
  @iso(n.last_at_us) as last_at
from decisions d
left join decision_repeats n on n.seq = d.seq
"""

CHANGE_EFFECTS = """
-- What each change did to each signal, and the verdict on it.
-- The cross join has SQLite start from the changes: the newest are found without sorting them all.
select
  c.id as change_id,
  c.rule,
  c.old,
  c.new,
  @iso(c.applied_at_us) as applied_at,
  @iso(c.settled_at_us) as settled_at,
  c.state as outcome,
  s.name as signal,
  e.trial,
  e.pre_n,
  e.pre_mean,
  e.post_n,
  e.post_mean,
  e.delta,
  e.ci_low,
  e.ci_high,
  e.verdict,
  e.cause
from changes c
cross join deltas e
join signals s on s.id = e.signal_id
where e.change_id = c.id
"""

RULE_TIMELINE = """
-- Every value a rule ever had, who set it, and what became of that.
select
  h.seq,
  h.rule,
  @iso(h.at_us) as at,
  h.old,
  h.new,
  h.actor,
  c.state as outcome,
  h.note,
  h.change_id
from rule_history h
left join changes c on c.id = h.change_id
"""

LEADERBOARD = """
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
"""

SIGNAL_HEALTH = """
-- Is each signal alive and fit as evidence? Rate and faults are of the minute before its last sample.
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
    else 'ok'
  end as state
from (
  select
    l.signal,
    @now_us as now_us,
    l.last_at_us,
    l.patience_us,
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
      case when s.period_s > 20 then s.period_s * 3e6 else 60000000 end as patience_us
    from signals s
  ) l
) h
"""

VIEWS = {
    "current_rules": CURRENT_RULES,
    "decision_log": DECISION_LOG,
    "change_effects": CHANGE_EFFECTS,
    "rule_timeline": RULE_TIMELINE,
    "leaderboard": LEADERBOARD,
    "signal_health": SIGNAL_HEALTH,
}


def upgrade() -> None:
    for name, template in VIEWS.items():
        ddl.create_view(name, template)


def downgrade() -> None:
    ddl.drop_views(*reversed(VIEWS))
