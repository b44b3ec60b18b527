-- Free flow against the speed limit
-- Segments whose drivers are furthest from the limit when the road is free: the 85th percentile of the 5-minute speeds
-- in off-peak hours (weekdays 9 to 16 and 19 to 22, weekends 6 to 22) against the registry's limit.
with off_peak as (
    select
        segment_id,
        speed_kmh
    from marts.int_segment__5min
    where
        speed_kmh is not null
        and case
            when day_of_week(local_date) <= 5
                then local_hour between 9 and 15 or local_hour between 19 and 21
            else local_hour between 6 and 21
        end
)

select
    segments.segment_id,
    segments.corridor_id,
    segments.zone_id,
    segments.speed_limit_kmh,
    approx_percentile(off_peak.speed_kmh, 0.85) as free_flow_observed_kmh,
    approx_percentile(off_peak.speed_kmh, 0.85) - segments.speed_limit_kmh as above_limit_kmh,
    count(*) as intervals
from off_peak
inner join marts.dim_segment as segments
    on off_peak.segment_id = segments.segment_id
where segments.speed_limit_kmh is not null
group by segments.segment_id, segments.corridor_id, segments.zone_id, segments.speed_limit_kmh
order by abs(approx_percentile(off_peak.speed_kmh, 0.85) - segments.speed_limit_kmh) desc
