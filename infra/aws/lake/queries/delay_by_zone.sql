-- Delay by zone and day type
-- What a day of each type costs each zone on average, over the last 28 days: hours lost, share of the time on the road
-- that they are, and how many days the average is of.
with newest as (
    select max(local_date) as local_date from marts.zone_congestion_daily
)

select
    daily.zone_id,
    zones.name as zone_name,
    daily.day_type,
    count(*) as days,
    avg(daily.delay_veh_h) as delay_veh_h_per_day,
    sum(daily.delay_veh_h) / nullif(sum(daily.vht), 0) as delay_share_of_vht,
    sum(daily.samples_observed) / sum(daily.samples_expected) as observed_share
from marts.zone_congestion_daily as daily
cross join newest
left join reference.zones as zones
    on daily.zone_id = zones.zone_id
where daily.local_date > newest.local_date - interval '28' day
group by daily.zone_id, zones.name, daily.day_type
order by daily.zone_id, daily.day_type
