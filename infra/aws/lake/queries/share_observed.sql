-- Where too little was observed
-- Segments of which less than 80 % of the expected samples came on a day of the last seven, worst first, with the
-- kilometres that went past them unmeasured or filled in.
with newest as (
    select max(local_date) as local_date from marts.congestion_daily
)

select
    daily.segment_id,
    daily.zone_id,
    count(*) as unreliable_days,
    min(daily.observed_share) as lowest_observed_share,
    sum(daily.samples_expected - daily.samples_observed) as samples_missing,
    sum(daily.vkt * (1 - daily.observed_share)) as vkt_unobserved
from marts.congestion_daily as daily
cross join newest
where
    not daily.is_reliable
    and daily.local_date > newest.local_date - interval '7' day
group by daily.segment_id, daily.zone_id
order by samples_missing desc
