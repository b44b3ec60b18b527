-- Episodes of congestion by zone
-- How many episodes each zone had in the last 28 days, how long the ended ones lasted (median, minutes), and what delay
-- fell into them.
with newest as (
    select max(started_at) as started_at from marts.congestion_episodes
)

select
    episodes.zone_id,
    episodes.level,
    count(*) as episodes,
    approx_percentile(date_diff('second', episodes.started_at, episodes.cleared_at) / 60e0, 0.5) as minutes_median,
    sum(episodes.delay_veh_h) as delay_veh_h
from marts.congestion_episodes as episodes
cross join newest
where episodes.started_at > newest.started_at - interval '28' day
group by episodes.zone_id, episodes.level
order by delay_veh_h desc nulls last
