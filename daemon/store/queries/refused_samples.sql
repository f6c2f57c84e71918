-- Samples that were not stored, and why, per signal.
select s.name as signal, f.fault, sum(f.n) as samples
from sample_faults f
join signals s on s.id = f.signal_id
group by s.name, f.fault
order by samples desc
