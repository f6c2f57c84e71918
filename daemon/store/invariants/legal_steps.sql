-- A change is proposed or applied first, and moves only along the protocol from there.
-- A step that leaves a state which the change was not in, or leads where the protocol has no way,
-- is a second writer or a writer that believed its memory.
with legal(origin, target) as (
  values
    ('proposed', 'rejected'),
    ('proposed', 'dry_run'),
    ('proposed', 'applying'),
    ('applying', 'observing'),
    ('applying', 'failed'),
    ('applying', 'rolling_back'),
    ('applying', 'superseded'),
    ('applying', 'inconsistent'),
    ('observing', 'kept'),
    ('observing', 'rolling_back'),
    ('observing', 'superseded'),
    ('observing', 'inconsistent'),
    ('rolling_back', 'rolled_back'),
    ('rolling_back', 'stuck'),
    ('rolling_back', 'superseded'),
    ('rolling_back', 'inconsistent'),
    ('stuck', 'rolling_back'),
    ('stuck', 'superseded'),
    ('stuck', 'inconsistent')
),
steps as (
  select
    change_id,
    seq,
    from_state,
    to_state,
    lag(to_state) over (partition by change_id order by seq) as earlier
  from change_events
  where change_id >= :change
)
select s.change_id, c.rule, s.seq, s.earlier, s.from_state, s.to_state
from steps s
join changes c on c.id = s.change_id
left join legal l on l.origin = s.from_state and l.target = s.to_state
where c.origin <> 'import'
  and case
    when s.earlier is null then s.from_state is not null or s.to_state not in ('proposed', 'applying')
    else s.from_state is null or s.from_state <> s.earlier or l.target is null
  end
order by s.seq
