-- The newest decisions, each with its reason in a sentence.
select seq, at, mode, kind, rule, old, new, reason, explanation
from decision_log
order by seq desc
limit 20
