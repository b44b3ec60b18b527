-- Episodes of congestion that are open
-- Episodes that had not ended when they were last computed, with the place and the limits of their segment. The job
-- that finds them covers the last two days, once a day; what is congested now, the alerts say.
with newest as (
    select max(started_at) as started_at from marts.congestion_episodes
)

select
    episodes.segment_id,
    segments.corridor_id,
    episodes.zone_id,
    episodes.level,
    episodes.started_at,
    episodes.escalated_at,
    episodes.worst_congestion_index,
    episodes.delay_veh_h,
    segments.speed_limit_kmh,
    segments.capacity_veh_h
from marts.congestion_episodes as episodes
cross join newest
left join marts.dim_segment as segments
    on episodes.segment_id = segments.segment_id
where
    episodes.cleared_at is null
    and episodes.started_at > newest.started_at - interval '2' day
order by episodes.worst_congestion_index desc
