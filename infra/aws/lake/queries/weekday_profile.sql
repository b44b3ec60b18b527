-- A segment's typical weekday
-- Speed by local hour on the weekdays of the last 28 days: the median, and the speeds that a tenth of the days stay
-- below and above. Of the segment with the most delay; write another's id in place of the subquery.
with chosen as (
    select max_by(segment_id, delay_veh_h) as segment_id
    from (
        select
            segment_id,
            sum(delay_veh_h) as delay_veh_h
        from marts.congestion_daily
        group by segment_id
    ) as delays
),

newest as (
    select max(local_date) as local_date from marts.congestion_hourly
)

select
    hourly.segment_id,
    hourly.local_hour,
    count(hourly.speed_kmh) as days,
    approx_percentile(hourly.speed_kmh, 0.1) as speed_kmh_p10,
    approx_percentile(hourly.speed_kmh, 0.5) as speed_kmh_median,
    approx_percentile(hourly.speed_kmh, 0.9) as speed_kmh_p90,
    avg(hourly.volume_veh) as volume_veh,
    avg(hourly.delay_veh_h) as delay_veh_h
from marts.congestion_hourly as hourly
inner join chosen on hourly.segment_id = chosen.segment_id
cross join newest
where
    hourly.day_type = 'weekday'
    and hourly.is_reliable
    and hourly.local_date > newest.local_date - interval '28' day
group by hourly.segment_id, hourly.local_hour
order by hourly.local_hour
