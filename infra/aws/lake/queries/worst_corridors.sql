-- Worst corridors of the last seven days
-- Corridors by the hours that vehicles lost against free flow, with speed, travel time index and the share that was
-- observed. The seven days end with the newest day of the marts.
with newest as (
    select max(local_date) as local_date from marts.congestion_daily
)

select
    daily.corridor_id,
    count(distinct daily.segment_id) as segments,
    sum(daily.delay_veh_h) as delay_veh_h,
    sum(daily.vkt) as vkt,
    sum(daily.speed_kmh * daily.vht) / nullif(sum(daily.vht), 0) as speed_kmh,
    sum(daily.vht) / nullif(sum(daily.vht / daily.travel_time_index), 0) as travel_time_index,
    sum(daily.samples_observed) / sum(daily.samples_expected) as observed_share
from marts.congestion_daily as daily
cross join newest
where daily.local_date > newest.local_date - interval '7' day
group by daily.corridor_id
order by delay_veh_h desc nulls last
limit 20
